"""What another server's answer is as a value: its JSON, or its text.

As with Authorino (reference §2.9) a content type with `application/json` is a stream of JSON
objects: one is the value, several make a list.
"""

import json
import re

from authz.errors import EvaluatorFailed
from authz.evaluator import Turn
from authz.json_text import read_json
from authz.outgoing.message import OutgoingResponse

LARGE_BYTES = 16 * 1024  # reading more than this is left to the worker threads
MOST_DOCUMENTS = 1000  # of a stream
NO_OBJECT = "the answer is not a JSON object"
_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\r\n]*")


async def content_in_turn(
    response: OutgoingResponse, turn: Turn, *, any_json: bool = False
) -> object:
    """any_json: arrays and scalars too. Raises errors.EvaluatorFailed."""
    if len(response.body) < LARGE_BYTES:
        return _content(response, any_json)
    return await turn.run(_content, response, any_json)


def _content(response: OutgoingResponse, any_json: bool) -> object:
    if "application/json" not in response.headers.get("content-type", ""):
        return response.body.decode("utf-8", "replace")
    documents = _documents(response.body)
    if not any_json and not all(isinstance(found, dict | None) for found in documents):
        raise EvaluatorFailed(NO_OBJECT)
    if not documents:
        raise EvaluatorFailed("the answer is empty")
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
