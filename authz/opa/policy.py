"""A Rego policy made ready for the embedded engine.

The text becomes the module `tollhouse_policy`. What rego-cpp is known to get wrong is rewritten
or refused here, so that it never becomes a silent undefined:
- a leading package clause goes, and only that;
- `p[x] { … }` of Rego v0 adds to a set: it is written `p contains x { … }`;
- each part of the input that is read is a member of its own, `input.p0` and so on, or `input.i`
  where all of it is read or `with` replaces some; provided built-ins answer through `input.a`;
- comparisons become calls (authz/opa/comparison.py);
- calls of provided built-ins become references to their answers;
- references that iterate get a literal of their own (authz/opa/iteration.py).
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise

from authz.opa.builtins import ADVICE, NATIVE, PROVIDED, REWRITTEN
from authz.opa.comparison import ordered
from authz.opa.dialect import check_dialect
from authz.opa.errors import PolicyRefused
from authz.opa.input_parts import InputParts, part_at
from authz.opa.iteration import spread_out
from authz.opa.negation import outside_of_negations
from authz.opa.plain_text import literal
from authz.opa.tokens import (
    KEYWORDS,
    Kind,
    Reference,
    Token,
    arguments,
    closing,
    completes,
    references,
    tokens_of,
)

PACKAGE = "tollhouse_policy"
Argument = tuple[str, ...] | str | None
Edit = tuple[int, int, str]


@dataclass(frozen=True, slots=True)
class StaticCall:
    """A call of a provided built-in that is known before the policy runs.

    arguments: a text, or the path of a part of the input.
    """

    name: str
    arguments: tuple[tuple[str, ...] | str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """Equal texts are equal policies, whoever wrote them."""

    module: str
    calls: tuple[StaticCall, ...]
    paths: tuple[tuple[str, ...], ...]
    parts: InputParts | None = field(compare=False)  # as `input.i`; follows from the others

    def input_of(self, document: Mapping[str, object]) -> Mapping[str, object]:
        """Nothing but what the policy reads; what is missing is left out."""
        found: dict[str, object] = {}
        if self.parts is not None:
            found["i"] = self.parts.of_document(document)
        for number, path in enumerate(self.paths):
            with suppress(LookupError):
                found[f"p{number}"] = part_at(document, path)
        return found


def prepare(rego: str, version: str) -> Policy:
    """version: "v0" or "v1". Raises PolicyRefused."""
    check_dialect(tokens_of(rego), version)
    tokens = tokens_of(rego)
    rules = defined_names(tokens[after_package(tokens) :])
    rego = spread_out(ordered(outside_of_negations(rego, rules)))
    tokens = tokens_of(rego)
    first = after_package(tokens)
    defined = defined_names(tokens[first:])
    editor = _Editor(rego, tokens, first, defined)
    module = editor.module()
    if not has_default_allow(tokens):
        module += "\ndefault allow := false\n"
    parts = InputParts.of(editor.nested) if editor.nested else None
    return Policy(module, tuple(editor.calls), tuple(editor.paths), parts)


def after_package(tokens: list[Token]) -> int:
    """The index of the first token of the rules."""
    if not tokens[0].is_name("package"):
        return 0
    at = next(item.after for item in references(tokens) if item.first == 1)
    return at + 1 if tokens[at].is_mark(";") else at


def has_default_allow(tokens: list[Token]) -> bool:
    return any(
        a.is_name("default") and b.is_name("allow") and not a.depth for a, b in pairwise(tokens)
    )


def statement_starts(tokens: list[Token]) -> Iterator[int]:
    """Where rules and imports begin: names outside of brackets that begin a line or follow `;`,
    unless what stands before is not complete."""
    for at, token in enumerate(tokens):
        if token.kind is Kind.NAME and token.depth == 0:
            before = tokens[at - 1] if at else None
            if before is None or before.is_mark(";", "}") or (token.fresh and completes(before)):
                yield at


def defined_names(tokens: list[Token]) -> frozenset[str]:
    names = set()
    for at in statement_starts(tokens):
        token = tokens[at + 1] if tokens[at].is_name("default") else tokens[at]
        names.add(token.text)
    return frozenset(names) - KEYWORDS


class _Editor:
    """Collects the edits of one policy. `defined` shadow built-ins of the same name."""

    def __init__(self, rego: str, tokens: list[Token], first: int, defined: frozenset[str]) -> None:
        self._rego = rego
        self._tokens = tokens
        self._first = first
        self._defined = defined
        self._static = not any(token.is_name("with") for token in tokens)
        self._references = {item.first: item for item in references(tokens)}
        self._done = first  # what stands before is edited
        self.calls: list[StaticCall] = []
        self.paths: list[tuple[str, ...]] = []
        self.nested: list[tuple[str, ...]] = []

    def module(self) -> str:
        edits = sorted(self._edits())
        text, at = f"package {PACKAGE}\n", self._tokens[self._first].start
        text += "\n" * self._rego.count("\n", 0, at)
        for start, end, new in edits:
            text += self._rego[at:start] + new
            at = end
        return text + self._rego[at:]

    def _edits(self) -> Iterator[Edit]:
        for at in range(self._first, len(self._tokens)):
            token = self._tokens[at]
            if at < self._done:
                continue
            if token.kind is Kind.STRING:
                yield token.start, token.end, literal(token.text)
            elif token.is_name("package") and token.depth == 0 and at in self._references:
                raise PolicyRefused("only one package clause is possible", token.line)
            elif at in self._references:
                yield from self._of_reference(self._references[at])
        yield from self._set_heads()

    def _of_reference(self, found: Reference) -> Iterator[Edit]:
        token, after = self._tokens[found.first], self._tokens[found.after]
        name = found.name
        if found.steps[0] == "input":
            yield self._input(found, token)
        elif found.steps[:2] in (("data", "tollhouse"), ("data", PACKAGE)):
            raise PolicyRefused(f"{name} is not for policies", token.line)
        elif after.is_mark("(") and after.start == self._tokens[found.after - 1].end:
            yield from self._call(found, token)
        elif "." in name and (name in PROVIDED or name in NATIVE or name == "opa.runtime"):
            raise PolicyRefused(f"{name} can only be called here; {ADVICE}", token.line)

    def _input(self, found: Reference, token: Token) -> Edit:
        if self.is_bare_import(found):
            return self._tokens[found.first - 1].start, token.end, ""
        path = found.steps[1:]
        if not path or not self._static:
            self.nested.append(path)
            return token.start, token.end, "input.i"
        if path not in self.paths:
            self.paths.append(path)
        self._done = found.after
        new = f"input.p{self.paths.index(path)}"
        if found.first and self._tokens[found.first - 1].is_name("import"):
            new += "" if self._tokens[found.after].is_name("as") else f" as {path[-1]}"
        return token.start, self._tokens[found.after - 1].end, new

    def is_bare_import(self, found: Reference) -> bool:
        """`import input` says nothing new."""
        after = self._tokens[found.after]
        return (
            found.first > 0
            and self._tokens[found.first - 1].is_name("import")
            and found.after == found.first + 1
            and not after.is_name("as")
        )

    def _call(self, found: Reference, token: Token) -> Iterator[Edit]:
        name = found.name
        if name in self._defined or name in NATIVE or name in KEYWORDS:
            return
        if name in REWRITTEN:
            yield token.start, token.end, f"data.tollhouse.{REWRITTEN[name]}"
            return
        if found.steps[0] in self._defined or name not in PROVIDED:
            raise PolicyRefused(f"{name}() is not a function of this engine; {ADVICE}", token.line)
        ranges = arguments(self._tokens, found.after)
        if len(ranges) != PROVIDED[name]:
            raise PolicyRefused(f"{name}() takes {PROVIDED[name]} arguments", token.line)
        # http.send waits for another server, so it is asked for when the policy comes to it.
        static = None if name == "http.send" else self._static_arguments(ranges)
        last = closing(self._tokens, found.after)
        if static is not None:
            self._done = last + 1
            call = StaticCall(name, static)
            if call not in self.calls:
                self.calls.append(call)
            yield token.start, self._tokens[last].end, f"input.a.s{self.calls.index(call)}"
            return
        comma = "," if ranges else ""
        new = f'data.tollhouse.call{len(ranges)}("{name}"{comma}'
        yield token.start, self._tokens[found.after].end, new

    def _static_arguments(
        self, ranges: list[tuple[int, int]]
    ) -> tuple[tuple[str, ...] | str, ...] | None:
        """None when an argument is more than a text or a part of the input."""
        known: list[tuple[str, ...] | str] = []
        for first, after in ranges:
            token, reference = self._tokens[first], self._references.get(first)
            if token.kind is Kind.STRING and after == first + 1:
                known.append(token.text)
            elif reference is not None and reference.after == after and self._static:
                if reference.steps[0] != "input" or len(reference.steps) == 1:
                    return None
                known.append(reference.steps[1:])
            else:
                return None
        return tuple(known)

    def _set_heads(self) -> Iterator[Edit]:
        """`name[key]` at the beginning of a rule, without a value and without `if`."""
        tokens = self._tokens
        starts = (self._first + at for at in statement_starts(tokens[self._first :]))
        for at in starts:
            opening = tokens[at + 1]
            if tokens[at].text in KEYWORDS or not opening.is_mark("["):
                continue
            end = closing(tokens, at + 1)
            after = tokens[end + 1]
            if after.is_mark("{") or (after.fresh and not after.is_mark("=", ":=", "[", ".")):
                yield opening.start, opening.end, " contains "
                yield tokens[end].start, tokens[end].end, ""
