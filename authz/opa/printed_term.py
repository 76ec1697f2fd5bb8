"""Values as rego-cpp prints them: JSON, and sets, which become lists."""

import json

from authz.opa.errors import PolicyRefused
from authz.opa.tokens import Kind, Token, tokens_of

_NAMES = {"null": None, "true": True, "false": False}


def read_term(text: str) -> object:
    """Raises ValueError for what is none, or is nested too deep."""
    try:
        reader = _Reader(tokens_of(text))
    except PolicyRefused as error:
        raise ValueError("not a term") from error
    value = reader.value()
    if reader.token.kind is not Kind.END:
        raise ValueError("more than one term")
    return value


class _Reader:
    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = iter(tokens)
        self.token = next(self._tokens)

    def _next(self) -> Token:
        token, self.token = self.token, next(self._tokens, self.token)
        return token

    def _takes(self, mark: str) -> bool:
        taken = self.token.is_mark(mark)
        if taken:
            self._next()
        return taken

    def value(self) -> object:
        if self._takes("-"):
            return -self._number(self._next())
        token = self._next()
        if token.kind is Kind.STRING:
            return token.text
        if token.kind is Kind.NUMBER:
            return self._number(token)
        if token.is_mark("["):
            return self._items("]")
        if token.is_mark("{"):
            return self._set_or_object()
        if token.is_name("set") and self._takes("(") and self._takes(")"):
            return []
        if token.text not in _NAMES or token.kind is not Kind.NAME:
            raise ValueError("not a term")
        return _NAMES[token.text]

    def _number(self, token: Token) -> int | float:
        if token.kind is not Kind.NUMBER:
            raise ValueError("not a number")
        number: int | float = json.loads(token.text)
        return number

    def _items(self, end: str) -> list[object]:
        found: list[object] = []
        while not self._takes(end):
            if found and not self._takes(","):
                raise ValueError("not a list")
            found.append(self.value())
        return found

    def _set_or_object(self) -> object:
        if self._takes("}"):
            return {}
        first = self.value()
        if not self._takes(":"):
            if self._takes(","):
                return [first, *self._items("}")]
            if not self._takes("}"):
                raise ValueError("not a set")
            return [first]
        found = {first: self.value()}
        while not self._takes("}"):
            if not self._takes(","):
                raise ValueError("not an object")
            key = self.value()
            if not self._takes(":"):
                raise ValueError("not an object")
            found[key] = self.value()
        return found
