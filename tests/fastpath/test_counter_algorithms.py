"""What each algorithm promises at its edges; sequences are compared in test_counter_model.py."""

import pytest

from _fastpath.calendar import Calendar, Period
from _fastpath.clock import Clock
from _fastpath.counters import CounterTable, Hit, Mode, SavedCounter, Verdict
from _fastpath.limit_spec import Algorithm, Quota

SECOND = 10**9
HOUR = 3600 * SECOND
NOON = 1_790_000_000 * SECOND // (24 * HOUR) * 24 * HOUR + 12 * HOUR
NEVER = 2**63 - 1
MOST = 2**64 - 1
LIMIT = b"l" * 16
DAILY = Quota(Algorithm.CALENDAR_WINDOW, 3, 0, calendar=Calendar(Period.DAY))
HOURLY = Quota(Algorithm.ALIGNED_WINDOW, 3, HOUR)


class Subject:
    """One counter and the clocks of its process."""

    def __init__(self, quota: Quota, wall_ns: int = NOON) -> None:
        self.table = CounterTable()
        self.quota = quota
        self.mono_ns, self.wall_ns = 10**12, wall_ns

    @property
    def clock(self) -> Clock:
        return Clock(self.mono_ns, self.wall_ns)

    def sleep(self, ns: int) -> None:
        self.mono_ns += ns
        self.wall_ns += ns

    def hit(self, delta: int = 1, mode: Mode = Mode.CHECK_AND_ADD, **options: bool) -> Verdict:
        hit = Hit(LIMIT, self.quota, (), delta, **options)
        return self.table.check_and_add([hit], self.clock, mode)[0]

    def use_up(self) -> None:
        while self.hit().fits:
            pass

    def saved(self) -> list[SavedCounter]:
        return self.table.changed(self.clock, 0, 10**6)[1]


@pytest.mark.parametrize("quota", [DAILY, HOURLY])
@pytest.mark.parametrize("step", [-30, -3 * 3600, -400 * 24 * 3600])
def test_wall_clock_set_back_gives_nothing_again(quota: Quota, step: int) -> None:
    """Neither inside the window nor to before it, and the way back does not either."""
    subject = Subject(quota, NOON + 60 * SECOND)
    subject.use_up()
    subject.wall_ns += step * SECOND
    assert not subject.hit().fits
    subject.sleep(SECOND)
    assert not subject.hit().fits
    subject.wall_ns -= step * SECOND
    assert not subject.hit().fits


@pytest.mark.parametrize("quota", [DAILY, HOURLY])
def test_wall_clock_set_forward_and_back_again_is_over_in_one_window(quota: Quota) -> None:
    subject = Subject(quota)
    subject.wall_ns += 400 * 24 * HOUR
    subject.use_up()
    subject.wall_ns -= 400 * 24 * HOUR
    refused = subject.hit()
    assert not refused.fits
    assert refused.retry_ns == refused.reset_ns <= 24 * HOUR
    subject.sleep(refused.retry_ns)
    assert subject.hit().fits


def test_wall_clock_going_back_and_forth_opens_no_second_window() -> None:
    subject = Subject(HOURLY)
    passed = 0
    for _ in range(20):
        for step in (HOUR, -HOUR):
            subject.wall_ns += step
            passed += subject.hit().fits
    assert passed <= 2 * HOURLY.max_value


def test_monotonic_windows_do_not_look_at_the_wall_clock() -> None:
    for algorithm in (
        Algorithm.FIXED_WINDOW,
        Algorithm.SLIDING_WINDOW,
        Algorithm.TOKEN_BUCKET,
        Algorithm.CONCURRENCY,
    ):
        subject = Subject(Quota(algorithm, 3, HOUR))
        subject.use_up()
        subject.wall_ns += 10 * HOUR
        assert not subject.hit().fits


@pytest.mark.parametrize("algorithm", sorted(set(Algorithm) - {Algorithm.TOKEN_BUCKET}))
def test_maximum_of_a_reload_counts_at_once(algorithm: Algorithm) -> None:
    calendar = Calendar(Period.DAY) if algorithm is Algorithm.CALENDAR_WINDOW else None
    subject = Subject(Quota(algorithm, 3, HOUR, calendar=calendar))
    subject.use_up()
    subject.quota = subject.quota._replace(max_value=2)
    assert not subject.hit(0).fits
    subject.quota = subject.quota._replace(max_value=10)
    assert subject.hit().remaining == 6


def test_rate_of_a_reload_leaves_a_bucket_the_time_it_misses() -> None:
    subject = Subject(Quota(Algorithm.TOKEN_BUCKET, 60, HOUR))
    subject.hit(30)
    subject.quota = subject.quota._replace(max_value=600)
    assert subject.hit(0) == Verdict(True, 300, HOUR // 2, 0)
    subject.quota = subject.quota._replace(max_value=7)
    assert subject.hit(0) == Verdict(True, 3, HOUR // 2, 0)


def test_burst_is_apart_from_the_rate() -> None:
    subject = Subject(Quota(Algorithm.TOKEN_BUCKET, 10, 10 * SECOND, burst=3))
    assert [subject.hit().fits for _ in range(4)] == [True, True, True, False]
    assert subject.hit(4).retry_ns == NEVER
    subject.sleep(SECOND)
    assert [subject.hit().fits for _ in range(2)] == [True, False]
    subject.quota = subject.quota._replace(burst=20)
    assert subject.hit(16).fits


def test_bucket_loses_no_part_of_a_nanosecond() -> None:
    """A rate that does not divide the window: after any whole window exactly the rate is back."""
    subject = Subject(Quota(Algorithm.TOKEN_BUCKET, 7, SECOND))
    subject.use_up()
    passed = 0
    for _ in range(10 * 1000):
        subject.sleep(SECOND // 1000)
        passed += subject.hit().fits
    assert passed == 70


def test_slot_is_free_when_its_lease_ends() -> None:
    subject = Subject(Quota(Algorithm.CONCURRENCY, 1, 32 * SECOND))
    subject.sleep(SECOND // 2)
    assert subject.hit().fits
    refused = subject.hit()
    assert (refused.fits, refused.retry_ns) == (False, 32 * SECOND + SECOND // 2)
    subject.sleep(32 * SECOND)
    assert not subject.hit().fits
    subject.sleep(SECOND // 2)
    assert subject.hit().fits


def test_hit_that_is_charged_always_counts_past_the_limit() -> None:
    subject = Subject(Quota(Algorithm.FIXED_WINDOW, 5, HOUR))
    assert subject.hit(4, always=True) == Verdict(True, 1, HOUR, 0)
    assert subject.hit(4, always=True) == Verdict(False, 1, HOUR, HOUR)
    assert subject.hit(1, always=True) == Verdict(False, 0, HOUR, HOUR)
    assert subject.hit(0, Mode.CHECK) == Verdict(False, 0, HOUR, HOUR)
    assert subject.table.list(None, subject.clock, 0, 10**6)[1][0].value == 9


def test_hit_that_does_not_bind_lets_the_others_pass() -> None:
    table = CounterTable()
    quota = Quota(Algorithm.FIXED_WINDOW, 1, HOUR)
    shadow, real = Hit(b"s" * 16, quota, (), 2, binding=False), Hit(LIMIT, quota, (), 1)
    at = Clock(1, NOON)
    first = table.check_and_add([shadow, real], at, Mode.CHECK_AND_ADD)
    assert [verdict.fits for verdict in first] == [False, True]
    second = table.check_and_add([shadow, real], at, Mode.CHECK_AND_ADD)
    assert [verdict.fits for verdict in second] == [False, False]
    values = {c.limit_digest: c.value for c in table.list(None, at, 0, 10**6)[1]}
    assert values == {b"s" * 16: 2, LIMIT: 1}


@pytest.mark.parametrize("algorithm", Algorithm)
@pytest.mark.parametrize("window_ns", [1, 10**6 + 1, HOUR, NEVER])
def test_largest_numbers_stay_in_range(algorithm: Algorithm, window_ns: int) -> None:
    calendar = Calendar(Period.YEAR) if algorithm is Algorithm.CALENDAR_WINDOW else None
    subject = Subject(Quota(algorithm, MOST, window_ns, calendar=calendar))
    for delta in (MOST, MOST, 1, -(2**63) + 1, MOST, 0, -1):
        for most in (MOST, MOST - 1, 1, 0):
            subject.quota = subject.quota._replace(max_value=most)
            for mode in Mode:
                verdict = subject.hit(delta, mode)
                assert 0 <= verdict.remaining <= MOST
                assert 0 <= verdict.reset_ns <= NEVER
                assert 0 <= verdict.retry_ns <= NEVER
        subject.table.list(None, subject.clock, 0, 10**6)
        CounterTable().restore(subject.saved(), subject.clock)
        subject.sleep(SECOND)


def test_another_algorithm_under_the_same_digest_starts_anew() -> None:
    subject = Subject(Quota(Algorithm.FIXED_WINDOW, 3, HOUR))
    for algorithm in (Algorithm.CONCURRENCY, Algorithm.SLIDING_WINDOW, Algorithm.CONCURRENCY):
        subject.use_up()
        subject.quota = subject.quota._replace(algorithm=algorithm)
        assert subject.hit().remaining == 2
    assert len(subject.table) == 1


def test_clock_set_back_before_a_restart_lengthens_no_window() -> None:
    for algorithm in (Algorithm.FIXED_WINDOW, Algorithm.SLIDING_WINDOW, Algorithm.CONCURRENCY):
        subject = Subject(Quota(algorithm, 3, HOUR))
        subject.use_up()
        records = subject.saved()
        subject.table = CounterTable()
        subject.wall_ns -= 1000 * HOUR
        assert subject.table.restore(records, subject.clock) == 1
        assert HOUR <= subject.hit().retry_ns <= 2 * HOUR


def test_damaged_record_is_refused() -> None:
    for algorithm in Algorithm:
        calendar = Calendar(Period.DAY) if algorithm is Algorithm.CALENDAR_WINDOW else None
        subject = Subject(Quota(algorithm, 3, HOUR, calendar=calendar))
        subject.hit()
        (record,) = subject.saved()
        for state in (b"", record.state[:-1], record.state + b"\0", b"\xff" + record.state[1:]):
            with pytest.raises(ValueError, match="cannot be read"):
                CounterTable().restore([record._replace(state=state)], subject.clock)
        for key in (b"", b"short", record.key + b"\1\0\0", record.key + b"\2\0\0\0\xff\xff"):
            with pytest.raises(ValueError):
                CounterTable().restore([record._replace(key=key)], subject.clock)
        for at in range(len(record.state)):
            for byte in (0, 1, 0x7F, 0x80, 0xFF):
                state = record.state[:at] + bytes([byte]) + record.state[at + 1 :]
                survives(record._replace(state=state), subject.quota, subject.clock)


def survives(record: SavedCounter, quota: Quota, clock: Clock) -> None:
    table = CounterTable()
    try:
        table.restore([record], clock)
    except ValueError:
        return
    later = Clock(clock.mono_ns + SECOND, clock.wall_ns + SECOND)
    table.list(None, clock, 0, 10**6)
    table.check_and_add([Hit(LIMIT, quota, (), 1)], later, Mode.ADD)
    table.list(None, later, 0, 10**6)
    table.changed(later, 0, 10**6)


def test_walk_refuses_a_cursor_that_is_none_and_ends_behind_the_last_shard() -> None:
    table = CounterTable(100)
    for bad in (-1, 1 << 80):
        with pytest.raises(ValueError):
            table.list(None, Clock(0, 0), bad)
    assert table.list(None, Clock(0, 0), 63 << 64 | 5, 10**6) == (0, [])


def test_set_puts_a_value_in_the_place_of_any_other() -> None:
    for algorithm in Algorithm:
        calendar = Calendar(Period.DAY) if algorithm is Algorithm.CALENDAR_WINDOW else None
        subject = Subject(Quota(algorithm, 10, HOUR, calendar=calendar))
        subject.hit(7)
        subject.table.set(LIMIT, subject.quota, (), 4, subject.clock)
        assert subject.hit(0, Mode.CHECK).remaining == 6
        assert len(subject.saved()) == 1
        subject.table.set(LIMIT, subject.quota, (), 0, subject.clock)
        assert len(subject.table) == 0
