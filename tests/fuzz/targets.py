"""What is fuzzed: each decoder, with protobuf as the judge of what must be refused."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from envoy.service.auth.v3 import external_auth_pb2
from envoy.service.ratelimit.v3 import rls_pb2
from google.protobuf.message import DecodeError, Message

from _fastpath.cells import Series
from _fastpath.check_codec import decode_check_request
from _fastpath.counters import CounterTable
from _fastpath.errors import WireError
from _fastpath.header_spec import HeaderFamily, HeaderSpec
from _fastpath.plan import Plans
from _fastpath.rls import RateLimitDecider
from _fastpath.rls_codec import decode_rate_limit_request
from _fastpath.rpc import Status

SEEDS = Path(__file__).resolve().parent / "seeds"


@dataclass(frozen=True, slots=True)
class Target:
    """`decode` may raise WireError and nothing else; `oracle` parses the same bytes."""

    name: str
    decode: Callable[[bytes], object]
    oracle: Callable[[bytes], Message]

    def seeds(self) -> list[bytes]:
        return [path.read_bytes() for path in sorted(SEEDS.glob(f"{self.name}-*.bin"))]

    def run(self, data: bytes) -> None:
        """Raises AssertionError when one side accepts what the other refuses."""
        try:
            self.decode(data)
            refused = None
        except WireError as error:
            refused = error
        try:
            self.oracle(data)
            oracle_refused = None
        except DecodeError as error:
            oracle_refused = error
        if refused and refused.too_large:
            return
        assert (refused is None) == (oracle_refused is None), f"{refused!r} or {oracle_refused!r}"


DECIDER = RateLimitDecider(
    Plans(1),
    CounterTable(),
    Series(1),
    headers=HeaderSpec(HeaderFamily.DRAFT_VERSION_03),
    statuses=True,
)


def read_rate_limit_in_both_lanes(data: bytes) -> object:
    """The native lane has no plan here: it must get as far as missing it, or refuse likewise."""
    status = DECIDER.should_rate_limit(data, 1, 1)[2]
    if status != Status.UNAVAILABLE:
        raise WireError("refused natively", too_large=status == Status.RESOURCE_EXHAUSTED)
    return decode_rate_limit_request(data)


def read_whole_check(data: bytes) -> object:
    request = decode_check_request(data, 1, 1_790_000_000_000_000_000)
    return request.attributes()


TARGETS = (
    Target("rls", read_rate_limit_in_both_lanes, rls_pb2.RateLimitRequest.FromString),
    Target("check", read_whole_check, external_auth_pb2.CheckRequest.FromString),
)
