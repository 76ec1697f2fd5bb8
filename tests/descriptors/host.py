"""Hosts the descriptor service without a server, in either lane, with a clock that tests set."""

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field

from envoy.service.ratelimit.v3 import rls_pb2

from _fastpath.cells import Series
from _fastpath.clock import Clock
from _fastpath.counters import Counter, CounterTable
from _fastpath.plan import Plans
from _fastpath.rpc import RpcError, Status, UnaryMethod
from ratelimit.descriptors.active_domains import ActiveDomains
from ratelimit.descriptors.domain_file import parse
from ratelimit.descriptors.limit import Unit
from ratelimit.descriptors.options import DescriptorOptions
from ratelimit.descriptors.service import DescriptorService
from ratelimit.store import MemoryStore
from tests.ratelimit.host import Call

SECOND_NS = 1_000_000_000
START_NS = 1_700_000_000 * SECOND_NS
LANES = ("native", "full")
Response = rls_pb2.RateLimitResponse
OK, OVER_LIMIT = Response.OK, Response.OVER_LIMIT
Entries = Mapping[str, str] | Sequence[tuple[str, str]]


def descriptor(
    entries: Entries, *, hits: int | None = None, limit: tuple[int, str] | None = None
) -> rls_pb2.RateLimitRequest:
    """A request that holds this one descriptor; `asked` joins several."""
    made = rls_pb2.RateLimitRequest()
    one = made.descriptors.add()
    for key, value in entries.items() if isinstance(entries, Mapping) else entries:
        one.entries.add(key=key, value=value)
    if hits is not None:
        one.hits_addend.value = hits
    if limit is not None:
        one.limit.requests_per_unit = limit[0]
        one.limit.unit = Unit[limit[1]]
    return made


def asked(
    domain: str, *descriptors: rls_pb2.RateLimitRequest, hits: int = 0
) -> rls_pb2.RateLimitRequest:
    made = rls_pb2.RateLimitRequest(domain=domain, hits_addend=hits)
    for each in descriptors:
        made.descriptors.extend(each.descriptors)
    return made


@dataclass
class Host:
    """native: ask the native handler first, as a transport does; its outcomes are noted."""

    native: bool
    options: DescriptorOptions = field(default_factory=DescriptorOptions)
    merge: bool = False
    max_names: int = 50
    wall_ns: int = START_NS
    outcomes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.plans = Plans(1)
        self.series = Series(1)
        self.counters = CounterTable()
        self.active = ActiveDomains(
            self.series,
            lambda unit: self.plans.publish(unit, None),
            merge=self.merge,
            near_ratio=self.options.near_ratio,
            mono_ns=lambda: self.clock.mono_ns,
        )
        self.service = DescriptorService(
            self.active,
            self.plans,
            self.counters,
            MemoryStore(self.counters, lambda: self.clock),
            self.series,
            self.options,
            max_names=self.max_names,
        )
        (method,) = self.service.methods()
        assert isinstance(method, UnaryMethod)
        self.method = method

    @property
    def clock(self) -> Clock:
        return Clock(self.wall_ns - START_NS + SECOND_NS, self.wall_ns)

    def load(self, *texts: str) -> None:
        files = [parse(text, f"{index}.yaml") for index, text in enumerate(texts)]
        self.active.apply(self.active.build(files))

    def advance(self, seconds: float) -> None:
        self.wall_ns += int(seconds * SECOND_NS)

    def listed(self) -> list[Counter]:
        """All live counters, in an order that does not depend on the table."""
        cursor, found = self.counters.list(None, self.clock)
        while cursor:
            cursor, more = self.counters.list(None, self.clock, cursor)
            found += more
        return sorted(found)

    def answer(self, data: bytes) -> tuple[int, bytes, str]:
        """(gRPC status, message, detail)."""
        generation = 0
        if self.native:
            assert self.method.native is not None
            outcome, message, status, detail, generation = self.method.native(data, *self.clock)
            self.outcomes.append(outcome)
            if outcome == "answer":
                return status, message, detail
        call = Call(self.clock.mono_ns, generation, self.clock.wall_ns)
        try:
            return 0, finished(self.method.handler(data, call)), ""
        except RpcError as error:
            return error.status, b"", error.message

    def should(
        self, domain: str, *descriptors: rls_pb2.RateLimitRequest, hits: int = 0
    ) -> Response:
        data = asked(domain, *descriptors, hits=hits).SerializeToString()
        status, message, detail = self.answer(data)
        assert status == Status.OK, detail
        return Response.FromString(message)


def finished(handler: Awaitable[bytes]) -> bytes:
    """The result of what waits for nothing outside, without the cost of an event loop."""
    steps = handler.__await__()
    try:
        next(steps)
    except StopIteration as done:
        return bytes(done.value)
    raise AssertionError("the handler waits for something")
