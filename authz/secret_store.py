"""The Secrets that evaluators read: passwords of clients, shared secrets, certificates, keys."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field

from authz.secret import SecretId
from authz.selector_match import LabelSelector


@dataclass(frozen=True, slots=True)
class Secret:
    """`values` are decoded and appear in no repr."""

    namespace: str
    name: str
    labels: Mapping[str, str]
    values: Mapping[str, bytes] = field(repr=False)


class SecretStore:
    """All Secrets of the configuration. One task changes it; any may read.

    changes: counts up with every change, for those who keep what they made of Secrets.
    """

    def __init__(self) -> None:
        self._secrets: dict[SecretId, Secret] = {}
        self.changes = 0

    def put(
        self, namespace: str, name: str, labels: Mapping[str, str], data: Mapping[str, str]
    ) -> bool:
        """Take in a Secret whose `data` is base64; True when it is different now."""
        values = {key: base64.b64decode(value) for key, value in data.items()}
        secret = Secret(namespace, name, labels, values)
        if self._secrets.get((namespace, name)) == secret:
            return False
        self._secrets[namespace, name] = secret
        self.changes += 1
        return True

    def remove(self, namespace: str, name: str) -> None:
        if self._secrets.pop((namespace, name), None) is not None:
            self.changes += 1

    def get(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        secret = self._secrets.get((namespace, name))
        return None if secret is None else secret.values

    def matching(self, namespace: str | None, selector: LabelSelector) -> list[Secret]:
        """Secrets of a namespace, or of all for None, with fitting labels; oldest first."""
        return [
            secret
            for secret in list(self._secrets.values())
            if namespace in (None, secret.namespace) and selector.matches(secret.labels)
        ]
