"""Access logs as records: Envoy's JSON and default text, common and combined log format.

A line says by its first character which of them it is, so one file may mix them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import msgspec

SECOND_NS = 1_000_000_000
MOST_SECONDS = 2**63 // SECOND_NS  # that nanoseconds in 64 bits can tell
_EPOCH = datetime.fromtimestamp(0, UTC)

_COMMON = re.compile(
    r"(?P<remote_address>\S+) \S+ (?P<user>\S+) \[(?P<time>[^\]]+)\] "
    r'"(?P<method>[^ "]+) (?P<target>[^ "]*)[^"]*" (?P<status>\d{3}|-) (?P<bytes>\d+|-)'
    r'(?: "(?P<referer>[^"]*)" "(?P<user_agent>[^"]*)")?'
)
# Each part between status and sizes is either quoted or begins without a quote: were both readings
# possible, a peer's header full of quotes would take exponential time.
_ENVOY = re.compile(
    r'\[(?P<time>[^\]]+)\] "(?P<method>[^ "]+) (?P<target>[^ "]*)[^"]*" (?P<status>\d+|-) '
    r'\S+ (?:"[^"]*" |[^\s"]\S* )*?(?P<bytes_received>\d+) (?P<bytes>\d+) (?P<duration>\d+|-) \S+ '
    r'"(?P<remote_address>[^"]*)" "(?P<user_agent>[^"]*)" "(?P<request_id>[^"]*)" '
    r'"(?P<host>[^"]*)"'
)
_TIMES = ("start_time", "time", "timestamp", "@timestamp", "ts")
_TARGETS = ("path", "x_envoy_original_path", "x-envoy-original-path", "request_path", "uri")


@dataclass(frozen=True, slots=True)
class Record:
    """One request. fields: every part as text; `path` and `query` are the target's halves."""

    wall_ns: int
    fields: Mapping[str, str] = field(default_factory=dict)


def read_line(line: str) -> Record | None:
    """The request of a line; None for a line in no known form, or without a time."""
    if line.startswith("{"):
        return _json(line)
    match = (_ENVOY if line.startswith("[") else _COMMON).match(line)
    if match is None:
        return None
    fields = {name: text for name, text in match.groupdict().items() if text not in (None, "-")}
    wall_ns = time_ns(fields.pop("time"))
    return None if wall_ns is None else Record(wall_ns, _split(fields, fields.pop("target", "")))


def _json(line: str) -> Record | None:
    try:
        document = msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    fields: dict[str, str] = {}
    _flatten("", document, fields)
    wall_ns = next((t for name in _TIMES if (t := time_ns(fields.get(name, ""))) is not None), None)
    if wall_ns is None:
        return None
    target = next((fields[name] for name in _TARGETS if name in fields), "")
    return Record(wall_ns, _split(fields, target))


def _flatten(prefix: str, document: Mapping[str, object], into: dict[str, str]) -> None:
    """Members of members get dotted names; lists and nulls have no use as text and are left out."""
    for name, value in document.items():
        if isinstance(value, dict):
            _flatten(f"{prefix}{name}.", value, into)
        elif isinstance(value, bool):
            into[prefix + name] = "true" if value else "false"
        elif isinstance(value, str | int | float) and value not in ("", "-"):
            into[prefix + name] = str(value)


def _split(fields: dict[str, str], target: str) -> dict[str, str]:
    if target:
        path, mark, query = target.partition("?")
        fields["path"] = path
        if mark:
            fields["query"] = query
    return fields


# Neighboring lines often have the same time.
@lru_cache(maxsize=256)
def time_ns(text: str) -> int | None:
    """RFC 3339, the common log format's time, or seconds since the epoch (milliseconds and finer
    units are told by their size); None for anything else, and before 1970 and after 2261."""
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        pass
    else:
        return _epoch_ns(number)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        try:
            moment = datetime.strptime(text, "%d/%b/%Y:%H:%M:%S %z")
        except ValueError:
            return None
    if moment.tzinfo is None:
        return None
    seconds = (moment - _EPOCH) // timedelta(seconds=1)
    if not 0 <= seconds < MOST_SECONDS:
        return None
    return seconds * SECOND_NS + moment.microsecond * 1000


def _epoch_ns(number: float) -> int | None:
    """A time between 1973 and 2261, whichever unit makes it one."""
    for scale in (SECOND_NS, 1_000_000, 1000, 1):
        if 1e8 <= number * scale / SECOND_NS < MOST_SECONDS:
            return int(number * scale)
    return None
