from collections.abc import Mapping, Sequence

from _fastpath.rule_spec import Place

class CheckRequest:
    """A decoded envoy.service.auth.v3.CheckRequest. Both lanes read it through the same decode."""

    has_http: bool
    """False: answer INVALID_ARGUMENT, 400, reason INVALID_REQUEST."""
    host: str
    """For the host lookup: context extension `host` if present (even empty), else http.host."""

    def attributes(self) -> dict[str, object]:
        """The authorization JSON without `auth`, a new dict at each call.

        Keys: context, request, source, destination, metadata (each {} at least). Inside them empty
        strings, zero numbers, empty maps and messages that were not sent are left out; numbers are
        floats.
        request.id: header x-request-id, else http.id, else a UUID derived from the request and its
        clocks, so that both lanes see the same. request.url_path and request.query follow Go's
        net/url; a path that it would refuse (bad percent-escape, control character) is cut at
        "?" and "#" and left undecoded. Bytes of a decoded url_path that are no UTF-8 become U+FFFD.
        """

    def credential(self, place: Place, name: str) -> bytes | None:
        """The credential as `rule_spec.Credential` describes; None when there is none."""

def decode_check_request(data: bytes, mono_ns: int, wall_ns: int) -> CheckRequest:
    """Raises `errors.WireError` for bytes that protobuf would refuse."""

def encode_check_response(
    code: int,
    *,
    http_status: int = 0,
    headers: Sequence[tuple[str, str]] = (),
    reason: str | None = None,
    body: str = "",
    response_headers: Sequence[tuple[str, str]] = (),
    dynamic_metadata: Mapping[str, object] | None = None,
) -> bytes:
    """The one encoder of CheckResponse; the native lane writes the same bytes.

    code: google.rpc.Code; 0 makes an ok_response (headers, response_headers), anything else a
    denied_response (http_status, headers, body). Headers are written in the given order, `reason`
    as X-Ext-Auth-Reason after them. dynamic_metadata is written when code is 0, also empty, and
    with a denial when given; keys sorted by bytes, numbers as doubles. CR, LF and NUL in a header
    value become a space (RFC 9110 section 5.5).
    """

INVALID_REQUEST: str
SERVICE_NOT_FOUND: str
