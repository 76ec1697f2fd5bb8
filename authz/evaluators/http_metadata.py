"""Metadata `http`: what another server says, JSON or text.

Like Authorino (reference §2.9) it takes any status, and only objects and null for JSON. `strict` in
the extensions takes any JSON but null, and only of a successful answer, and escapes what a URL's
placeholders take in; `required`, which the pipeline reads, asks for a successful answer and more
than null too.
"""

from dataclasses import dataclass

from authz.entry_reading import Reading
from authz.errors import EvaluatorFailed
from authz.evaluator import MetadataEvaluator, Turn
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
class HttpMetadata:
    """any_json: arrays and scalars too. success_only: an error status or null is a failure."""

    endpoint: HttpEndpointSpec
    any_json: bool
    success_only: bool


def read_http_metadata(fields: Fields, reading: Reading) -> HttpMetadata:
    strict = reading.extension.boolean("strict")
    required = reading.extension.boolean("required")
    endpoint = read_http_endpoint(fields, reading, escape=strict)
    return HttpMetadata(endpoint, any_json=strict, success_only=strict or required)


class FetchedMetadata(MetadataEvaluator):
    def __init__(self, spec: HttpMetadata, endpoint: HttpEndpoint) -> None:
        self._spec = spec
        self._endpoint = endpoint

    async def fetch(self, turn: Turn) -> object:
        prepared = self._endpoint.prepared(turn.document)
        response = await self._endpoint.fetched(prepared, turn.deadline)
        if self._spec.success_only and not 200 <= response.status < 300:
            raise EvaluatorFailed(f"status {response.status}")
        content = await content_in_turn(response, turn, any_json=self._spec.any_json)
        if self._spec.success_only and content is None:
            raise EvaluatorFailed("the answer is null")
        return content


def open_http_metadata(spec: HttpMetadata, opening: Opening) -> FetchedMetadata:
    return FetchedMetadata(spec, open_http_endpoint(spec.endpoint, opening))
