"""Whether a text is of the Rego version that its entry names.

rego-cpp takes both for either, which would give a text another meaning than its author's.
"""

from authz.opa.errors import PolicyRefused
from authz.opa.tokens import Kind, Token

_NEW = ("if", "contains", "in", "every")


def check_dialect(tokens: list[Token], version: str) -> None:
    """Raises PolicyRefused."""
    imports = _imports(tokens)
    if version == "v1" or "rego.v1" in imports:
        _check_v1(tokens)
    elif not any(name.startswith("future.keywords") for name in imports):
        _check_v0(tokens)


def _imports(tokens: list[Token]) -> set[str]:
    found = set()
    for at, token in enumerate(tokens):
        if token.is_name("import") and token.depth == 0:
            end = at + 1
            while tokens[end].is_mark(".") or not tokens[end].fresh:
                end += 1
            found.add("".join(part.text for part in tokens[at + 1 : end]))
    return found


def _check_v0(tokens: list[Token]) -> None:
    for at, token in enumerate(tokens):
        before = tokens[at - 1] if at else token
        called = tokens[min(at + 1, len(tokens) - 1)].is_mark("(")
        if token.is_name(*_NEW) and not (called or before.is_mark(".")) and not _imported(before):
            raise PolicyRefused(
                f"{token.text!r} is Rego v1: set `version: v1` or `import rego.v1`", token.line
            )


def _imported(before: Token) -> bool:
    return before.is_name("import", "as")


def _check_v1(tokens: list[Token]) -> None:
    """A body in braces follows `if`; sets say `contains`."""
    every = False
    for at, token in enumerate(tokens):
        if token.depth:
            continue
        before = tokens[at - 1] if at else None
        if token.fresh:
            every = False
        every = every or token.is_name("every")
        if token.is_mark("{") and before is not None and not every and _ends_a_head(before):
            raise PolicyRefused("Rego v1 has `if` before the body of a rule", token.line)


def _ends_a_head(token: Token) -> bool:
    if token.kind is Kind.NAME:
        return token.text not in ("if", "in", "contains")
    return token.kind in (Kind.STRING, Kind.NUMBER) or token.is_mark("]", ")", "}")
