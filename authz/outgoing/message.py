"""What is sent and what comes back."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from multidict import CIMultiDict

from _fastpath.header_spec import HEADER_NAME
from authz.outgoing.errors import BadRequest

_NO_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_MOST_REASON = 64
_OF_THE_CONNECTION = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


@dataclass(frozen=True, slots=True)
class OutgoingRequest:
    """timeout_s: from the beginning to the last byte of the answer; None leaves it to the deadline
    and `OutgoingBounds.longest_seconds`. follow_redirects: up to `OutgoingBounds.redirects`.

    Credentials stand in any part, so nothing but the method is shown.
    """

    method: str
    url: str = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes | None = field(default=None, repr=False)
    timeout_s: float | None = 5.0
    follow_redirects: bool = False


@dataclass(frozen=True, slots=True)
class OutgoingResponse:
    """Header names are in lower case; the values of equal names are joined by a comma."""

    status: int
    reason: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def status_line(self) -> str:
        """`401 Unauthorized`, for reasons that callers may read."""
        return f"{self.status} {self.reason[:_MOST_REASON]}".strip()


def checked_headers(headers: tuple[tuple[str, str], ...]) -> CIMultiDict[str]:
    """Of equal names the last counts. Those that the connection itself decides are left out, so
    that none can make two requests of one. Raises BadRequest."""
    checked: CIMultiDict[str] = CIMultiDict()
    for name, value in headers:
        if not HEADER_NAME.fullmatch(name) or _NO_VALUE.search(value):
            raise BadRequest("a header is not valid")
        if name.lower() not in _OF_THE_CONNECTION:
            checked[name] = value.strip(" \t")
    checked["Accept-Encoding"] = "identity"  # what is read is bounded, and so is not unpacked
    return checked
