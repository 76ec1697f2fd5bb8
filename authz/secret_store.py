"""The Secrets that evaluators read: passwords of clients, shared secrets, certificates, keys."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from authz.label_index import Label, LabelIndex, index_label
from authz.secret import Secret
from authz.selector_match import LabelSelector


@dataclass(frozen=True, slots=True, eq=False)
class Watch:
    """changed: called when one of these Secrets comes, changes or goes, by the task that changes
    the configuration."""

    namespace: str | None
    selector: LabelSelector
    changed: Callable[[], None] = field(repr=False)

    def wants(self, secret: Secret) -> bool:
        here = self.namespace in (None, secret.namespace)
        return here and self.selector.matches(secret.labels)


class SecretStore:
    """All Secrets of the configuration. One task changes it; any may `get`."""

    def __init__(self) -> None:
        self._secrets: LabelIndex[Secret] = LabelIndex()
        self._watches: dict[Label | None, dict[Watch, None]] = {}

    def put(self, secret: Secret) -> bool:
        """Take in a Secret; True when its labels, values or their expiries are different now."""
        before = self._secrets.get(secret.id)
        if before == secret:
            return False
        self._secrets.put(secret)
        self._tell(secret if before is None else before, secret)
        return True

    def remove(self, namespace: str, name: str) -> None:
        gone = self._secrets.pop((namespace, name))
        if gone is not None:
            self._tell(gone)

    def get(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        secret = self._secrets.get((namespace, name))
        return None if secret is None else secret.values

    def matching(self, namespace: str | None, selector: LabelSelector) -> list[Secret]:
        """Secrets of a namespace, or of all for None, with fitting labels; oldest first."""
        return self._secrets.matching(namespace, selector)

    def watch(
        self, namespace: str | None, selector: LabelSelector, changed: Callable[[], None]
    ) -> Watch:
        """Have `changed` called until `unwatch`."""
        watch = Watch(namespace, selector, changed)
        self._watches.setdefault(index_label(selector), {})[watch] = None
        return watch

    def unwatch(self, watch: Watch) -> None:
        label = index_label(watch.selector)
        del self._watches[label][watch]
        if not self._watches[label]:
            del self._watches[label]

    def _tell(self, *versions: Secret) -> None:
        labels = {label for secret in versions for label in secret.labels.items()}
        for label in (None, *labels):
            for watch in list(self._watches.get(label, ())):
                if any(map(watch.wants, versions)):
                    watch.changed()
