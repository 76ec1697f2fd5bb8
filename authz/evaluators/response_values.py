"""Success items `plain` and `json`: one value, or an object of values."""

from collections.abc import Mapping
from dataclasses import dataclass

from authz.entry_reading import Reading
from authz.errors import EvaluatorFailed
from authz.evaluator import ResponseEvaluator, Turn
from authz.fields import Fields
from authz.opening import Opening
from authz.resolution import resolved
from authz.value import Value


@dataclass(frozen=True, slots=True)
class PlainItem:
    value: Value


@dataclass(frozen=True, slots=True)
class JsonItem:
    properties: Mapping[str, Value]


def read_plain_item(fields: Fields, reading: Reading) -> PlainItem:
    return PlainItem(reading.value(fields))


def read_json_item(fields: Fields, reading: Reading) -> JsonItem:
    fields.known("properties")
    return JsonItem(reading.values(fields, "properties"))


class PlainResponse(ResponseEvaluator):
    def __init__(self, value: Value) -> None:
        self._value = value

    async def produce(self, turn: Turn) -> object:
        return resolved(self._value, turn.document, EvaluatorFailed)


class JsonResponse(ResponseEvaluator):
    def __init__(self, properties: Mapping[str, Value]) -> None:
        self._properties = properties

    async def produce(self, turn: Turn) -> object:
        return {
            name: resolved(value, turn.document, EvaluatorFailed)
            for name, value in self._properties.items()
        }


def open_plain_item(spec: PlainItem, opening: Opening) -> PlainResponse:
    return PlainResponse(spec.value)


def open_json_item(spec: JsonItem, opening: Opening) -> JsonResponse:
    return JsonResponse(spec.properties)
