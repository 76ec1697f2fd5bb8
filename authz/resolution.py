"""Values in JSON form, with errors that a caller may read."""

import re
from collections.abc import Mapping

from _fastpath.json_form import json_form_of
from _fastpath.text import text_of_value
from authz.errors import Refusal
from authz.value import Value
from expressions.errors import ErrorCode, EvaluationError

VALUE_FAILED = "the expression could not be evaluated"
_QUOTED = re.compile('"(.*)"', re.DOTALL)


def resolved(value: Value, document: Mapping[str, object], failure: type[Refusal]) -> object:
    """The value in JSON form. Raises `failure` when there is none."""
    try:
        return json_form_of(value.resolve(document))
    except EvaluationError as error:
        key = _QUOTED.search(str(error)) if error.code is ErrorCode.NO_SUCH_KEY else None
        raise failure(f"no such key: {key[1]}" if key else VALUE_FAILED) from error
    except ValueError as error:
        raise failure(VALUE_FAILED) from error


def resolved_text(value: Value, document: Mapping[str, object], failure: type[Refusal]) -> str:
    """The value as text (reference §4.4). Raises `failure` when there is none."""
    try:
        return text_of_value(resolved(value, document, failure))
    except ValueError as error:
        raise failure(VALUE_FAILED) from error
