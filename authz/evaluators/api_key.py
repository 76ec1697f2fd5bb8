"""Authentication `apiKey`: the credential is the `api_key` of a Secret that a selector matches.

The identity is that Secret. Keys are found by digest in the identity table, which both lanes share
(Authorino scans all Secrets and compares texts; reference §2.2).

Extensions: `keyNames`, the names of the values that hold keys; `appId`, where a request brings the
id that belongs to its key; `withoutData`, which keeps the Secret's values out of the identity;
`signature`, with which requests are signed instead (signed_request.py).
"""

from dataclasses import dataclass

from _fastpath.errors import IdentityTableFull
from _fastpath.rule import CREDENTIAL_MISSING, KEY_INVALID
from _fastpath.rule_spec import Credential
from authz.entry_reading import Reading
from authz.errors import Unauthenticated, Unavailable
from authz.evaluator import IdentityEvaluator, Turn
from authz.evaluators.signed_request import (
    SignedRequest,
    SignedRequestIdentity,
    read_signed_request,
)
from authz.fields import Fields
from authz.key_form import KEY, PAIRED_KEY, KeyForm
from authz.opening import Opening
from authz.selector_match import LabelSelector
from authz.services import Services

API_KEY_EXTENSIONS = ("keyNames", "appId", "withoutData", "signature")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """app_id: where the id is that has to come with the key, if one has to."""

    selector: LabelSelector
    all_namespaces: bool
    form: KeyForm
    app_id: Credential | None


def read_api_key(fields: Fields, reading: Reading) -> ApiKey | SignedRequest:
    fields.known("selector", "allNamespaces")
    if not fields.has("selector"):
        fields.fault("is required", "selector")
    selector = reading.label_selector(fields.group("selector"))
    extension = reading.extension
    app_id = None
    if extension.has("appId"):
        app_id, _ = reading.credential(extension.group("appId"))
    names = extension.texts("keyNames") or (KEY if app_id is None else PAIRED_KEY,)
    form = KeyForm(names, app_id is not None, extension.boolean("withoutData"))
    all_namespaces = fields.boolean("allNamespaces")
    if extension.has("signature"):
        return read_signed_request(extension, selector, all_namespaces, form)
    return ApiKey(selector, all_namespaces, form, app_id)


class ApiKeyIdentity(IdentityEvaluator):
    """key_set: the number of its set in the identity table."""

    def __init__(self, spec: ApiKey, namespace: str, services: Services) -> None:
        self._place = None if spec.all_namespaces else namespace, spec.selector, spec.form
        self._app_id = spec.app_id
        self._services = services
        try:
            self.key_set = services.keys.use(*self._place)
        except IdentityTableFull as error:
            raise Unavailable(str(error)) from error

    async def identify(self, turn: Turn, credential: bytes | None) -> object:
        app_id: bytes | None = b""
        if self._app_id is not None:
            app_id = turn.request.credential(self._app_id.place, self._app_id.name)
        if credential is None or app_id is None:
            raise Unauthenticated(CREDENTIAL_MISSING)
        identities = self._services.identities
        found = identities.find(self.key_set, credential, turn.wall_ns, app_id=app_id)
        if found is None:
            raise Unauthenticated(KEY_INVALID)
        return found.to_python()

    def close(self) -> None:
        self._services.keys.leave(*self._place)


def open_api_key(spec: ApiKey | SignedRequest, opening: Opening) -> IdentityEvaluator:
    if isinstance(spec, SignedRequest):
        return SignedRequestIdentity(spec, opening.namespace, opening.services.keys)
    return ApiKeyIdentity(spec, opening.namespace, opening.services)


def api_key_challenge(spec: ApiKey | SignedRequest) -> str | None:
    return "Signature" if isinstance(spec, SignedRequest) else None
