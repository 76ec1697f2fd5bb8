"""From the fields of a log record to the descriptors of a rate limit request."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ratelimit.compiled_limit import CompiledLimit
from ratelimit.replay.access_log import Record
from ratelimit.replay.errors import ReplayError

# One thing under the names that policies and logs give it. A key stands for the field of its own
# name, else for the first of the same row that a record has.
_SAME = (
    ("method", "req.method", "request.method", "req_method", "http_method", ":method"),
    ("path", "req.path", "request.path", "request.url_path", "url_path", "req_path", ":path"),
    ("query", "req.query", "request.query"),
    ("host", "authority", "req.host", "request.host", ":authority"),
    ("user", "user_id", "userid", "app.id", "auth.identity.userid", "auth.identity.sub", "sub"),
    (
        "remote_address",
        "ip",
        "client_ip",
        "source.address",
        "x_forwarded_for",
        "x-forwarded-for",
        "downstream_remote_address",
    ),
    ("user_agent", "user-agent", "request.headers.user-agent"),
)
MOST_DESCRIPTORS = 64
MOST_HITS = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Entry:
    """A descriptor entry. fields: where its value may stand, the first that is there counts."""

    descriptor: int
    key: str
    fields: tuple[str, ...]

    def value(self, record: Record) -> str | None:
        for name in self.fields:
            if name in record.fields:
                return record.fields[name]
        return None


@dataclass(frozen=True, slots=True)
class DescriptorMapping:
    """hits: the field that says how many hits a request is; None: one."""

    entries: tuple[Entry, ...]
    hits: str | None = None

    def descriptors(self, record: Record) -> list[dict[str, str]]:
        last = max((entry.descriptor for entry in self.entries), default=0)
        made: list[dict[str, str]] = [{} for _ in range(last + 1)]
        for entry in self.entries:
            value = entry.value(record)
            if value is not None:
                made[entry.descriptor][entry.key] = value
        return made

    def hits_of(self, record: Record) -> int:
        """One also where the field is missing or no whole number."""
        if self.hits is None:
            return 1
        text = record.fields.get(self.hits, "")
        return min(int(text), MOST_HITS) if text.isascii() and text.isdigit() else 1


def mapping(
    limits: Iterable[CompiledLimit], given: Sequence[str], hits: str | None
) -> DescriptorMapping:
    """Every entry that the limits read, from the field that is given for it or is called alike.

    given: `KEY=FIELD` or `INDEX:KEY=FIELD`. Raises ReplayError.
    """
    chosen: dict[tuple[int, str], tuple[str, ...]] = {}
    for text in given:
        place, equals, name = text.partition("=")
        index, colon, key = place.partition(":")
        if not (colon and index.isascii() and index.isdigit()):
            index, key = "0", place
        if not equals or not key or not name or int(index) >= MOST_DESCRIPTORS:
            raise ReplayError(f"--map {text}: expected KEY=FIELD or INDEX:KEY=FIELD")
        chosen[int(index), key] = (name,)
    for limit in limits:
        for expression in limit.conditions + limit.variables:
            for place_read in expression.entries:
                chosen.setdefault(place_read, called_alike(place_read[1]))
    entries = tuple(Entry(*place, fields) for place, fields in sorted(chosen.items()))
    return DescriptorMapping(entries, hits)


def called_alike(key: str) -> tuple[str, ...]:
    same = next((row for row in _SAME if key in row), ())
    return tuple(dict.fromkeys((key, *same)))
