"""Reserve and Commit: what is held, for how long, and what a commit makes of it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from _fastpath.rpc import RpcError, Status, UnaryMethod
from protos.generated.kuadrantrls_pb2 import (
    CommitRequest,
    CommitResponse,
    ReserveRequest,
    ReserveResponse,
)
from ratelimit.errors import StoreUnavailable
from ratelimit.reservation_service import ReservationService
from ratelimit.reservations import MemoryRecords, ReservationBounds, Reservations
from tests.ratelimit.host import OK, OVER_LIMIT, UNKNOWN, Call, Host

LIMITS = """\
- {namespace: n, max_value: 100, seconds: 60, conditions: [], variables: ["descriptors[0].u"]}
"""
TWO = (
    LIMITS
    + "- {namespace: n, max_value: 40, seconds: 3600, name: small, conditions: [], variables: []}\n"
)
WHOLE = ReservationBounds(max_fraction=1.0)


@dataclass
class FakeTimer:
    due_ns: int
    function: Callable[[], None]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


@dataclass
class Desk:
    """The two methods over a host whose clock and timers the test moves."""

    host: Host = field(default_factory=lambda: Host(native=True))
    bounds: ReservationBounds = WHOLE
    timers: list[FakeTimer] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.records = MemoryRecords()
        self.reservations = Reservations(
            self.host.store,
            self.records,
            lambda: self.host.active.current.by_digest,
            self.host.clock,
            self.bounds,
            later=self._later,
        )
        service = ReservationService(self.host.service, self.reservations)
        self.methods = {
            method.path.rsplit("/", 1)[1]: method
            for method in service.methods()
            if isinstance(method, UnaryMethod)
        }

    def _later(self, seconds: float, function: Callable[[], None]) -> FakeTimer:
        self.timers.append(FakeTimer(self.host.now_ns + round(seconds * 1e9), function))
        return self.timers[-1]

    def call(self, method: str, data: bytes) -> bytes:
        clock = self.host.clock()
        call = Call(clock.mono_ns, wall_ns=clock.wall_ns)

        async def run() -> bytes:
            return await self.methods[method].handler(data, call)

        return asyncio.run(run())

    def reserve(
        self, amount: int, user: str = "ann", ttl: float | None = None, domain: str = "n"
    ) -> ReserveResponse:
        asked = ReserveRequest(domain=domain, amount=amount)
        asked.descriptors.add().entries.add(key="u", value=user)
        if ttl is not None:
            asked.ttl.FromNanoseconds(round(ttl * 1e9))
        return ReserveResponse.FromString(self.call("Reserve", asked.SerializeToString()))

    def commit(self, identifier: str, actual: int, user: str = "ann", domain: str = "n") -> bool:
        asked = CommitRequest(domain=domain, reservation_id=identifier, actual_amount=actual)
        asked.descriptors.add().entries.add(key="u", value=user)
        answer = CommitResponse.FromString(self.call("Commit", asked.SerializeToString()))
        return bool(answer.reservation_released)

    def advance(self, seconds: float) -> None:
        """Let time pass and every timer that is due run to its end."""
        self.host.advance(seconds)
        due = [timer for timer in self.timers if timer.due_ns <= self.host.now_ns]
        self.timers = [timer for timer in self.timers if timer.due_ns > self.host.now_ns]

        async def run() -> None:
            for timer in due:
                if not timer.cancelled:
                    timer.function()
            while others := asyncio.all_tasks() - {asyncio.current_task()}:
                await asyncio.wait(others)

        asyncio.run(run())

    def used(self) -> list[int]:
        return sorted(counter.value for counter in self.host.listed() if counter.value)


@pytest.fixture
def desk() -> Desk:
    made = Desk()
    made.host.load(LIMITS)
    return made


def test_amount_is_admitted_while_value_and_holds_leave_room(desk: Desk) -> None:
    desk.host.should("n", {"u": "ann"}, hits=20)
    first = desk.reserve(50)
    assert first.code == OK
    assert len(first.reservation_id) == 36
    assert desk.reserve(31).code == OVER_LIMIT
    assert desk.reserve(31).reservation_id == ""
    assert desk.reserve(30).code == OK
    assert desk.reserve(100, user="bob").code == OK


def test_every_decision_sees_what_is_held(desk: Desk) -> None:
    desk.reserve(100)
    assert desk.host.should("n", {"u": "ann"}).overall_code == OVER_LIMIT
    assert desk.host.check("n", {"u": "ann"}).overall_code == OVER_LIMIT


def test_commit_charges_the_real_amount(desk: Desk) -> None:
    assert desk.commit(desk.reserve(60).reservation_id, 45)
    assert desk.used() == [45]
    assert desk.commit(desk.reserve(10).reservation_id, 80)
    assert desk.used() == [125]


def test_commit_happens_once(desk: Desk) -> None:
    identifier = desk.reserve(60).reservation_id
    assert desk.commit(identifier, 10)
    assert not desk.commit(identifier, 10)
    assert desk.used() == [20]


@pytest.mark.parametrize("identifier", ["", "unknown", "\U0001f600" * 100])
def test_commit_without_reservation_is_a_report(desk: Desk, identifier: str) -> None:
    assert not desk.commit(identifier, 7)
    assert desk.used() == [7]


def test_hold_ends_with_its_time(desk: Desk) -> None:
    late = desk.reserve(60, ttl=5).reservation_id
    desk.advance(4.9)
    assert desk.used() == [60]
    desk.advance(0.1)
    assert desk.used() == []
    assert desk.reservations.live == 0
    assert not desk.commit(late, 3)
    assert desk.used() == [3]


def test_server_bounds_the_time(desk: Desk) -> None:
    for ttl in (None, -1.0, 9_000.0):
        desk.reserve(10, ttl=ttl)
        assert desk.timers[-1].due_ns - desk.host.now_ns == 60 * 10**9


def test_commit_before_the_timer_ran_is_late_all_the_same(desk: Desk) -> None:
    identifier = desk.reserve(60, ttl=5).reservation_id
    desk.host.advance(5)
    assert not desk.commit(identifier, 10)
    assert desk.used() == [10]


def test_hold_goes_with_its_window(desk: Desk) -> None:
    desk.host.should("n", {"u": "ann"})
    desk.advance(50)
    identifier = desk.reserve(60, ttl=30).reservation_id
    desk.advance(10)
    desk.host.should("n", {"u": "ann"}, hits=8)
    assert not desk.commit(identifier, 4)
    assert desk.used() == [12]


def test_amount_is_held_on_every_counter_or_none() -> None:
    desk = Desk()
    desk.host.load(TWO)
    assert desk.reserve(41).code == OVER_LIMIT
    assert desk.used() == []
    identifier = desk.reserve(30).reservation_id
    assert desk.used() == [30, 30]
    assert desk.commit(identifier, 0)
    assert desk.used() == []


def test_fraction_bounds_what_is_held_and_not_what_is_admitted() -> None:
    desk = Desk(bounds=ReservationBounds(max_fraction=0.5))
    desk.host.load(TWO)
    assert desk.reserve(41).code == OVER_LIMIT
    identifier = desk.reserve(35).reservation_id
    assert desk.used() == [20, 20]
    assert desk.reserve(21).code == OVER_LIMIT
    assert desk.commit(identifier, 35)
    assert desk.used() == [35, 35]


def test_amount_of_nothing_is_a_reservation(desk: Desk) -> None:
    answer = desk.reserve(0)
    assert answer.code == OK
    assert desk.commit(answer.reservation_id, 2)
    assert desk.used() == [2]


def test_without_limits_nothing_is_held(desk: Desk) -> None:
    answer = desk.reserve(10, domain="other")
    assert (answer.code, answer.reservation_id) == (OK, "")
    assert desk.reservations.live == 0


def test_reservation_of_another_namespace_ends_unreleased(desk: Desk) -> None:
    identifier = desk.reserve(60).reservation_id
    assert not desk.commit(identifier, 5, domain="other")
    assert desk.used() == []


def test_empty_domain_is_unknown(desk: Desk) -> None:
    assert desk.reserve(1, domain="").code == UNKNOWN
    assert not desk.commit("x", 1, domain="")


def test_number_of_reservations_is_bounded() -> None:
    desk = Desk(bounds=ReservationBounds(most=2))
    desk.host.load(LIMITS)
    kept = [desk.reserve(1).reservation_id for _ in range(2)]
    with pytest.raises(RpcError) as refused:
        desk.reserve(1)
    assert refused.value.status is Status.RESOURCE_EXHAUSTED
    desk.commit(kept[0], 1)
    assert desk.reserve(1).code == OK


def test_limit_that_is_gone_takes_its_holds(desk: Desk) -> None:
    identifier = desk.reserve(60).reservation_id
    desk.host.load("")
    assert desk.commit(identifier, 10)
    assert desk.used() == []


def test_unkept_record_gives_everything_back(desk: Desk) -> None:
    async def broken(*_: object) -> None:
        raise StoreUnavailable("away")

    desk.records.put = broken
    with pytest.raises(RpcError) as refused:
        desk.reserve(60)
    assert refused.value.status is Status.UNAVAILABLE
    assert desk.used() == []


def test_commit_whose_record_is_out_of_reach_is_a_report(desk: Desk) -> None:
    async def broken(*_: object) -> None:
        raise StoreUnavailable("away")

    identifier = desk.reserve(60, ttl=5).reservation_id
    take, desk.records.take = desk.records.take, broken
    assert not desk.commit(identifier, 10)
    assert desk.used() == [70]
    desk.records.take = take
    desk.advance(5)
    assert desk.used() == [10]


def test_end_of_the_process_ends_its_reservations(desk: Desk) -> None:
    desk.reserve(60)
    asyncio.run(desk.reservations.stop())
    assert desk.used() == []


@pytest.mark.parametrize("method", ["Reserve", "Commit"])
def test_malformed_request_is_refused(desk: Desk, method: str) -> None:
    with pytest.raises(RpcError) as refused:
        desk.call(method, b"\x0a\xff")
    assert refused.value.status is Status.INTERNAL


def test_metrics_count_as_limitador_does(desk: Desk) -> None:
    identifier = desk.reserve(60).reservation_id
    desk.reserve(60)
    desk.commit(identifier, 7)
    assert desk.host.service.decider.totals() == {
        ("authorized_calls", "n"): 1,
        ("authorized_hits", "n"): 7,
        ("limited_calls", "n", ""): 1,
        ("report_calls", "n"): 1,
    }
