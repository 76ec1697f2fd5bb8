"""Answers to the calls of provided built-ins in one evaluation."""

import json
from collections.abc import Mapping

from authz.opa.errors import EvaluationFailed
from authz.opa.http_send import Send, http_send
from authz.opa.input_parts import part_at
from authz.opa.plain_text import original_value
from authz.opa.policy import Policy
from authz.opa.printed_term import read_term
from authz.opa.provided import Undefined, provide

MOST_CALLS = 1000
MOST_WHOLE = 1e21  # further ones have an exponent
Answer = Mapping[str, object]


class Answers:
    """static: of the calls that the policy is known to make, by their name in the module.

    asked: of those that it asked for. wall_ns: what time.now_ns() gives. send: makes the calls of
    http.send().
    """

    def __init__(
        self, policy: Policy, document: Mapping[str, object], wall_ns: int, send: Send
    ) -> None:
        self._wall_ns = wall_ns
        self._send = send
        self.static: dict[str, object] = {}
        self.asked: list[tuple[str, Answer]] = []
        for at, call in enumerate(policy.calls):
            try:
                arguments = [_argument(argument, document) for argument in call.arguments]
            except LookupError:
                continue
            answer = self._answer(call.name, arguments)
            if answer:
                self.static[f"s{at}"] = answer["value"]

    async def answer(self, calls: list[str]) -> None:
        """Raises EvaluationFailed, also when there are too many, and Unsupported."""
        if len(self.asked) + len(calls) > MOST_CALLS:
            raise EvaluationFailed("the policy calls too many built-ins")
        for call in calls:
            name, arguments = _read(call)
            if name == "http.send":
                response = await http_send(self._send, arguments[0])
                self.asked.append((call, {"value": response}))
            else:
                self.asked.append((call, self._answer(name, arguments)))

    def _answer(self, name: str, arguments: list[object]) -> Answer:
        try:
            return {"value": provide(name, arguments, self._wall_ns)}
        except Undefined:
            return {}


def _read(call: str) -> tuple[str, list[object]]:
    """As rego-cpp prints the text of a list: escaped, without quotes around it."""
    try:
        term = read_term(json.loads(f'"{call}"'))
    except (ValueError, TypeError) as error:
        raise EvaluationFailed("the policy prints what looks like a call") from error
    if not isinstance(term, list) or not term:
        raise EvaluationFailed("the policy prints what looks like a call")
    return str(term[0]), [original_value(argument) for argument in term[1:]]


def _argument(argument: tuple[str, ...] | str, document: Mapping[str, object]) -> object:
    """Raises LookupError where the input lacks the part: then the call is undefined, whatever it
    would make of null."""
    if isinstance(argument, str):
        return argument
    return _as_written(part_at(document, argument))


def _as_written(value: object) -> object:
    """Whole numbers without a fraction, as they are in JSON that Go writes."""
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < MOST_WHOLE else value
    if isinstance(value, Mapping):
        return {key: _as_written(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_as_written(inner) for inner in value]
    return value
