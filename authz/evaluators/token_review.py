"""Authentication `kubernetesTokenReview`: the API server tells whose service account token it is.

The identity is the review's status.
"""

from dataclasses import dataclass

from _fastpath.rule import CREDENTIAL_MISSING
from authz.entry_reading import Reading
from authz.errors import Unauthenticated, Unavailable
from authz.evaluator import IdentityEvaluator, Turn
from authz.fields import Fields
from authz.kubernetes_api import KubernetesApi, KubernetesFailed
from authz.oauth_client import token_text
from authz.opening import Opening
from authz.value import HostAndValue, Value, host_of

RESOURCE = "/apis/authentication.k8s.io/v1/tokenreviews"
NOT_AUTHENTICATED = "not authenticated"
NOT_CONFIGURED = "no Kubernetes API server is configured: no KUBECONFIG, no service account"


@dataclass(frozen=True, slots=True)
class TokenReview:
    """audiences: empty for the host of the request, with its port."""

    audiences: tuple[str, ...]
    timeout_s: float | None


def read_token_review(fields: Fields, reading: Reading) -> TokenReview:
    fields.known("audiences", "timeout")
    return TokenReview(fields.texts("audiences"), reading.timeout(fields))


def review_key(spec: TokenReview, key: Value) -> Value:
    """Without audiences the host decides."""
    return key if spec.audiences else HostAndValue(key)


class ReviewedIdentity(IdentityEvaluator):
    def __init__(self, spec: TokenReview, kubernetes: KubernetesApi) -> None:
        self._spec = spec
        self._kubernetes = kubernetes

    def start(self) -> None:
        self._kubernetes.start()

    async def identify(self, turn: Turn, credential: bytes | None) -> object:
        if credential is None:
            raise Unauthenticated(CREDENTIAL_MISSING)
        audiences = self._spec.audiences or (host_of(turn.document),)
        try:
            token = token_text(credential)
        except ValueError:
            raise Unauthenticated(NOT_AUTHENTICATED) from None
        review = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token, "audiences": audiences},
        }
        try:
            status = await self._kubernetes.review(RESOURCE, review, self._spec.timeout_s)
        except KubernetesFailed as error:
            raise Unauthenticated(str(error)) from error
        if status.get("authenticated") is not True or not _meant(status, audiences):
            raise Unauthenticated(NOT_AUTHENTICATED)
        return dict(status)


def _meant(status: object, audiences: tuple[str, ...]) -> bool:
    """Whether the token is for one of these. An authenticator that knows no audiences names none,
    and then it is for the API server alone, as TokenReviewStatus has it."""
    named = status.get("audiences") if isinstance(status, dict) else None
    return isinstance(named, list) and any(name in audiences for name in named)


def open_token_review(spec: TokenReview, opening: Opening) -> ReviewedIdentity:
    kubernetes = opening.services.kubernetes
    if not kubernetes.is_configured():
        raise Unavailable(NOT_CONFIGURED)
    return ReviewedIdentity(spec, kubernetes)
