"""Metadata `http`: what another server says, JSON or text.

Like Authorino (reference §2.9) it takes any status, and only objects and null for JSON. `strict` in
the extensions takes any JSON but null, and only of a successful answer, and escapes what a URL's
placeholders take in; `required`, which the pipeline reads, asks for a successful answer and more
than null too.
"""

import json
import re
from dataclasses import dataclass

from authz.entry_reading import Reading
from authz.errors import EvaluatorFailed
from authz.evaluator import MetadataEvaluator, Turn
from authz.evaluators.http_endpoint import (
    HttpEndpoint,
    HttpEndpointSpec,
    open_http_endpoint,
    read_http_endpoint,
)
from authz.fields import Fields
from authz.json_text import read_json
from authz.opening import Opening
from authz.outgoing.message import OutgoingResponse

LARGE_BYTES = 16 * 1024  # reading more than this is left to the worker threads
MOST_DOCUMENTS = 1000  # of a stream
NO_OBJECT = "the answer is not a JSON object"
_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\r\n]*")


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
        if len(response.body) < LARGE_BYTES:
            content = _content(response, self._spec.any_json)
        else:
            content = await turn.run(_content, response, self._spec.any_json)
        if self._spec.success_only and content is None:
            raise EvaluatorFailed("the answer is null")
        return content


def open_http_metadata(spec: HttpMetadata, opening: Opening) -> FetchedMetadata:
    return FetchedMetadata(spec, open_http_endpoint(spec.endpoint, opening))


def _content(response: OutgoingResponse, any_json: bool) -> object:
    if "application/json" not in response.headers.get("content-type", ""):
        return response.body.decode("utf-8", "replace")
    documents = _documents(response.body)
    if not any_json and not all(isinstance(found, dict | None) for found in documents):
        raise EvaluatorFailed(NO_OBJECT)
    if not documents:
        return None
    return documents[0] if len(documents) == 1 else documents


def _documents(body: bytes) -> list[object]:
    """The documents of a stream of JSON, nearly always one. Raises EvaluatorFailed."""
    try:
        return [read_json(body)]
    except ValueError as error:
        pieces = _pieces(body)
        if len(pieces) == 1:
            raise EvaluatorFailed(str(error)) from error
    try:
        return [read_json(piece) for piece in pieces]
    except ValueError as error:
        raise EvaluatorFailed(str(error)) from error


def _pieces(body: bytes) -> list[bytes]:
    """Where one document ends and the next begins; what is no JSON stays in one piece."""
    pieces: list[bytes] = []
    try:
        text = body.decode()
        at = _past_space(text, 0)
        while at < len(text) and len(pieces) < MOST_DOCUMENTS:
            _, end = _DECODER.raw_decode(text, at)
            pieces.append(text[at:end].encode())
            at = _past_space(text, end)
    except (ValueError, RecursionError):
        return [body]
    return pieces if at == len(text) else [body]


def _past_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at
