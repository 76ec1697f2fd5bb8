"""Callback `http`: another server is told of the decision, which it cannot change.

The answer waits for it, as with Authorino, unless the extensions say `asynchronous`. The status of
the other server is its own affair; what it says is there for callbacks of later priorities.
"""

from dataclasses import dataclass

from authz.callback_room import CallbackRoom
from authz.entry_reading import Reading
from authz.evaluator import CallbackEvaluator, Turn
from authz.evaluators.http_content import content_in_turn
from authz.evaluators.http_endpoint import (
    HttpEndpoint,
    HttpEndpointSpec,
    open_http_endpoint,
    read_http_endpoint,
)
from authz.fields import Fields
from authz.opening import Opening


@dataclass(frozen=True, slots=True)
class HttpCallback:
    """asynchronous: the answer does not wait for it."""

    endpoint: HttpEndpointSpec
    asynchronous: bool


def read_http_callback(fields: Fields, reading: Reading) -> HttpCallback:
    endpoint = read_http_endpoint(fields, reading)
    return HttpCallback(endpoint, reading.extension.boolean("asynchronous"))


class SentCallback(CallbackEvaluator):
    def __init__(
        self, spec: HttpCallback, endpoint: HttpEndpoint, room: CallbackRoom, config_id: str
    ) -> None:
        self._asynchronous = spec.asynchronous
        self._endpoint = endpoint
        self._room = room
        self._config_id = config_id

    async def call(self, turn: Turn) -> object:
        prepared = self._endpoint.prepared(turn.document)
        if self._asynchronous:
            self._room.begin(self._config_id, lambda: self._endpoint.send(prepared))
            return None
        response = await self._room.call(
            self._config_id, lambda: self._endpoint.send(prepared, turn.deadline)
        )
        return await content_in_turn(response, turn)


def open_http_callback(spec: HttpCallback, opening: Opening) -> SentCallback:
    endpoint = open_http_endpoint(spec.endpoint, opening)
    return SentCallback(spec, endpoint, opening.services.callbacks, opening.config_id)
