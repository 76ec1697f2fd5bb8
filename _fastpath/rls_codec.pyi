"""The one codec of rate limit messages, used by both lanes."""

from _fastpath.rls_message import RateLimitRequest, RateLimitResponse

MAX_DESCRIPTORS: int
"""Descriptors of one request; more are refused with `WireError.too_large`."""

MAX_ENTRIES: int
"""Entries of all descriptors of one request together; more are refused likewise."""

def decode_rate_limit_request(data: bytes) -> RateLimitRequest:
    """Decode envoy.service.ratelimit.v3.RateLimitRequest, with the fields of Envoy 1.40.

    Raises `errors.WireError` for bytes that protobuf would refuse, and with `too_large` past
    MAX_DESCRIPTORS or MAX_ENTRIES. Unknown fields are skipped.
    """

def encode_rate_limit_response(response: RateLimitResponse) -> bytes:
    """Encode envoy.service.ratelimit.v3.RateLimitResponse.

    Fields in ascending number, repeated ones in the given order, proto3 defaults left out: the
    bytes equal protobuf's deterministic serialization. The native lane writes the same bytes.
    """
