"""Expired counters leave a table that nobody asks any more."""

from _fastpath.counters import CounterTable, Hit, Mode
from _fastpath.identity import IdentityTable
from _fastpath.plan import Plans
from tests.fastpath.quotas import at, fixed
from tollhouse.housekeeping import Housekeeping


def test_expired_counters_go_without_traffic() -> None:
    counters = CounterTable()
    for number in range(1000):
        counters.check_and_add([Hit(b"l" * 16, fixed(1, 10), (str(number),), 1)], at(0), Mode.ADD)
    now = 9
    housekeeping = Housekeeping(counters, IdentityTable(), Plans(1), lambda: at(now))
    housekeeping.turn()
    assert len(counters) == 1000
    now = 10
    for _ in range(3):  # merging buckets may carry an entry past the sweep
        housekeeping.turn()
    assert len(counters) == 0


async def test_stop_ends_the_task_and_may_come_before_start() -> None:
    housekeeping = Housekeeping(CounterTable(), IdentityTable(), Plans(1), lambda: at(0))
    await housekeeping.stop()
    housekeeping.start()
    await housekeeping.stop()
