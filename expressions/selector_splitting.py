"""Where the text of a selector's path is cut: at pipes, and in multipaths, of which
`[path,path]` makes a list and `{path,"name":path}` an object.
"""

import json

from expressions.errors import UnsupportedSelector

_CLOSING = {"[": "]", "{": "}"}
_NOT_IN_NAMES = frozenset("[]{}()#|!")


def split_pipe(source: str) -> tuple[str, str | None]:
    """What stands before the first pipe outside of brackets and quotes, and what behind it."""
    nested, quoted, at = 0, False, 0
    while at < len(source):
        character = source[at]
        if character == "\\":
            at += 1
        elif character == '"':
            quoted = not quoted
        elif not quoted:
            nested += (character in "([{") - (character in ")]}")
            if character == "|" and nested <= 0:
                return source[:at], source[at + 1 :]
        at += 1
    return source, None


def split_multipath(source: str) -> tuple[list[tuple[str, str]], str | None]:
    """(name, path) of each part of the multipath that begins here, and the path behind it.

    A part without a name of its own has that of its last step. Raises UnsupportedSelector.
    """
    parts: list[tuple[str, str]] = []
    closing = [_CLOSING[source[0]]]
    start, colon, modifier = 1, 0, False
    at = 1
    while at < len(source):
        character = source[at]
        if character == "\\":
            at += 1
        elif character == '"':
            at = _end_of_text(source, at)
        elif character in "[{(":
            closing.append(_CLOSING.get(character, ")"))
        elif len(closing) == 1 and character == "@":
            modifier = True
        elif len(closing) == 1 and character == ":" and not modifier and not colon:
            colon = at
        elif character in "]})":
            if closing.pop() != character:
                break
            if not closing:
                parts += _part(source[start:at], colon - start)
                return parts, _behind(source, at + 1)
        elif len(closing) == 1 and character == ",":
            parts += _part(source[start:at], colon - start)
            start, colon, modifier = at + 1, 0, False
        at += 1
    raise UnsupportedSelector(f"{source!r}: a multipath is not closed")


def _end_of_text(source: str, at: int) -> int:
    """Where the quote is that ends the text beginning at `at`; the last place if none does."""
    at += 1
    while at < len(source) and source[at] != '"':
        at += 2 if source[at] == "\\" else 1
    return at


def _part(text: str, colon: int) -> list[tuple[str, str]]:
    """As a list, empty for a part that is empty."""
    if colon > 0:
        return [(_given_name(text[:colon]), text[colon + 1 :])]
    return [(_last_step(text), text)] if text else []


def _given_name(text: str) -> str:
    try:
        name = json.loads(text)
    except ValueError:
        return text
    return name if isinstance(name, str) else text


def _last_step(path: str) -> str:
    at = len(path) - 1
    while at >= 0 and (path[at] not in ".|" or path[at - 1 : at] == "\\"):
        at -= 1
    name = path[at + 1 :]
    simple = name and not any(character in _NOT_IN_NAMES or character < " " for character in name)
    return name if simple else "_"


def _behind(source: str, at: int) -> str | None:
    if at == len(source):
        return None
    if source[at] not in ".|":
        raise UnsupportedSelector(f"{source!r}: a multipath is followed by {source[at]!r}")
    return source[at + 1 :]
