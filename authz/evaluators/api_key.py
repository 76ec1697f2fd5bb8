"""Authentication `apiKey`: the credential is the `api_key` of a Secret that a selector matches.

The identity is that Secret. Keys are found by digest in the identity table, which both lanes share
(Authorino scans all Secrets and compares texts; reference §2.2).
"""

from dataclasses import dataclass

from _fastpath.errors import IdentityTableFull
from _fastpath.rule import CREDENTIAL_MISSING, KEY_INVALID
from authz.entry_reading import Reading
from authz.errors import Unauthenticated, Unavailable
from authz.evaluator import IdentityEvaluator, Turn
from authz.fields import Fields
from authz.opening import Opening
from authz.selector_match import LabelSelector
from authz.services import Services


@dataclass(frozen=True, slots=True)
class ApiKey:
    selector: LabelSelector
    all_namespaces: bool


def read_api_key(fields: Fields, reading: Reading) -> ApiKey:
    fields.known("selector", "allNamespaces")
    if not fields.has("selector"):
        fields.fault("is required", "selector")
    selector = reading.label_selector(fields.group("selector"))
    return ApiKey(selector, fields.boolean("allNamespaces"))


class ApiKeyIdentity(IdentityEvaluator):
    """key_set: the number of its set in the identity table."""

    def __init__(self, spec: ApiKey, namespace: str, services: Services) -> None:
        self._place = None if spec.all_namespaces else namespace, spec.selector
        self._services = services
        try:
            self.key_set = services.keys.use(*self._place)
        except IdentityTableFull as error:
            raise Unavailable(str(error)) from error

    async def identify(self, turn: Turn, credential: bytes | None) -> object:
        if credential is None:
            raise Unauthenticated(CREDENTIAL_MISSING)
        found = self._services.identities.find(self.key_set, credential)
        if found is None:
            raise Unauthenticated(KEY_INVALID)
        return found.to_python()

    def close(self) -> None:
        self._services.keys.leave(*self._place)


def open_api_key(spec: ApiKey, opening: Opening) -> ApiKeyIdentity:
    return ApiKeyIdentity(spec, opening.namespace, opening.services)
