"""API keys out of Secrets: which keys belong to which set, kept live in the identity table.

A set is what one selector sees: the keys in the Secrets of a namespace, or of all, whose labels
match. Of two Secrets with the same key the one that came last counts; when it goes the other counts
again.

Secrets are found by label and sets by one label of theirs, so that neither many sets nor many
Secrets make a change of one expensive.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from _fastpath.errors import IdentityTableFull
from _fastpath.identity import IdentityTable
from authz.key_form import Key, KeyForm
from authz.label_index import Label, LabelIndex, index_label
from authz.secret import Secret, SecretId
from authz.selector_match import MANAGED, LabelSelector

PLAIN_FORM = KeyForm()
SetId = tuple[str | None, LabelSelector, KeyForm]
Digests = tuple[bytes, ...]


@dataclass(slots=True)
class _KeySet:
    number: int
    selector: LabelSelector
    namespace: str | None  # None: all namespaces
    form: KeyForm
    users: int = 0
    digests: dict[SecretId, Digests] = field(default_factory=dict)
    holders: dict[bytes, dict[SecretId, None]] = field(default_factory=dict)  # oldest first

    def wants(self, secret: Secret) -> bool:
        here = self.namespace is None or self.namespace == secret.namespace
        return here and self.selector.matches(secret.labels)

    def add(self, secret_id: SecretId, digests: Digests) -> None:
        self.digests[secret_id] = digests
        for digest in digests:
            holders = self.holders.setdefault(digest, {})
            holders.pop(secret_id, None)
            holders[secret_id] = None

    def drop(self, secret_id: SecretId) -> Digests:
        """The digests that the Secret held."""
        digests = self.digests.pop(secret_id, ())
        for digest in digests:
            del self.holders[digest][secret_id]
            if not self.holders[digest]:
                del self.holders[digest]
        return digests


class KeyRing:
    """All Secrets with API keys and the sets that see them. One task changes it.

    managed: a Secret that had these labels and loses them loses its keys.
    """

    def __init__(self, identities: IdentityTable, managed: LabelSelector = MANAGED) -> None:
        self._identities = identities
        self._managed_labels = managed
        self._secrets: LabelIndex[Secret] = LabelIndex()
        self._managed: set[SecretId] = set()
        self._sets: dict[SetId, _KeySet] = {}
        self._sets_by_label: dict[Label | None, dict[SetId, _KeySet]] = {}

    def use(
        self, namespace: str | None, selector: LabelSelector, form: KeyForm = PLAIN_FORM
    ) -> int:
        """The key set of a selector in a namespace, or in all for None; ended by `leave`.

        Raises IdentityTableFull, then there is no such set.
        """
        set_id = namespace, selector, form
        key_set = self._sets.get(set_id) or self._open(set_id)
        key_set.users += 1
        return key_set.number

    def leave(
        self, namespace: str | None, selector: LabelSelector, form: KeyForm = PLAIN_FORM
    ) -> None:
        set_id = namespace, selector, form
        key_set = self._sets[set_id]
        key_set.users -= 1
        if key_set.users == 0:
            self._close(set_id, key_set)

    def put(self, secret: Secret) -> None:
        """Take in a new or changed Secret. Losing the managed labels takes its keys away.

        Raises IdentityTableFull, then neither its old keys nor its new ones work.
        """
        if self._managed_labels.matches(secret.labels):
            self._managed.add(secret.id)
        elif secret.id in self._managed:
            self.remove(secret.id)
            return
        try:
            joined = self._enter(secret)
        except IdentityTableFull:
            self.remove(secret.id)
            joined = self._enter(secret)
        left = [s for s in self._sets_of(secret.id) if s.number not in joined]
        self._secrets.put(secret)
        for key_set, digests in joined.values():
            old = key_set.drop(secret.id)
            key_set.add(secret.id, digests)
            self._settle(key_set, set(old).difference(digests))
        for key_set in left:
            self._part(key_set, secret.id)

    def remove(self, secret_id: SecretId) -> None:
        """Forget a Secret; its keys stop working with the next request."""
        for key_set in self._sets_of(secret_id):
            self._part(key_set, secret_id)
        self._secrets.pop(secret_id)

    def forget(self, secret_id: SecretId) -> None:
        """As `remove`, for a Secret that is gone: a later one of this name starts afresh."""
        self._managed.discard(secret_id)
        self.remove(secret_id)

    def find(self, secret_id: SecretId, selector: LabelSelector) -> Secret | None:
        """The Secret of this name if the selector matches it; any thread."""
        secret = self._secrets.get(secret_id)
        return secret if secret is not None and selector.matches(secret.labels) else None

    def __len__(self) -> int:
        return len(self._secrets)

    # ---- sets

    def _open(self, set_id: SetId) -> _KeySet:
        place, selector, form = set_id
        number = self._identities.key_set(f"{place or '*'}|{selector}|{form}")
        key_set = _KeySet(number, selector, place, form)
        try:
            for secret in self._secrets.matching(place, selector):
                key_set.add(secret.id, self._file(key_set, secret))
        except IdentityTableFull:
            self._revoke(key_set.holders)
            raise
        self._sets[set_id] = key_set
        self._sets_by_label.setdefault(index_label(selector), {})[set_id] = key_set
        return key_set

    def _close(self, set_id: SetId, key_set: _KeySet) -> None:
        del self._sets[set_id]
        label = index_label(key_set.selector)
        del self._sets_by_label[label][set_id]
        if not self._sets_by_label[label]:
            del self._sets_by_label[label]
        self._revoke(key_set.holders)

    def _sets_for(self, labels: Mapping[str, str]) -> Iterator[_KeySet]:
        """Sets that may want a Secret with these labels."""
        for label in (None, *labels.items()):
            yield from self._sets_by_label.get(label, {}).values()

    def _sets_of(self, secret_id: SecretId) -> list[_KeySet]:
        """Sets that have this Secret."""
        secret = self._secrets.get(secret_id)
        if secret is None:
            return []
        return [s for s in self._sets_for(secret.labels) if secret_id in s.digests]

    # ---- keys

    def _enter(self, secret: Secret) -> dict[int, tuple[_KeySet, Digests]]:
        """Put the keys into every set that wants them, or into none."""
        joined: dict[int, tuple[_KeySet, Digests]] = {}
        try:
            for key_set in self._sets_for(secret.labels):
                if key_set.wants(secret):
                    joined[key_set.number] = key_set, self._file(key_set, secret)
        except IdentityTableFull:
            for key_set, digests in joined.values():
                self._settle(key_set, digests)
            raise
        return joined

    def _file(self, key_set: _KeySet, secret: Secret) -> Digests:
        """Put the keys of a Secret into the table, or none of them."""
        digests: dict[bytes, None] = {}
        try:
            for key in key_set.form.keys(secret):
                digests[self._put(key_set, key, secret)] = None
        except IdentityTableFull:
            self._settle(key_set, digests)
            raise
        return tuple(digests)

    def _put(self, key_set: _KeySet, key: Key, secret: Secret) -> bytes:
        return self._identities.put(
            key_set.number,
            key.value,
            key_set.form.identity(secret),
            app_id=key.app_id,
            hashed=key.hashed,
            expires_wall_ns=key.expires_wall_ns,
        )

    def _part(self, key_set: _KeySet, secret_id: SecretId) -> None:
        self._settle(key_set, key_set.drop(secret_id))

    def _settle(self, key_set: _KeySet, digests: Iterable[bytes]) -> None:
        """A digest names its newest holder, and nobody once there is none."""
        for digest in digests:
            holders = key_set.holders.get(digest)
            heir = self._secrets.get(next(reversed(holders))) if holders else None
            if heir is None:
                self._identities.revoke(digest)
                continue
            for key in key_set.form.keys(heir):
                if self._digest(key_set, key) == digest:
                    self._put(key_set, key, heir)

    def _digest(self, key_set: _KeySet, key: Key) -> bytes:
        return self._identities.digest(
            key_set.number, key.value, app_id=key.app_id, hashed=key.hashed
        )

    def _revoke(self, digests: Iterable[bytes]) -> None:
        for digest in digests:
            self._identities.revoke(digest)
