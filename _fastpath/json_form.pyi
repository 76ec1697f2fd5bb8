def json_form_of(value: object) -> object:
    """A success item's value as both lanes keep it: what it becomes after a turn through JSON.

    Numbers become floats, integers beyond 2**53 strings (as CEL converts them), bytes base64 text,
    map keys text, timestamps RFC 3339 and durations seconds with an `s`; null and absent are None.
    Raises ValueError for NaN and infinity, for lists and maps nested more than MAX_LEVELS deep
    (Envoy could not read the answer), and for anything else JSON has no form for. The item is then
    dropped.
    """

MAX_LEVELS: int
