"""Flags that are environment variables too: a table per subcommand, the flag before the variable.

`--rls-listen` is TOLLHOUSE_RLS_LISTEN. A flag beats its variable, and that the default. A variable
that is set but empty counts as not set.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from pathlib import Path
from typing import Any, NoReturn

from expressions.errors import ExpressionSyntaxError
from ratelimit.metric_labels import expression_of
from tollhouse.errors import UsageError

PREFIX = "TOLLHOUSE_"


@dataclass(frozen=True, slots=True)
class Flag:
    """One setting. `read` turns its text into a value and raises UsageError.

    A `switch` takes no value on the command line; its variable takes true or false. An `optional`
    one may have a value all the same, as in --switch=false; only for commands without other words.
    A `repeatable` one may be given several times, and `read` gives a tuple for each.
    environment: the name of its variable where that is another one; "" for none.
    """

    field: str
    read: Callable[[str], Any]
    metavar: str
    help: str
    group: str
    short: str | None = None
    switch: bool = False
    environment: str | None = None
    optional: bool = False
    repeatable: bool = False

    @property
    def name(self) -> str:
        return "--" + self.field.replace("_", "-")

    @property
    def variable(self) -> str:
        return PREFIX + self.field.upper() if self.environment is None else self.environment


class Parser(argparse.ArgumentParser):
    """Raises UsageError where argparse would end the process."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def add(
    parser: argparse.ArgumentParser, flags: Sequence[Flag], defaults: Mapping[str, Any]
) -> None:
    """Declare the flags; none has an argparse default, see `values`."""
    groups: dict[str, argparse._ArgumentGroup] = {}
    for flag in flags:
        group = groups.get(flag.group)
        if group is None:
            group = groups[flag.group] = parser.add_argument_group(flag.group)
        names = [name for name in (flag.short, flag.name) if name]
        text = flag.help if not flag.environment else f"{flag.help} [{flag.environment}]"
        how: dict[str, Any] = {"dest": flag.field, "default": argparse.SUPPRESS, "help": text}
        if flag.switch and not flag.optional:
            group.add_argument(*names, **how, action="store_const", const="1")
            continue
        text += f" (default: {_told(defaults[flag.field])})"
        how |= {"help": text.replace("%", "%%"), "metavar": flag.metavar}
        if flag.optional:
            how |= {"nargs": "?", "const": "1"}
        group.add_argument(*names, **how, action="append" if flag.repeatable else "store")


def _told(default: object) -> str:
    """As it would be written on the command line."""
    if isinstance(default, Enum) and not isinstance(default, StrEnum):
        return default.name.lower()
    if isinstance(default, bool):
        return str(default).lower()
    return "none" if default in (None, "", ()) else str(default)


def values(
    flags: Sequence[Flag], given: Mapping[str, Any], environment: Mapping[str, str]
) -> dict[str, Any]:
    """What flags and variables say; what neither does is left out. Raises UsageError."""
    found = {}
    for flag in flags:
        for place, text in (
            (flag.name, given.get(flag.field)),
            (flag.variable, environment.get(flag.variable) or None),
        ):
            if text is not None:
                try:
                    found[flag.field] = _read(flag, text)
                except UsageError as error:
                    raise UsageError(f"{place}: {error}") from None
                break
    return found


def _read(flag: Flag, given: str | Sequence[str]) -> Any:
    if not flag.repeatable:
        return flag.read(str(given))
    texts = (given,) if isinstance(given, str) else given
    return tuple(value for text in texts for value in flag.read(text))


def text_of(kind: type[StrEnum]) -> Callable[[str], StrEnum]:
    """Reader of one of the members, by value, in any case."""

    def read(text: str) -> StrEnum:
        for member in kind:
            if member.value.lower() == text.lower():
                return member
        raise UsageError(f"{text!r} is none of {', '.join(member.value for member in kind)}")

    return read


def member_of(kind: type[Enum]) -> Callable[[str], Enum]:
    """Reader of one of the members, by name, in any case."""

    def read(text: str) -> Enum:
        if text.upper() in kind.__members__:
            return kind[text.upper()]
        raise UsageError(f"{text!r} is none of {', '.join(kind.__members__).lower()}")

    return read


def choice(of: Mapping[str, Any]) -> Callable[[str], Any]:
    """Reader of one of the names, as they are written; gives what it stands for."""

    def read(text: str) -> Any:
        if text not in of:
            raise UsageError(f"{text!r} is none of {', '.join(of)}")
        return of[text]

    return read


def count(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
            raise UsageError(f"{text!r} is no whole number from {least} to {most}")
        return int(text)

    return read


def seconds(most: float, *, least: float = 0) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not least <= value <= most:
            raise UsageError(f"{text!r} is no number of seconds from {least:g} to {most:g}")
        return value

    return read


def fraction(text: str) -> float:
    """Reader of a number above 0, at most 1."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:
        raise UsageError(f"{text!r} is no number above 0 and at most 1")
    return value


def size(least: int, most: int) -> Callable[[str], int]:
    """Reader of bytes: a whole number, or one with KiB, MiB or GiB behind it."""
    units = {"KiB": 10, "MiB": 20, "GiB": 30}

    def read(text: str) -> int:
        number, shift = text, 0
        for unit, power in units.items():
            if text.endswith(unit):
                number, shift = text.removesuffix(unit).strip(), power
        if not (number.isascii() and number.isdigit() and least <= int(number) << shift <= most):
            raise UsageError(f"{text!r} is no size from {least} to {most} bytes, as 4MiB")
        return int(number) << shift

    return read


def switch(text: str) -> bool:
    if text.lower() in ("true", "1", "yes"):
        return True
    if text.lower() in ("false", "0", "no"):
        return False
    raise UsageError(f"{text!r} is neither true nor false")


def expression(text: str) -> str:
    """CEL over the descriptors of a request, as it stands."""
    try:
        expression_of(text)
    except ExpressionSyntaxError as error:
        raise UsageError(f"{text!r} is no CEL expression: {error.message}") from error
    return text


def path(text: str) -> Path:
    if not text:
        raise UsageError("an empty path")
    return Path(text)
