"""Text built-ins of Rego that follow Go: sprintf, glob.match, semver, numbers as text."""

import re
from collections.abc import Iterator

from _fastpath.regex import Regex
from authz.opa.errors import Unsupported

_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?", re.ASCII)
_VERB = re.compile(r"%(-?)(0?)(\d{0,3})(?:\.(\d{1,3}))?([a-zA-Z%])")
SMALLEST, LARGEST = 1e-4, 1e15  # Python writes numbers between them without an exponent
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_SEMVER = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?",
    re.ASCII,
)


def to_number(value: object) -> int | float:
    if value is None:
        return 0
    if isinstance(value, str):
        match = _NUMBER.fullmatch(value)
        if match is None:
            raise ValueError("not a number")
        return float(value) if match[2] or match[3] else int(value)
    if isinstance(value, int | float):
        return value if not isinstance(value, bool) else int(value)
    raise TypeError("expected a number, a string, a boolean or null")


def format_int(number: object, base: object) -> str:
    if (
        isinstance(number, bool)
        or not isinstance(number, int | float)
        or base not in (2, 8, 10, 16)
    ):
        raise TypeError("expected a number and the base 2, 8, 10 or 16")
    whole, digits = abs(int(number)), ""
    while whole or not digits:
        whole, digit = divmod(whole, int(str(base)))
        digits = _DIGITS[digit] + digits
    return f"-{digits}" if int(number) < 0 else digits


def sprintf(form: object, values: object) -> str:
    """Go's verbs for the types they are meant for. Raises Unsupported for others, where Go writes
    the mistake into the text, and for the text of arrays and objects."""
    if not isinstance(form, str) or not isinstance(values, list):
        raise TypeError("expected a format and a list")
    rest = iter(values)
    text = _VERB.sub(lambda match: _formatted(match, rest), form)
    if next(rest, None) is not None or "%" in _VERB.sub("", form):
        raise Unsupported("sprintf() whose format does not fit its values")
    return text


def _formatted(match: re.Match[str], rest: Iterator[object]) -> str:
    left, zero, width, precision, verb = match.groups()
    if verb == "%":
        return "%"
    value = next(rest, None)
    text = _verb_text(verb, value, precision)
    if zero and not left:
        return text.zfill(int(width or 0))
    return text.ljust(int(width or 0)) if left else text.rjust(int(width or 0))


def _verb_text(verb: str, value: object, precision: str | None) -> str:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if verb in "sv" and isinstance(value, str):
        return value if precision is None else value[: int(precision)]
    if verb == "v" and isinstance(value, bool):
        return "true" if value else "false"
    if verb in "dv" and whole:
        return str(value)
    if verb == "v" and isinstance(value, float) and SMALLEST <= abs(value) < LARGEST:
        return repr(value)
    if verb in "xX" and whole:
        return format(value, verb)
    if verb == "f" and isinstance(value, float):
        return format(value, f".{precision or 6}f")
    raise Unsupported(f"sprintf() of such a value as %{verb}")


def is_semver(text: object) -> bool:
    return isinstance(text, str) and _SEMVER.fullmatch(text) is not None


def semver_compare(left: object, right: object) -> int:
    """-1, 0 or 1 (Semantic Versioning 2.0, §11)."""
    a, b = _semver(left), _semver(right)
    return (a > b) - (a < b)


def _semver(text: object) -> tuple[object, ...]:
    match = _SEMVER.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError("not a semantic version")
    early = tuple(
        (0, int(part), "") if part.isdigit() else (1, 0, part)
        for part in (match[4] or "").split(".")
        if part
    )
    return (int(match[1]), int(match[2]), int(match[3]), not early, early)


def glob_match(pattern: object, delimiters: object, text: object) -> bool:
    """Delimiters: an empty list is ["."], null is none."""
    if not isinstance(pattern, str) or not isinstance(text, str):
        raise TypeError("expected strings")
    if delimiters is None:
        stops = ""
    elif isinstance(delimiters, list) and all(isinstance(item, str) for item in delimiters):
        stops = "".join(delimiters) or "."
    else:
        raise TypeError("expected a list of characters or null")
    return Regex(f"(?s)^(?:{_regex_of_glob(pattern, stops)})$").search(text)


def _regex_of_glob(pattern: str, stops: str) -> str:
    any_character = f"[^{_in_class(stops)}]" if stops else "."
    text, at, groups = "", 0, 0
    while at < len(pattern):
        character, at = pattern[at], at + 1
        if character == "*":
            if pattern[at : at + 1] == "*":
                text, at = text + ".*", at + 1
            else:
                text += any_character + "*"
        elif character == "?":
            text += any_character
        elif character == "\\" and at < len(pattern):
            text, at = text + re.escape(pattern[at]), at + 1
        elif character == "[":
            end = pattern.index("]", at)
            inner = pattern[at:end]
            negated = inner.startswith("!")
            text += f"[{'^' if negated else ''}{_class(inner[negated:])}]"
            at = end + 1
        elif character == "{":
            text, groups = text + "(?:", groups + 1
        elif character == "}" and groups:
            text, groups = text + ")", groups - 1
        elif character == "," and groups:
            text += "|"
        else:
            text += re.escape(character)
    if groups:
        raise ValueError("a brace is never closed")
    return text


def _in_class(characters: str) -> str:
    return "".join("\\" + one if one in "\\]^-[" else one for one in characters)


def _class(inner: str) -> str:
    """The inside of a class: one range, or a list of characters."""
    if len(inner) == 3 and inner[1] == "-":
        return f"{_in_class(inner[0])}-{_in_class(inner[2])}"
    return _in_class(inner)
