"""A line for each request of Check and one for its answer, under Authorino's names (reference §8).

Neither headers, bodies, queries, credentials nor identities are in them. What a caller sent is cut.
"""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from _fastpath.check_codec import CheckRequest
from _fastpath.rpc import Status
from authz.answers import Verdict
from authz.http.answer import http_answer_of
from authz.step import Step

SERVICE = "authorino.service.auth"
PHASES = {
    "authentication": "identity",
    "metadata": "metadata",
    "authorization": "authorization",
    "response": "response",
    "callbacks": "callbacks",
}
MOST_CHARACTERS = 1024  # of a text of the caller or of an answer

logger = logging.getLogger(SERVICE)


class RequestLog:
    """At level info; what each evaluator did, at level debug."""

    def incoming(self, request: CheckRequest) -> str:
        """Tell of a request; gives its id."""
        attributes: Mapping[str, Any] = request.attributes()
        http, context = attributes["request"], attributes["context"]
        request_id = _cut(http.get("id"))
        told = {
            "id": request_id,
            "method": _cut(http.get("method")),
            "path": _cut(str(http.get("path", "")).partition("?")[0]),
            "host": _cut(http.get("host")),
            "scheme": _cut(http.get("scheme")),
        }
        peers = {side: _address(context.get(side)) for side in ("source", "destination")}
        fields = {"request id": request_id, "object": {**peers, "request": {"http": told}}}
        logger.info("incoming authorization request", extra={"fields": fields})
        return request_id

    def outgoing(self, request_id: str, steps: Iterable[Step], verdict: Verdict) -> None:
        """Tell of what the evaluators did, and of the answer."""
        self._evaluated(request_id, steps)
        authorized = verdict.status is Status.OK
        fields: dict[str, object] = {
            "request id": request_id,
            "authorized": authorized,
            "response": verdict.status.name,
        }
        if not authorized:
            answer = http_answer_of(verdict.answer)
            fields["object"] = {
                "code": int(verdict.status),
                "status": answer.status,
                "message": _cut(answer.reason),
            }
        logger.info("outgoing authorization response", extra={"fields": fields})

    def _evaluated(self, request_id: str, steps: Iterable[Step]) -> None:
        for step in steps:
            fields = {
                "request id": request_id,
                "evaluator": step.entry.name,
                "type": step.entry.kind.label,
                "milliseconds": round((step.ended_ns - step.began_ns) / 1e6, 3),
            }
            if step.reason:
                fields["reason"] = _cut(step.reason)
            if step.remembered:
                fields["remembered"] = True
            place = logging.getLogger(f"{SERVICE}.authpipeline.{PHASES[step.phase]}")
            place.debug("evaluator %s", step.outcome, extra={"fields": fields})


def _address(peer: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Without its certificate, labels and principal."""
    return {"address": _whole(peer["address"])} if peer and "address" in peer else {}


def _whole(value: object) -> object:
    """Ports without a fraction; numbers of the document have one."""
    if isinstance(value, Mapping):
        return {name: _whole(part) for name, part in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _cut(text: object) -> str:
    return str(text or "")[:MOST_CHARACTERS]
