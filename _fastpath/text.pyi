"""The texts of values, for the full lane; each raises ValueError where no such text exists."""

def text_of_value(value: object) -> str:
    """Text of a header, message or pattern operand.

    Strings as they stand, None empty, numbers without exponent, bytes as base64, lists and dicts as
    `json_of_value(value, go_escapes=True)`.
    """

def json_of_value(value: object, *, go_escapes: bool = False) -> str:
    """Compact JSON, keys sorted by bytes.

    Integers beyond 2**53 become strings and bytes base64, as CEL's conversion to JSON has it;
    numbers are written as Go's encoder does. `go_escapes` writes <, >, & and U+2028, U+2029 as
    escapes. NaN and infinity are no JSON.
    """

def key_of_value(value: object) -> str:
    """Part of a counter key: strings as they stand, scalars as text, None as `null`.

    Doubles are written without exponent and without a trailing `.0`. Lists, dicts and bytes have no
    such text.
    """
