"""CheckResponses, as bytes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from _fastpath.check_codec import encode_check_response
from _fastpath.rpc import Status
from _fastpath.rule_spec import Target
from _fastpath.text import json_of_value, text_of_value
from _fastpath.throttle import THROTTLED
from authz.config import Authentication, Denial, SuccessItem
from authz.evaluators.response_values import JsonItem, PlainItem
from authz.value import Value
from expressions.errors import EvaluationError


@dataclass(frozen=True, slots=True)
class Verdict:
    """An encoded CheckResponse, and the status it is counted under.

    skipped: the top-level `when` did not match, so nothing counts for the AuthConfig. throttled:
    what had failed too often, "source" or "credential".
    """

    answer: bytes
    status: Status
    skipped: bool = False
    throttled: str = ""


def skipped() -> Verdict:
    answer = encode_check_response(Status.OK, dynamic_metadata={})
    return Verdict(answer, Status.OK, skipped=True)


def unavailable(reason: str) -> Verdict:
    answer = encode_check_response(Status.UNAVAILABLE, http_status=503, reason=reason)
    return Verdict(answer, Status.UNAVAILABLE)


def throttled(by: str, seconds: int) -> Verdict:
    """To an attempt that has to wait."""
    answer = encode_check_response(
        Status.RESOURCE_EXHAUSTED,
        http_status=429,
        headers=[("Retry-After", str(seconds))],
        reason=THROTTLED,
    )
    return Verdict(answer, Status.RESOURCE_EXHAUSTED, throttled=by)


def unauthenticated(
    entries: Sequence[Authentication],
    failures: Mapping[str, str],
    custom: Denial,
    document: Mapping[str, object],
) -> Verdict:
    """failures: reason by entry, of those that were evaluated."""
    if len(entries) == 1 and failures:
        reason = next(iter(failures.values()))
    else:
        reason = json_of_value(dict(failures), go_escapes=True)
    challenges = [
        ("WWW-Authenticate", f'{entry.challenge} realm="{entry.name}"') for entry in entries
    ]
    return denied(Status.UNAUTHENTICATED, 401, reason, challenges, custom, document)


def denied(
    status: Status,
    http_status: int,
    reason: str,
    headers: Sequence[tuple[str, str]],
    custom: Denial,
    document: Mapping[str, object],
) -> Verdict:
    """With the parts that a custom denial has in their place."""
    if custom.headers is not None:
        headers = [(name, _text(value, document)) for name, value in custom.headers.items()]
    answer = encode_check_response(
        status,
        http_status=custom.code or http_status,
        headers=headers,
        reason=reason if custom.message is None else _text(custom.message, document),
        body="" if custom.body is None else _text(custom.body, document),
    )
    return Verdict(answer, status)


def succeeded(items: Sequence[tuple[SuccessItem, object]]) -> Verdict:
    """With the values of the success items, in order of declaration."""
    answer = encode_check_response(
        Status.OK,
        headers=list(_headers(items)),
        dynamic_metadata={
            item.key: value for item, value in items if item.target is Target.DYNAMIC_METADATA
        },
    )
    return Verdict(answer, Status.OK)


def _text(value: Value, document: Mapping[str, object]) -> str:
    """Text of a denial's part; what cannot be resolved is empty, the denial stands."""
    try:
        return text_of_value(value.resolve(document))
    except (EvaluationError, ValueError):
        return ""


def _headers(items: Iterable[tuple[SuccessItem, object]]) -> Iterable[tuple[str, str]]:
    """A plain value that is null makes no header."""
    for item, value in items:
        if item.target is not Target.HEADER or (isinstance(item.spec, PlainItem) and value is None):
            continue
        if isinstance(item.spec, JsonItem):
            yield item.key, json_of_value(value, go_escapes=True)
        else:
            yield item.key, text_of_value(value)
