"""Negations, written so that rego-cpp reads them as OPA does.

OPA's compiler moves what a negated expression computes on before the negation: arguments, nested
calls, indexes, members of composites and the operands of all but equality. So `not f(input.x)` is
undefined where the input has no `x`, not true: who leaves a header out is not let in. rego-cpp
leaves them inside, so they are moved here: `name := input.x; not f(name)`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from authz.opa.builtins import ADVICE
from authz.opa.errors import PolicyRefused
from authz.opa.iteration import Edit, Literal, Rewriter
from authz.opa.tokens import KEYWORDS, Kind, Token, closing, tokens_of

MOST_MOVES = 200


def outside_of_negations(text: str, rules: frozenset[str]) -> str:
    """rules: the names of the policy's own. Raises PolicyRefused."""
    for number in range(MOST_MOVES):
        edits = next(_edits(tokens_of(text), text, f"tollhouse_not_{number}", rules), None)
        if edits is None:
            return text
        for start, end, new in sorted(edits, reverse=True):
            text = text[:start] + new + text[end:]
    raise PolicyRefused(f"it has too many negations; {ADVICE}", 1)


def _edits(
    tokens: list[Token], text: str, name: str, rules: frozenset[str]
) -> Iterator[list[Edit]]:
    """One item for each part that has to be moved."""
    rewriter = Rewriter(tokens, text, name)
    for at, token in enumerate(tokens):
        if not token.is_name("not") or tokens[at - 1].is_mark("."):
            continue
        literal = rewriter.literal(at)
        negated = _Negated(tokens, at, rules, literal)
        for first, after in negated.moved():
            if literal is None or literal.first != at:
                raise PolicyRefused(f"`not` cannot be read here; {ADVICE}", token.line)
            if negated.iterates(first, after):
                raise PolicyRefused("what `not` asks of cannot be iterated", token.line)
            yield _moved(tokens, text, name, literal, (first, after))


def _moved(
    tokens: list[Token], text: str, name: str, literal: Literal, part: tuple[int, int]
) -> list[Edit]:
    start, end = tokens[part[0]].start, tokens[part[1] - 1].end
    begin, stop = tokens[literal.first].start, tokens[literal.after - 1].end
    clause = _with(tokens, literal.first, literal.after)
    suffix = "" if clause == literal.after else " " + text[tokens[clause].start : stop]
    own = f"{name} := {text[start:end]}{suffix}; "
    if not literal.inline:
        return [(begin, begin, own), (start, end, name)]
    return [(begin, begin, f"{{ {own}"), (start, end, name), (stop, stop, " }")]


def _with(tokens: list[Token], first: int, after: int) -> int:
    """Where the literal's `with` begins, else where the literal ends."""
    depth = tokens[first].depth
    found = (at for at in range(first, after) if tokens[at].is_name("with"))
    return next((at for at in found if tokens[at].depth == depth), after)


@dataclass(frozen=True, slots=True)
class _Negated:
    """The expression after the `not` at token `at`."""

    tokens: list[Token]
    at: int
    rules: frozenset[str]
    literal: Literal | None

    def moved(self) -> Iterator[tuple[int, int]]:
        """Tokens (first, after) of references and calls that OPA takes out of it."""
        first, end = self.at + 1, self._end()
        sides = self._sides(first, end)
        at = first
        while at < end:
            token = self.tokens[at]
            if self._is_comprehension(at):
                at = closing(self.tokens, at) + 1
                continue
            after = self._after(at)
            if after is None or token.text in KEYWORDS:
                at += 1
            elif (at, after) in sides | {(first, end)}:
                head = self._called(at, after)
                if head and (head < after or (at, after) in sides):
                    yield at, head
                at += 1  # the rest stays, but not what its brackets hold
            elif after > at + 1 or token.text in self.rules:
                yield at, after
                at = after
            else:
                at += 1

    def iterates(self, first: int, after: int) -> bool:
        """Whether tokens first to after - 1 have a `_` outside of comprehensions."""
        at = first
        while at < after:
            if self.tokens[at].is_name("_"):
                return True
            at = closing(self.tokens, at) + 1 if self._is_comprehension(at) else at + 1
        return False

    def _end(self) -> int:
        if self.literal is not None:
            return _with(self.tokens, self.at, self.literal.after)
        end, depth = self.at + 1, self.tokens[self.at].depth
        while self.tokens[end].depth >= depth and self.tokens[end].kind is not Kind.END:
            end += 1
        return end

    def _sides(self, first: int, end: int) -> set[tuple[int, int]]:
        """Of an equality, whose sides may be references that stay."""
        depth = self.tokens[self.at].depth
        marks = [
            at
            for at in range(first, end)
            if self.tokens[at].is_mark("==", "=") and self.tokens[at].depth == depth
        ]
        return {(first, marks[0]), (marks[0] + 1, end)} if len(marks) == 1 else set()

    def _is_comprehension(self, opening: int) -> bool:
        tokens = self.tokens
        if not tokens[opening].is_mark("[", "{"):
            return False
        inside = range(opening + 1, closing(tokens, opening))
        depth = tokens[opening].depth + 1
        return any(tokens[at].is_mark("|") and tokens[at].depth == depth for at in inside)

    def _after(self, at: int) -> int | None:
        """Where the reference or call that begins here ends; None when none does."""
        tokens = self.tokens
        if tokens[at].kind is not Kind.NAME or tokens[at - 1].is_mark("."):
            return None
        after = at + 1
        while True:
            if tokens[after].is_mark("."):
                after += 2
            elif tokens[after].is_mark("[", "(") and tokens[after].start == tokens[after - 1].end:
                after = closing(tokens, after) + 1
            else:
                return after

    def _called(self, first: int, after: int) -> int | None:
        """Where the last call of a reference ends; None without one."""
        tokens, depth = self.tokens, self.tokens[first].depth
        ends = [
            at + 1
            for at in range(first, after)
            if tokens[at].is_mark(")") and tokens[at].depth == depth
        ]
        return ends[-1] if ends else None
