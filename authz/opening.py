"""What an evaluator is given when it is made for one entry of one AuthConfig."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from authz.errors import Unavailable
from authz.secret import SecretId
from authz.services import Services


@dataclass(slots=True)
class Opening:
    """specs: of the authentication entries by name. Used by the task that changes the
    configuration; evaluators are started and closed on the event loop later."""

    config_id: str
    namespace: str
    entry: str
    services: Services
    specs: Mapping[str, object]
    used: dict[SecretId, bytes] = field(default_factory=dict, repr=False)

    def secret(self, name: str, key: str) -> bytes:
        """A value of a Secret in the AuthConfig's namespace; whenever that Secret comes, changes
        or goes the AuthConfig is opened anew. Raises errors.Unavailable when it is missing."""
        values = self.secret_values(name)
        if key not in values:
            raise Unavailable(f"Secret {name!r} has no key {key!r}")
        return values[key]

    def secret_values(self, name: str) -> Mapping[str, bytes]:
        """As `secret`, all values."""
        secret_id = self.namespace, name
        values = self.services.secrets.get(*secret_id)
        self.used[secret_id] = _digest(values or {})
        if values is None:
            raise Unavailable(f"Secret {name!r} does not exist in namespace {self.namespace!r}")
        return values


def _digest(values: Mapping[str, bytes]) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(values):
        for part in (name.encode(), values[name]):
            digest.update(len(part).to_bytes(8, "little") + part)
    return digest.digest()
