"""Comparisons, written as calls: rego-cpp has another order of types than OPA.

`a < b` becomes `tollhouse_lt(a, b)`, which authz/opa/answers.rego defines: null, booleans, numbers,
strings, arrays, objects, sets. Operands end where the literal, the argument or the body ends.
"""

from authz.opa.errors import PolicyRefused
from authz.opa.tokens import Kind, Token, closing, completes, tokens_of

MOST_COMPARISONS = 500
CALLS = {"<": "tollhouse_lt", "<=": "tollhouse_lte", ">": "tollhouse_gt", ">=": "tollhouse_gte"}
_STOPS = (",", ";", ":", ":=", "=", "==", "!=", *CALLS)
_WORDS = ("if", "else", "not", "with", "as", "in", "default", "some")


def ordered(text: str) -> str:
    """Raises PolicyRefused for what are no tokens, and for too many comparisons."""
    for _ in range(MOST_COMPARISONS):
        tokens = tokens_of(text)
        at = next((at for at, token in enumerate(tokens) if token.is_mark(*CALLS)), None)
        if at is None:
            return text
        bars = _bars(tokens)
        first, last = _left(tokens, at, bars), _right(tokens, at, bars)
        if first == at or last == at:
            raise PolicyRefused(f"{tokens[at].text!r} compares nothing", tokens[at].line)
        left = text[tokens[first].start : tokens[at - 1].end]
        right = text[tokens[at + 1].start : tokens[last].end]
        call = f"{CALLS[tokens[at].text]}({left}, {right})"
        text = text[: tokens[first].start] + call + text[tokens[last].end :]
    raise PolicyRefused(f"the policy has more than {MOST_COMPARISONS} comparisons")


def _bars(tokens: list[Token]) -> set[int]:
    """The `|` that end the heads of comprehensions; others unite sets."""
    found = set()
    for at, token in enumerate(tokens):
        if token.is_mark("[", "{") and not _is_body(tokens, at):
            inside = range(at + 1, closing(tokens, at))
            depth = token.depth + 1
            found.update(
                [i for i in inside if tokens[i].is_mark("|") and tokens[i].depth == depth][:1]
            )
    return found


def _is_body(tokens: list[Token], at: int) -> bool:
    """Whether a `{` begins a body rather than a term."""
    if not tokens[at].is_mark("{") or at == 0:
        return False
    before = tokens[at - 1]
    if before.kind is Kind.NAME:
        return not before.is_name("in", "not", "with", "as", "some")
    return before.kind is not Kind.MARK or before.is_mark(")", "]", "}")


def _left(tokens: list[Token], at: int, bars: set[int]) -> int:
    """The first token of the left operand."""
    depth, first = tokens[at].depth, at
    while first > 0:
        token, before = tokens[first], tokens[first - 1]
        stops = first - 1 in bars or before.is_mark(*_STOPS) or before.is_name(*_WORDS)
        if before.depth < depth or (before.depth == depth and stops):
            break
        begins = token.fresh and first < at and completes(before)
        if (begins and token.depth == depth) or _body_ends(tokens, first - 1, depth):
            break
        first -= 1
    return first


def _body_ends(tokens: list[Token], at: int, depth: int) -> bool:
    """Whether a `}` of this depth ends the body of a rule or of `every`."""
    if not tokens[at].is_mark("}") or tokens[at].depth != depth:
        return False
    opening = at - 1
    while tokens[opening].depth > depth:
        opening -= 1
    return _is_body(tokens, opening)


def _right(tokens: list[Token], at: int, bars: set[int]) -> int:
    """The last token of the right operand."""
    depth, last = tokens[at].depth, at
    while tokens[last + 1].kind is not Kind.END:
        token = tokens[last + 1]
        if token.depth < depth or _closes_around(tokens, last + 1, at):
            break
        if token.depth == depth:
            if last + 1 in bars or token.is_mark(*_STOPS) or token.is_name(*_WORDS):
                break
            begins = token.fresh and completes(tokens[last])
            if last > at and (begins or _is_body(tokens, last + 1)):
                break
        last += 1
    return last


def _closes_around(tokens: list[Token], at: int, inside: int) -> bool:
    """Whether this token closes a bracket that was opened before token `inside`."""
    if not tokens[at].is_mark(")", "]", "}"):
        return False
    opening = at - 1
    while opening >= 0 and tokens[opening].depth > tokens[at].depth:
        opening -= 1
    return opening < inside
