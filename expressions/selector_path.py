"""gjson paths (tidwall/gjson 1.14) read once into steps and walked over plain JSON values.

A path is parts joined by dots and pipes: member names with `*` and `?`, indexes, `#` for the length
or each item of a list, `#(path op value)` for its first item that passes, `#(…)#` for all of them,
modifiers, multipaths and literals (`!` and JSON). A pipe ends what stands under each item;
elsewhere it is a dot.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from expressions.errors import UnsupportedSelector
from expressions.selector_modifiers import MISSING, MODIFIERS
from expressions.selector_query import Query, matches_wildcard, parse_query
from expressions.selector_splitting import split_multipath, split_pipe

DEEPEST = 64  # paths within paths
MOST_INDEX_DIGITS = 9
_MULTIPATH_OR_LITERAL = ("[", "{", "!")


@dataclass(frozen=True, slots=True)
class Name:
    """A member's name, or an index in digits. wild: `*` and `?` stand for other characters."""

    text: str
    wild: bool = False


@dataclass(frozen=True, slots=True)
class Each:
    """The values of `inner` under the items of a list, or the number of items without it."""

    inner: "Path | None"


@dataclass(frozen=True, slots=True)
class Where:
    """The first item that passes the query, or all; of these the value of `inner`, if given."""

    subject: "Path | None"
    query: Query
    every: bool
    inner: "Path | None"


@dataclass(frozen=True, slots=True)
class Call:
    """A modifier with its argument: text, parsed JSON, or "" for none."""

    modify: Callable[[object, object], object]
    argument: object


@dataclass(frozen=True, slots=True)
class Several:
    """What the paths find, together: an object if keyed, else a list. Nothing has no place."""

    parts: tuple[tuple[str, "Path"], ...]
    keyed: bool

    def find(self, value: object) -> object:
        found = [(name, path.find(value)) for name, path in self.parts]
        present = [(name, item) for name, item in found if item is not MISSING]
        return dict(present) if self.keyed else [item for _, item in present]


@dataclass(frozen=True, slots=True)
class Literal:
    """A value that stands in the path itself."""

    value: object


Walk = tuple[Name | Each | Where, ...]
Stage = Walk | Call | Several | Literal


@dataclass(frozen=True, slots=True)
class Path:
    """Stages, each applied to what the one before found."""

    stages: tuple[Stage, ...]

    @property
    def names(self) -> tuple[str, ...] | None:
        """The path as plain names, or None where it is more than those."""
        parts = self.stages[0]
        if len(self.stages) != 1 or not isinstance(parts, tuple):
            return None
        plain = [part.text for part in parts if isinstance(part, Name) and not part.wild]
        return tuple(plain) if len(plain) == len(parts) else None

    def find(self, value: object) -> object:
        """The value at this path below `value`, or MISSING."""
        for stage in self.stages:
            if isinstance(stage, Call):
                value = stage.modify(value, stage.argument)
            elif isinstance(stage, Several):
                value = stage.find(value)
            elif isinstance(stage, Literal):
                value = stage.value
            elif not isinstance(value, Mapping | list):
                return MISSING
            else:
                value = _walk(value, stage)
                if value is _BROKEN:
                    return MISSING
        return value


# A path that ends before its last part finds nothing, and no modifier is asked about that.
_BROKEN: object = object()


def _walk(value: object, parts: Walk) -> object:
    if not parts:
        return value
    part, rest = parts[0], parts[1:]
    if isinstance(value, Mapping):
        return _member(value, part, rest)
    if not isinstance(value, list):
        return _BROKEN
    if isinstance(part, Each):
        return float(len(value)) if part.inner is None else _inner(value, part.inner)
    if isinstance(part, Where):
        return _where(value, part)
    index = part.text
    if not (index.isascii() and index.isdigit() and len(index) <= MOST_INDEX_DIGITS):
        return _absent(rest)
    return _walk(value[int(index)], rest) if int(index) < len(value) else _absent(rest)


def _absent(rest: Walk) -> object:
    return _BROKEN if rest else MISSING


def _member(value: Mapping[str, object], part: Name | Each | Where, rest: Walk) -> object:
    if isinstance(part, Each):  # a member may be called #
        found = value.get("#", MISSING)
        return found if part.inner is None or found is MISSING else part.inner.find(found)
    if isinstance(part, Where):
        return MISSING
    if not part.wild:
        return _walk(value[part.text], rest) if part.text in value else _absent(rest)
    for name in sorted(value, key=str.encode):
        if matches_wildcard(name, part.text):
            found = _walk(value[name], rest)
            if found is not MISSING and found is not _BROKEN:
                return found
    return _absent(rest)


def _inner(items: list[object], inner: Path) -> list[object]:
    return [found for item in items if (found := inner.find(item)) is not MISSING]


def _where(items: list[object], part: Where) -> object:
    passing = [item for item in items if _passes(item, part)]
    if part.every:
        return passing if part.inner is None else _inner(passing, part.inner)
    if not passing:
        return MISSING
    return passing[0] if part.inner is None else part.inner.find(passing[0])


def _passes(item: object, part: Where) -> bool:
    if part.subject is not None:
        item = part.subject.find(item) if isinstance(item, Mapping | list) else MISSING
    if item is _BROKEN:
        item = MISSING
    return part.query.passes(item)


def parse_path(source: str, depth: int = 0) -> Path:
    """Raises UnsupportedSelector, naming what is wrong or not known."""
    if depth > DEEPEST:
        raise UnsupportedSelector(f"{source!r} is nested deeper than {DEEPEST} levels")
    stages: list[Stage] = []
    rest: str | None = source
    while rest is not None:
        call, after = _call(rest)
        if call is not None:
            stages.append(call)
            rest = after
            continue
        if rest.startswith(_MULTIPATH_OR_LITERAL):
            stage, rest = _literal(rest) if rest[0] == "!" else _several(rest, depth)
            stages.append(stage)
            continue
        walk, rest = _parts(rest, depth)
        stages.append(walk)
    return Path(tuple(stages))


def _several(source: str, depth: int) -> tuple[Several, str | None]:
    texts, rest = split_multipath(source)
    parts = tuple((name, parse_path(text, depth + 1)) for name, text in texts)
    return Several(parts, keyed=source[0] == "{"), rest


def _literal(source: str) -> tuple[Literal, str | None]:
    text, rest = split_pipe(source[1:])
    try:
        return Literal(json.loads(text)), rest
    except (ValueError, RecursionError) as error:
        raise UnsupportedSelector(f"{source!r}: a literal is JSON") from error


def _parts(source: str, depth: int) -> tuple[Walk, str | None]:
    """Parts up to a pipe or a modifier, and what comes after it."""
    parts: list[Name | Each | Where] = []
    at = 0
    while True:
        if source[at:] == "#" or source[at : at + 2] in ("#.", "#(", "#[", "#|"):
            part, after = _list_part(source[at:], depth)
            return (*parts, part), after
        name, end = _name(source, at)
        parts.append(name)
        if end == len(source):
            return tuple(parts), None
        behind = source[end + 1 :]
        if source[end] == "|" or _call(behind)[0] or behind.startswith(_MULTIPATH_OR_LITERAL):
            return tuple(parts), behind
        at = end + 1


def _name(source: str, at: int) -> tuple[Name, int]:
    """The name that begins at `at`, and where it ends. A backslash takes the next as it is."""
    text, wild = "", False
    start = at
    while at < len(source) and source[at] not in ".|":
        if source[at] == "\\":
            at += 1
            if at == len(source):
                raise UnsupportedSelector(f"{source!r} ends in a backslash")
        elif source[at] in "*?":
            wild = True
        text += source[at]
        at += 1
    if at == start:
        raise UnsupportedSelector(f"{source!r} has an empty part")
    return Name(text, wild), at


def _list_part(source: str, depth: int) -> tuple[Each | Where, str | None]:
    """A part that begins with `#`, with all up to the next pipe under it, and what comes after."""
    if source[1:2] not in ("(", "["):
        under, after = split_pipe(source[1:].removeprefix("."))
        return Each(parse_path(under, depth + 1) if under else None), after
    subject, query, rest = parse_query(source)
    every = rest.startswith("#")
    under, after = split_pipe(rest.removeprefix("#").removeprefix("."))
    return (
        Where(
            parse_path(subject, depth + 1) if subject else None,
            query,
            every,
            parse_path(under, depth + 1) if under else None,
        ),
        after,
    )


def _call(source: str) -> tuple[Call | None, str | None]:
    """The modifier that begins here, and what is piped on; an unknown name is a member's name."""
    if not source.startswith("@"):
        return None, None
    end = min((at for at in map(source.find, ":|.") if at >= 0), default=len(source))
    modify = MODIFIERS.get(source[1:end])
    if modify is None:
        return None, None
    if source[end : end + 1] != ":":
        return Call(modify, ""), source[end + 1 :] or None
    argument, rest = _argument(source[end + 1 :])
    return Call(modify, argument), rest


def _argument(source: str) -> tuple[object, str | None]:
    """JSON where it begins as such, else text up to the next pipe."""
    if source[:1] in ("{", "[", '"'):
        try:
            argument, end = json.JSONDecoder().raw_decode(source)
        except ValueError:
            pass
        else:
            return argument, source[end + 1 :] or None
    return split_pipe(source)
