"""The UTC offsets of a time zone as a plain table, from the standard library's zoneinfo."""

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LAST = 2**63 // 10**9  # the last second that nanoseconds in 64 bits reach, in 2262
# No zone changes its offset and back within a week, or did since 1970 for longer than a trial.
PROBE = 7 * 86400


def zone_offsets(time_zone: str) -> list[tuple[int | None, int]]:
    """(since when, seconds east of UTC), ascending; the first has held since ever (None).

    Unix seconds. Raises ValueError for a name that zoneinfo does not know.
    """
    try:
        zone = ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"unknown time zone: {time_zone!r}") from error
    offset = _offset(zone, 0)
    table: list[tuple[int | None, int]] = [(None, offset)]
    for probe in range(PROBE, LAST, PROBE):
        found = _offset(zone, probe)
        if found != offset:
            table.append((_first_with(zone, found, probe - PROBE, probe), found))
            offset = found
    return table


def _offset(zone: tzinfo, second: int) -> int:
    shift = (EPOCH + timedelta(seconds=second)).astimezone(zone).utcoffset()
    assert shift is not None
    return int(shift.total_seconds())


def _first_with(zone: tzinfo, offset: int, before: int, after: int) -> int:
    """The second at which `offset` begins; it holds at `after` and not at `before`."""
    while after - before > 1:
        middle = (before + after) // 2
        if _offset(zone, middle) == offset:
            after = middle
        else:
            before = middle
    return after
