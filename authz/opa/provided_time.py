"""Times of Rego: nanoseconds since 1970, alone or with the name of a time zone."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

_RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:\d\d)", re.ASCII
)
_DURATION = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_UNIT_NS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def rfc3339_ns(text: object) -> int:
    match = _RFC3339.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError("not a time of RFC 3339")
    day, time, fraction, zone = match.groups()
    offset = "+00:00" if zone == "Z" else zone
    moment = datetime.fromisoformat(f"{day}T{time}{offset}") - _EPOCH
    seconds = moment.days * 86400 + moment.seconds
    nanoseconds = seconds * 10**9 + int((fraction or "0").ljust(9, "0"))
    if not -(2**63) <= nanoseconds < 2**63:
        raise ValueError("too far from 1970")
    return nanoseconds


def duration_ns(text: object) -> int:
    """Go's durations, such as `1h30m` or `-1.5s`."""
    if not isinstance(text, str):
        raise TypeError("expected a string")
    sign = -1 if text.startswith("-") else 1
    rest = text[1:] if text[:1] in ("+", "-") else text
    if rest == "0":
        return 0
    parts = list(_DURATION.finditer(rest))
    if not parts or "".join(part.group() for part in parts) != rest:
        raise ValueError("not a duration")
    total = 0
    for part in parts:
        whole, _, fraction = part[1].partition(".")
        unit = _UNIT_NS[part[2]]
        total += int(whole or "0") * unit + int(fraction or "0") * unit // 10 ** len(fraction)
    return sign * total


def _moment(value: object) -> datetime:
    zone: object = "UTC"
    if isinstance(value, list):
        value, zone = value
    if isinstance(value, bool) or not isinstance(value, int | float) or value % 1:
        raise TypeError("expected nanoseconds")
    if not isinstance(zone, str):
        raise TypeError("expected the name of a time zone")
    moment = _EPOCH + timedelta(seconds=int(value) // 10**9)
    return moment.astimezone(ZoneInfo(zone or "UTC"))


def date(value: object) -> list[int]:
    moment = _moment(value)
    return [moment.year, moment.month, moment.day]


def clock(value: object) -> list[int]:
    moment = _moment(value)
    return [moment.hour, moment.minute, moment.second]


def weekday(value: object) -> str:
    return _WEEKDAYS[_moment(value).weekday()]
