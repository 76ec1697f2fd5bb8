"""Hosts the rate limit service without a server, in either lane, with a clock that tests set."""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from envoy.service.ratelimit.v3 import rls_pb2

from _fastpath.cells import Series
from _fastpath.clock import Clock
from _fastpath.counters import Counter, CounterTable
from _fastpath.header_spec import NO_HEADERS, HeaderFamily, HeaderSpec
from _fastpath.plan import Plans
from _fastpath.rpc import Metadata, RpcError, Status, UnaryMethod
from ratelimit.active_limits import ActiveLimits
from ratelimit.limitador_file import parse
from ratelimit.metric_labels import ActiveLabels
from ratelimit.service import RateLimitService
from ratelimit.store import MemoryStore
from tollhouse.publisher import Publisher

SECOND_NS = 1_000_000_000
WALL_NS = 1_800_000_000 * SECOND_NS
T = TypeVar("T")
LANES = ("native", "full")
DRAFT_03 = HeaderSpec(HeaderFamily.DRAFT_VERSION_03)
Response = rls_pb2.RateLimitResponse
OK, OVER_LIMIT, UNKNOWN = Response.OK, Response.OVER_LIMIT, Response.UNKNOWN


@dataclass
class Call:
    """A transport's context."""

    mono_ns: int
    generation: int = 0
    wall_ns: int = 0
    metadata: Metadata = ()
    deadline_ns: int | None = None
    peer: str = "test"

    def set_trailing_metadata(self, metadata: Metadata) -> None:
        self.metadata = metadata


def request(
    domain: str, *descriptors: Mapping[str, str], hits: int = 0
) -> rls_pb2.RateLimitRequest:
    made = rls_pb2.RateLimitRequest(domain=domain, hits_addend=hits)
    for entries in descriptors:
        descriptor = made.descriptors.add()
        for key, value in entries.items():
            descriptor.entries.add(key=key, value=value)
    return made


@dataclass
class Host:
    """native: ask the native handler first, as a transport does. loaded: start with no limits
    rather than before the first configuration. labeled: with metric labels, to be set on `labels`.
    The native handler's outcomes are noted."""

    native: bool
    headers: HeaderSpec = NO_HEADERS
    statuses: bool = True
    loaded: bool = True
    labeled: bool = False
    now_ns: int = 1_000 * SECOND_NS
    outcomes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.plans = Plans(1)
        self.series = Series(1)
        self.counters = CounterTable()
        self.store = MemoryStore(self.counters, self.clock)
        publisher = Publisher(self.plans)
        self.labels = ActiveLabels(publisher.labels)
        self.active = ActiveLimits(
            self.store,
            self.series,
            publisher.limits,
            mono_ns=lambda: self.now_ns,
        )
        self.service = RateLimitService(
            self.active,
            self.plans,
            self.counters,
            self.store,
            self.series,
            headers=self.headers,
            statuses=self.statuses,
            labels=self.labels if self.labeled else None,
        )
        self._methods = {
            method.path.rsplit("/", 1)[1]: method
            for method in self.service.methods()
            if isinstance(method, UnaryMethod)
        }
        if self.loaded:
            self.load("")

    def clock(self) -> Clock:
        return Clock(self.now_ns, WALL_NS + self.now_ns)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run(work)

    def load(self, text: str) -> None:
        self.run(self.active.apply(parse(text, "limits.yaml")))

    def listed(self) -> list[Counter]:
        """All live counters, in an order that does not depend on the table."""
        cursor, found = self.counters.list(None, self.clock())
        while cursor:
            cursor, more = self.counters.list(None, self.clock(), cursor)
            found += more
        return sorted(found)

    def advance(self, seconds: float) -> None:
        self.now_ns += int(seconds * SECOND_NS)

    def answer(self, method: str, data: bytes) -> tuple[int, bytes, str]:
        """(gRPC status, message, detail)."""
        found = self._methods[method]
        generation = 0
        if self.native:
            assert found.native is not None
            outcome, message, status, detail, generation = found.native(data, *self.clock())
            self.outcomes.append(outcome)
            if outcome == "answer":
                return status, message, detail
        call = Call(self.now_ns, generation, self.clock().wall_ns)
        try:
            return 0, self.run(_await(found, data, call)), ""
        except RpcError as error:
            return error.status, b"", error.message

    def call(self, method: str, asked: rls_pb2.RateLimitRequest) -> Response:
        status, message, detail = self.answer(method, asked.SerializeToString())
        assert status == Status.OK, detail
        return Response.FromString(message)

    def should(self, domain: str, *descriptors: Mapping[str, str], hits: int = 0) -> Response:
        return self.call("ShouldRateLimit", request(domain, *descriptors, hits=hits))

    def check(self, domain: str, *descriptors: Mapping[str, str], hits: int = 0) -> Response:
        return self.call("CheckRateLimit", request(domain, *descriptors, hits=hits))

    def report(self, domain: str, *descriptors: Mapping[str, str], hits: int = 0) -> Response:
        return self.call("Report", request(domain, *descriptors, hits=hits))


async def _await(method: UnaryMethod, data: bytes, call: Call) -> bytes:
    return await method.handler(data, call)


def headers(response: Response) -> dict[str, str]:
    return {header.key: header.value for header in response.response_headers_to_add}


def codes(responses: Sequence[Response]) -> list[int]:
    return [response.overall_code for response in responses]
