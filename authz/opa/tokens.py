"""The tokens of a Rego text, and the references and brackets they form."""

import json
import re
from dataclasses import dataclass
from enum import Enum

from authz.opa.errors import PolicyRefused

MOST_CHARACTERS = 64 * 1024
MOST_NESTING = 64
KEYWORDS = frozenset(
    {
        "as", "default", "else", "every", "false", "if", "import", "in", "not", "null", "package",
        "set", "some", "true", "with",
    }
)  # fmt: skip


class Kind(Enum):
    NAME = "name"
    STRING = "string"
    NUMBER = "number"
    MARK = "mark"
    END = "end"


@dataclass(frozen=True, slots=True)
class Token:
    """text: a string's value, else as written. start, end: offsets in the policy.

    fresh: the first of its line. depth: how many brackets are open around it.
    """

    kind: Kind
    text: str
    start: int
    end: int
    line: int
    fresh: bool
    depth: int

    def is_mark(self, *marks: str) -> bool:
        return self.kind is Kind.MARK and self.text in marks

    def is_name(self, *names: str) -> bool:
        return self.kind is Kind.NAME and self.text in names


_TOKEN = re.compile(
    r"""(?P<space>[ \t\r]+) | (?P<newline>\n) | (?P<comment>\#[^\n]*)
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<number>(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)
    | (?P<string>"(?:[^"\\\n]|\\.)*") | (?P<raw>`[^`]*`)
    | (?P<mark>:=|==|!=|<=|>=|[-+*/%&|=<>.,:;()\[\]{}])""",
    re.VERBOSE,
)
_OPENING = {"(": ")", "[": "]", "{": "}"}


def tokens_of(text: str) -> list[Token]:
    """All tokens, the last of kind END; brackets are paired. Raises PolicyRefused."""
    if len(text) > MOST_CHARACTERS:
        raise PolicyRefused(f"the policy is longer than {MOST_CHARACTERS} characters")
    found: list[Token] = []
    open_brackets: list[str] = []
    at, line, fresh = 0, 1, True
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise PolicyRefused(f"unexpected {text[at]!r}", line)
        group, written = str(match.lastgroup), match.group()
        if group not in ("space", "newline", "comment"):
            kind, value = _kind_and_value(group, written, line)
            if kind is Kind.MARK:
                _close(value, open_brackets, line)
            depth = len(open_brackets)
            found.append(Token(kind, value, at, match.end(), line, fresh, depth))
            if kind is Kind.MARK and value in _OPENING:
                open_brackets.append(_OPENING[value])
            fresh = False
        fresh = fresh or group == "newline"
        line += written.count("\n")
        at = match.end()
    if open_brackets:
        raise PolicyRefused(f"a bracket is never closed, expected {open_brackets[-1]!r}", line)
    found.append(Token(Kind.END, "", at, at, line, True, 0))
    return found


def _kind_and_value(group: str, written: str, line: int) -> tuple[Kind, str]:
    if group == "raw":
        return Kind.STRING, written[1:-1]
    if group == "string":
        try:
            return Kind.STRING, json.loads(written, strict=False)
        except ValueError:
            raise PolicyRefused("a string has a bad escape", line) from None
    return Kind(group), written


def _close(mark: str, open_brackets: list[str], line: int) -> None:
    if mark in _OPENING and len(open_brackets) >= MOST_NESTING:
        raise PolicyRefused(f"brackets are nested deeper than {MOST_NESTING}", line)
    if mark in _OPENING.values() and (not open_brackets or open_brackets.pop() != mark):
        raise PolicyRefused(f"{mark!r} closes nothing", line)


@dataclass(frozen=True, slots=True)
class Reference:
    """A name with the constant steps after it: `input.a["b"]` is ("input", "a", "b").

    first, after: its tokens are first to after - 1.
    """

    steps: tuple[str, ...]
    first: int
    after: int

    @property
    def name(self) -> str:
        return ".".join(self.steps)


def references(tokens: list[Token]) -> list[Reference]:
    """Every name that is no member of another, in order."""
    found = []
    for index, token in enumerate(tokens):
        if token.kind is Kind.NAME and not (index and tokens[index - 1].is_mark(".")):
            found.append(_reference_at(tokens, index))
    return found


def _reference_at(tokens: list[Token], first: int) -> Reference:
    steps, at = [tokens[first].text], first + 1
    while True:
        if tokens[at].is_mark(".") and tokens[at + 1].kind is Kind.NAME:
            steps.append(tokens[at + 1].text)
            at += 2
        elif (
            tokens[at].is_mark("[")
            and tokens[at].start == tokens[at - 1].end
            and tokens[at + 1].kind is Kind.STRING
            and tokens[at + 2].is_mark("]")
        ):
            steps.append(tokens[at + 1].text)
            at += 3
        else:
            return Reference(tuple(steps), first, at)


def closing(tokens: list[Token], opening: int) -> int:
    """The index of the bracket that closes the one at `opening`."""
    at = opening + 1
    while tokens[at].depth > tokens[opening].depth:
        at += 1
    return at


def arguments(tokens: list[Token], opening: int) -> list[tuple[int, int]]:
    """The token ranges (first, after) of the arguments in the parentheses at `opening`."""
    end = closing(tokens, opening)
    found, first = [], opening + 1
    for at in range(opening + 1, end):
        if tokens[at].is_mark(",") and tokens[at].depth == tokens[opening].depth + 1:
            found.append((first, at))
            first = at + 1
    if first < end:
        found.append((first, end))
    return found


def completes(token: Token) -> bool:
    """Whether something new may begin on the line after this token."""
    if token.kind is Kind.MARK:
        return token.text in (")", "]", "}")
    return not token.is_name("if", "in", "contains", "not", "default", "as", "some", "every")
