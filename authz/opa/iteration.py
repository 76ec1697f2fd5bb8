"""References that iterate, written so that rego-cpp compiles them.

`xs[_]` and `xs[i]` inside of a call, another reference, an array, an object or a set, and on both
sides of a comparison, get a literal of their own before, as OPA's compiler does it:
`f(xs[_])` becomes `some name in xs; f(name)`. `x := xs[_]` becomes `some x in xs`.
"""

from dataclasses import dataclass

from authz.opa.tokens import Kind, Token, closing, completes, tokens_of

MOST_REWRITES = 200
COMPARISONS = ("==", "!=", "<", ">", "<=", ">=")
Edit = tuple[int, int, str]


def spread_out(text: str) -> str:
    """Raises PolicyRefused for what are no tokens."""
    for number in range(MOST_REWRITES):
        edits = Rewriter(tokens_of(text), text, f"tollhouse_{number}").first_edits()
        if not edits:
            break
        for start, end, new in sorted(edits, reverse=True):
            text = text[:start] + new + text[end:]
    return text


@dataclass(frozen=True, slots=True)
class _Chain:
    """A reference with an index that is a name: tokens first to after - 1. wild: the index of the
    bracket that opens a final `[_]`, else None."""

    first: int
    after: int
    wild: int | None


@dataclass(frozen=True, slots=True)
class Literal:
    """Tokens first to after - 1 of a body. inline: the body has no braces. nested: the reference
    stands in brackets within the literal."""

    first: int
    after: int
    inline: bool
    nested: bool


class Rewriter:
    def __init__(self, tokens: list[Token], text: str, name: str) -> None:
        self._tokens = tokens
        self._text = text
        self._name = name

    def first_edits(self) -> list[Edit]:
        """Of the first reference that needs some."""
        chains = [chain for at in range(len(self._tokens)) if (chain := self._chain(at))]
        for chain in chains:
            literal = self.literal(chain.first)
            if literal is None or self._must_stay(literal):
                continue
            if literal.nested or self._compares(literal, chains):
                return self._moved(chain, literal)
            if self._is_assignment(chain, literal) and chain.wild is not None:
                tokens = self._tokens
                start, end = tokens[literal.first].start, tokens[literal.after - 1].end
                domain = self._text[tokens[chain.first].start : tokens[chain.wild].start]
                return [(start, end, f"some {tokens[literal.first].text} in {domain}")]
        return []

    def _chain(self, first: int) -> _Chain | None:
        tokens = self._tokens
        if tokens[first].kind is not Kind.NAME or (first and tokens[first - 1].is_mark(".")):
            return None
        at, iterates, wild = first + 1, False, None
        while True:
            if tokens[at].is_mark("."):
                at += 2
            elif tokens[at].is_mark("[", "(") and tokens[at].start == tokens[at - 1].end:
                end = closing(tokens, at)
                named = tokens[at].is_mark("[") and end == at + 2
                named = named and tokens[at + 1].kind is Kind.NAME
                iterates = iterates or named
                wild = at if named and tokens[at + 1].text == "_" else None
                at = end + 1
                continue
            else:
                break
            wild = None
        return _Chain(first, at, wild) if iterates else None

    def literal(self, at: int) -> Literal | None:
        """The literal that token `at` belongs to; None when it is in no body."""
        nested, region = False, at
        while (opening := self._opening_before(region)) is not None:
            if self._is_body(opening):
                return self._bounds(at, opening + 1, nested)
            bar = self._bar(opening)
            if bar is not None:
                return self._bounds(at, bar + 1, nested) if bar < at else None
            nested, region = True, opening
        return self._inline(region, nested)

    def _opening_before(self, at: int) -> int | None:
        depth = self._tokens[at].depth
        if depth == 0:
            return None
        while self._tokens[at].depth >= depth:
            at -= 1
        return at

    def _bar(self, opening: int) -> int | None:
        """The `|` of a comprehension."""
        tokens, depth = self._tokens, self._tokens[opening].depth + 1
        for at in range(opening + 1, closing(tokens, opening)):
            if tokens[at].is_mark("|") and tokens[at].depth == depth:
                return at
        return None

    def _is_body(self, opening: int) -> bool:
        tokens = self._tokens
        if not tokens[opening].is_mark("{") or opening == 0:
            return False
        before = tokens[opening - 1]
        if before.is_name("if", "else"):
            return True
        ends = before.kind is not Kind.MARK or before.is_mark(")", "]", "}")
        if tokens[opening].depth == 0:
            return ends and not before.is_name("in")
        return ends and self._follows_every(opening)

    def _follows_every(self, opening: int) -> bool:
        at, depth = opening - 1, self._tokens[opening].depth
        while at and self._tokens[at].depth >= depth and not self._tokens[at].is_mark(";"):
            if self._tokens[at].is_name("every") and self._tokens[at].depth == depth:
                return True
            at -= 1
        return False

    def _bounds(self, at: int, first: int, nested: bool) -> Literal:
        tokens, depth = self._tokens, self._tokens[first].depth
        start = at
        while start > first and not self._begins(start, depth):
            start -= 1
        after = at + 1
        while tokens[after].depth >= depth and not self._begins(after, depth):
            if tokens[after].is_mark(";") and tokens[after].depth == depth:
                break
            after += 1
        return Literal(start, after, False, nested)

    def _begins(self, at: int, depth: int) -> bool:
        """Whether a literal begins at this token."""
        token, before = self._tokens[at], self._tokens[at - 1]
        if token.depth != depth or token.is_mark(")", "]", "}"):
            return False
        return before.is_mark(";") or (token.fresh and completes(before))

    def _inline(self, at: int, nested: bool) -> Literal | None:
        """The literal after `if` on the level of rules."""
        start = at
        while not self._tokens[start - 1].is_name("if"):
            if start <= 1 or (self._begins(start, 0) and start != at):
                return None
            start -= 1
        after = at + 1
        while self._tokens[after].kind is not Kind.END and not self._begins(after, 0):
            after += 1
        return Literal(start, after, True, nested)

    def _must_stay(self, literal: Literal) -> bool:
        part = self._tokens[literal.first : literal.after]
        return part[0].is_name("not") or any(token.is_name("with") for token in part)

    def _compares(self, literal: Literal, chains: list[_Chain]) -> bool:
        depth = self._tokens[literal.first].depth
        inside = [chain for chain in chains if literal.first <= chain.first < literal.after]
        tokens = self._tokens[literal.first : literal.after]
        compared = any(token.is_mark(*COMPARISONS) and token.depth == depth for token in tokens)
        return compared and len(inside) > 1

    def _is_assignment(self, chain: _Chain, literal: Literal) -> bool:
        return (
            chain.first == literal.first + 2
            and chain.after == literal.after
            and self._tokens[literal.first + 1].is_mark(":=")
        )

    def _moved(self, chain: _Chain, literal: Literal) -> list[Edit]:
        tokens = self._tokens
        start, end = tokens[chain.first].start, tokens[chain.after - 1].end
        if chain.wild is not None:
            own = f"some {self._name} in {self._text[start : tokens[chain.wild].start]}"
        else:
            own = f"{self._name} = {self._text[start:end]}"
        begin, stop = tokens[literal.first].start, tokens[literal.after - 1].end
        if not literal.inline:
            return [(begin, begin, f"{own}; "), (start, end, self._name)]
        if begin == start:
            return [(start, end, f"{{ {own}; {self._name}"), (stop, stop, " }")]
        return [(begin, begin, f"{{ {own}; "), (start, end, self._name), (stop, stop, " }")]
