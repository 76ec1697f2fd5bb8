"""Calendar windows against zoneinfo: their edges, their labels, days on which clocks change."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from _fastpath.calendar import Calendar, Period

SECOND = 10**9
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",  # half an hour of summer time
    "Atlantic/Azores",  # clocks change at midnight
    "America/Nuuk",  # clocks go back over midnight, to the day before
    "Africa/Cairo",
    "Africa/Casablanca",  # summer time all year but for a month
    "Pacific/Apia",
    "America/St_Johns",
]


def local(zone: str, second: int) -> datetime:
    return (EPOCH + timedelta(seconds=second)).astimezone(ZoneInfo(zone))


def label(period: Period, zone: str, second: int) -> object:
    """What all instants of one window share."""
    now = local(zone, second)
    match period:
        case Period.DAY:
            return now.date()
        case Period.WEEK:
            return now.isocalendar()[:2]
        case Period.MONTH:
            return now.year, now.month
        case Period.YEAR:
            return now.year
        case _:
            cut = (
                now.replace(second=0)
                if period is Period.MINUTE
                else now.replace(minute=0, second=0)
            )
            return cut.replace(tzinfo=None), now.utcoffset()


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(Period),
    st.sampled_from(ZONES),
    st.integers(
        int(datetime(2012, 2, 1, tzinfo=UTC).timestamp()),
        int(datetime(2250, 1, 1, tzinfo=UTC).timestamp()),
    ),
)
def test_window_is_the_longest_run_of_one_label(period: Period, zone: str, second: int) -> None:
    start, end = Calendar(period, zone).window(second * SECOND + 999_999_999)
    first, last = start // SECOND, end // SECOND - 1
    assert start == first * SECOND
    assert first <= second <= last
    wanted = label(period, zone, second)
    assert label(period, zone, first) == label(period, zone, last) == wanted
    assert label(period, zone, first - 1) != wanted
    assert label(period, zone, last + 1) != wanted


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(Period), st.sampled_from(ZONES), st.integers(1_500_000_000, 3_000_000_000))
def test_windows_follow_each_other_without_a_gap(period: Period, zone: str, second: int) -> None:
    calendar = Calendar(period, zone)
    start, end = calendar.window(second * SECOND)
    assert calendar.window(end)[0] == end
    assert calendar.window(start - 1)[1] == start


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", "2026-03-29", 23),
        ("Europe/Berlin", "2026-10-25", 25),
        ("Europe/Berlin", "2026-10-26", 24),
        ("Atlantic/Azores", "2026-03-29", 23),
        ("Atlantic/Azores", "2026-10-25", 25),
        ("America/Nuuk", "2026-10-24", 25),
        ("Australia/Lord_Howe", "2026-04-05", 24.5),
        ("Pacific/Apia", "2011-12-29", 24),  # and the 30th was left out
    ],
)
def test_day_is_as_long_as_its_clocks_say(zone: str, day: str, hours: float) -> None:
    noon = datetime.fromisoformat(f"{day}T12:00").replace(tzinfo=ZoneInfo(zone))
    start, end = Calendar(Period.DAY, zone).window(int(noon.timestamp()) * SECOND)
    assert (end - start) / (3600 * SECOND) == hours


def test_week_begins_on_monday() -> None:
    start, end = Calendar(Period.WEEK).window(0)
    assert EPOCH + timedelta(seconds=start // SECOND) == datetime(1969, 12, 29, tzinfo=UTC)
    assert end - start == 7 * 86400 * SECOND


@pytest.mark.parametrize("period", Period)
@pytest.mark.parametrize("wall_ns", [-(2**63), -1, 0, 2**63 - 1])
def test_no_instant_is_out_of_range(period: Period, wall_ns: int) -> None:
    start, end = Calendar(period, "Europe/Berlin").window(wall_ns)
    assert start <= wall_ns <= end
    assert -(2**63) <= start < end < 2**63


def test_calendars_are_equal_by_value() -> None:
    berlin = Calendar(Period.DAY, "Europe/Berlin")
    assert berlin == Calendar(Period.DAY, "Europe/Berlin")
    assert hash(berlin) == hash(Calendar(Period.DAY, "Europe/Berlin"))
    assert berlin not in {Calendar(Period.WEEK, "Europe/Berlin"), Calendar(Period.DAY), "day"}


@pytest.mark.parametrize("name", ["Europe/Atlantis", "", "../etc/passwd", "America", "a\0b"])
def test_unknown_time_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="unknown time zone"):
        Calendar(Period.DAY, name)
