"""Authorization `kubernetesSubjectAccessReview`: Kubernetes' own RBAC says whether a user may.

Without resource attributes it is asked for the request's path and method, else for the resource.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from authz.entry_reading import Reading
from authz.errors import Denied, Unavailable
from authz.evaluator import AuthorizationEvaluator, Turn
from authz.evaluators.token_review import NOT_CONFIGURED
from authz.fields import Fields
from authz.json_text import read_json
from authz.kubernetes_api import KubernetesApi, KubernetesFailed
from authz.opening import Opening
from authz.resolution import resolved, resolved_text
from authz.value import Value

RESOURCE = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
ATTRIBUTES = ("namespace", "group", "resource", "name", "subresource", "verb")
GROUPS_NO_LIST = "authorizationGroups: expected a list of strings"


@dataclass(frozen=True, slots=True)
class SubjectAccessReview:
    """groups: a value that is a list, or names. attributes: by their name in the API; None for the
    path and method of the request. ignore_query: the path without what follows its `?`."""

    user: Value | None
    groups: Value | tuple[str, ...]
    attributes: Mapping[str, Value] | None
    timeout_s: float | None
    ignore_query: bool


def read_subject_access_review(fields: Fields, reading: Reading) -> SubjectAccessReview:
    fields.known("user", "groups", "authorizationGroups", "resourceAttributes", "timeout")
    if not any(fields.has(name) for name in ("user", "groups", "authorizationGroups")):
        fields.fault("expected at least one of user, groups, authorizationGroups")
    if fields.data.get("groups") == []:
        fields.fault("expected at least one group", "groups")
    groups: Value | tuple[str, ...] = fields.texts("groups")
    if fields.has("authorizationGroups"):
        groups = reading.value(fields.group("authorizationGroups"))
    attributes = None
    if fields.has("resourceAttributes"):
        fields.group("resourceAttributes").known(*ATTRIBUTES)
        attributes = reading.values(fields, "resourceAttributes")
    return SubjectAccessReview(
        reading.value(fields.group("user")) if fields.has("user") else None,
        groups,
        attributes,
        reading.timeout(fields),
        reading.extension.boolean("ignoreQuery"),
    )


class ReviewedAccess(AuthorizationEvaluator):
    def __init__(self, spec: SubjectAccessReview, kubernetes: KubernetesApi) -> None:
        self._spec = spec
        self._kubernetes = kubernetes

    def start(self) -> None:
        self._kubernetes.start()

    async def authorize(self, turn: Turn) -> object:
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": _asked(self._spec, turn.document),
        }
        try:
            status = await self._kubernetes.review(RESOURCE, review, self._spec.timeout_s)
        except KubernetesFailed as error:
            raise Denied(str(error)) from error
        if status.get("allowed") is not True or status.get("denied") is True:
            raise Denied(f"not authorized: {status.get('reason') or 'unknown reason'}")
        return True


def _asked(spec: SubjectAccessReview, document: Mapping[str, object]) -> dict[str, object]:
    """The review's spec; parts that are empty are left out, as Kubernetes' clients do."""
    asked: dict[str, object] = {"groups": _groups(spec.groups, document)}
    if spec.user is not None:
        asked["user"] = resolved_text(spec.user, document, Denied)
    if spec.attributes is None:
        asked["nonResourceAttributes"] = _of_request(document, ignore_query=spec.ignore_query)
    else:
        texts = {
            name: resolved_text(value, document, Denied) for name, value in spec.attributes.items()
        }
        asked["resourceAttributes"] = {name: text for name, text in texts.items() if text}
    return {name: part for name, part in asked.items() if part not in ("", [])}


def _of_request(document: Mapping[str, object], *, ignore_query: bool) -> dict[str, str]:
    request = document.get("request")
    members = request if isinstance(request, dict) else {}
    path, method = str(members.get("path", "")), str(members.get("method", ""))
    return {"path": path.partition("?")[0] if ignore_query else path, "verb": method.lower()}


def _groups(groups: Value | tuple[str, ...], document: Mapping[str, object]) -> list[str]:
    """A list, or the text of one: what a selector finds in a header is text."""
    if isinstance(groups, tuple):
        return list(groups)
    found = resolved(groups, document, Denied)
    if isinstance(found, str):
        try:
            found = read_json(found.encode())
        except ValueError:
            raise Denied(GROUPS_NO_LIST) from None
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise Denied(GROUPS_NO_LIST)
    return found


def open_subject_access_review(spec: SubjectAccessReview, opening: Opening) -> ReviewedAccess:
    kubernetes = opening.services.kubernetes
    if not kubernetes.is_configured():
        raise Unavailable(NOT_CONFIGURED)
    return ReviewedAccess(spec, kubernetes)
