"""Calendar windows of a time zone."""

from enum import IntEnum

from _fastpath.handler import Unit

class Period(IntEnum):
    MINUTE = 1
    HOUR = 2
    DAY = 3
    WEEK = 4
    """Begins on Monday."""
    MONTH = 5
    YEAR = 6

class Calendar(Unit):
    """The minutes, hours, days … of one time zone; immutable, equal by value, for any thread.

    A window of a day or longer runs from its first local second to the first one of the next, so a
    day has 23 or 25 hours when clocks change. Minutes and hours end where the offset changes.
    Every change of the offset up to the year 2262 is known from the start, by the rules in force
    then: rules that governments change later need a restart with newer time zone data.
    """

    period: Period
    time_zone: str

    def __init__(self, period: Period, time_zone: str = "UTC") -> None:
        """time_zone: an IANA name; raises ValueError for one that is not known.

        The first calendar of a time zone takes some tens of milliseconds, the others share it.
        """

    def window(self, wall_ns: int) -> tuple[int, int]:
        """Start and end of the window that holds this instant; both nanoseconds since the epoch."""

    def __eq__(self, other: object) -> bool: ...
    def __hash__(self) -> int: ...
