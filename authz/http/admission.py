"""Kubernetes admission webhooks: an AdmissionReview in, an AdmissionReview out.

The answer to one is always HTTP 200, which any proxy would take for a yes. So only a request that
came straight from an API server is read as one.
"""

import msgspec

from _fastpath.rpc import Status
from authz.http.answer import HTTP_STATUSES, JSON, OTHERWISE, HttpAnswer
from authz.http.forwarded import CHECK, passed_a_proxy
from authz.http.request import HttpRequest

VERSION = "admission.k8s.io/v1"
KIND = "AdmissionReview"


class _Request(msgspec.Struct):
    uid: str = ""


class _Review(msgspec.Struct):
    apiVersion: str
    kind: str
    request: _Request


def review_uid(request: HttpRequest) -> str | None:
    """The uid of the AdmissionReview that a request to `/check` carries, None when it has none."""
    if request.path != CHECK or passed_a_proxy([name for name, _ in request.headers]):
        return None
    try:
        review = msgspec.json.decode(request.body, type=_Review)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return review.request.uid if (review.apiVersion, review.kind) == (VERSION, KIND) else None


def review_answer(uid: str, answer: HttpAnswer) -> HttpAnswer:
    """The AdmissionReview that tells the API server of a decision."""
    response: dict[str, object] = {"uid": uid, "allowed": answer.code is Status.OK}
    if answer.code is not Status.OK:
        response["status"] = {
            "metadata": {},
            "message": answer.reason,
            "code": HTTP_STATUSES.get(answer.code, OTHERWISE),
        }
    review = {"kind": KIND, "apiVersion": VERSION, "response": response}
    body = msgspec.json.encode(review).decode()
    return HttpAnswer(200, (("Content-Type", JSON),), body, answer.code)
