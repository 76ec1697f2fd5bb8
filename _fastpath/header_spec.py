"""What rate limit answers tell a client: response headers, and the reply to a refused request."""

import re
from dataclasses import dataclass
from enum import IntEnum

SECOND_NS = 1_000_000_000
NEVER_NS = 2**63 - 1
"""A `Verdict.retry_ns` that no waiting helps."""

HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.1
_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")  # section 5.5, with UTF-8
# Of the connection and the length of its messages, which are for the proxy to write.
_FRAMING = frozenset(
    {
        "connection",
        "content-length",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


class HeaderFamily(IntEnum):
    """One way to write limits into response headers; docs/headers.md shows an answer of each."""

    NONE = 0
    DRAFT_VERSION_03 = 1
    """X-RateLimit-Limit with policies, -Remaining, -Reset, as Limitador writes them."""
    RATELIMIT = 2
    """RateLimit-Limit, -Remaining, -Reset of one limit, as envoyproxy/ratelimit writes them."""
    IETF = 3
    """RateLimit-Policy and RateLimit of draft-ietf-httpapi-ratelimit-headers-10."""


@dataclass(frozen=True, slots=True)
class HeaderSpec:
    """The headers of ShouldRateLimit.

    retry_after: whether a refusal carries Retry-After, whatever the family.
    """

    family: HeaderFamily = HeaderFamily.NONE
    retry_after: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a limit adds to the answer when the request is refused and the limit is reported for it.

    body: Envoy's reply to the client. headers: on that reply, as written; a content-type here
    replaces text/plain. metadata: an encoded google.protobuf.Struct, which Envoy keeps as dynamic
    metadata. Raises ValueError for a header that HTTP does not allow, or that frames the message.
    """

    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    metadata: bytes | None = None

    def __post_init__(self) -> None:
        for name, value in self.headers:
            if not HEADER_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no header name")
            if name.lower() in _FRAMING:
                raise ValueError(f"header {name} is Envoy's own")
            if not _VALUE.fullmatch(value):
                raise ValueError(f"header {name}: control characters are not allowed")


NO_HEADERS = HeaderSpec()
