"""Authentication `jwt`: the identity is the claims of a token that its issuer signed.

Verified tokens go to the table of remembered results, which the native lane reads, under this
entry's scope: never beyond their `exp`, and not beyond a change of the issuer's keys.
"""

import hashlib
from dataclasses import dataclass

from cachetools import LRUCache

from _fastpath.remembered import RememberedTable
from _fastpath.rule import CREDENTIAL_MISSING
from authz.entry_reading import Reading
from authz.errors import Unauthenticated, Unavailable
from authz.evaluator import IdentityEvaluator, Turn
from authz.fields import Fields
from authz.jwt.decryption import DecryptionKey, is_envelope, opened, read_decryption_key
from authz.jwt.discovery import ProviderUnavailable, Source
from authz.jwt.trusted_keys import KeySetUrl, KeySource, TrustedKeys
from authz.jwt.verification import Expected, SignatureRefused, Trust, VerifiedToken, verify
from authz.opening import Opening

EXTENSIONS = ("issuer", "audiences", "decryptionKeys")
MOST_REFUSED = 1024  # tokens of one entry that none of the present keys signed


@dataclass(frozen=True, slots=True)
class SecretKey:
    secret: str
    key: str


@dataclass(frozen=True, slots=True)
class JwtSpec:
    """decryption_keys: where the keys are that open encrypted tokens; none: they are refused."""

    keys: KeySource
    expected: Expected
    decryption_keys: tuple[SecretKey, ...] = ()

    @property
    def source(self) -> Source | None:
        """The issuer's discovery document; None for a plain key set."""
        return self.keys if isinstance(self.keys, Source) else None


def read_jwt(fields: Fields, reading: Reading) -> JwtSpec:
    fields.known("issuerUrl", "jwksUrl", "ttl", "timeout", "issuer")
    fields.one_of("issuerUrl", "jwksUrl")
    extension = reading.extension
    issuer = fields.text("issuer") or extension.text("issuer")
    if fields.has("issuer") and extension.text("issuer", issuer) != issuer:
        extension.fault("differs from the field jwt.issuer", "issuer")
    timeout_s = reading.timeout(fields)
    refresh_s = max(fields.integer("ttl"), 0)
    keys: KeySource
    if "jwksUrl" in fields.data:
        keys = KeySetUrl(reading.url(fields, "jwksUrl"), timeout_s)
    else:
        keys = Source.openid(reading.url(fields, "issuerUrl"), issuer, timeout_s, refresh_s)
    audiences = frozenset(extension.texts("audiences"))
    return JwtSpec(keys, Expected(issuer, audiences), _decryption_keys(extension))


def _decryption_keys(extension: Fields) -> tuple[SecretKey, ...]:
    found = []
    for item in extension.items("decryptionKeys"):
        item.known("name", "key")
        found.append(SecretKey(item.required_text("name"), item.required_text("key")))
    return tuple(found)


class JwtIdentity(IdentityEvaluator):
    """scope: of its tokens in the table, for life."""

    def __init__(
        self,
        expected: Expected,
        keys: TrustedKeys,
        table: RememberedTable,
        decryption_keys: tuple[DecryptionKey, ...] = (),
    ) -> None:
        self.scope = table.scope()
        self._expected = expected
        self._keys = keys
        self._table = table
        self._decryption_keys = decryption_keys
        self._refused: LRUCache[bytes, None] = LRUCache(MOST_REFUSED)

    def start(self) -> None:
        self._keys.changed.add(self._forget)
        self._keys.start()

    def close(self) -> None:
        self._keys.changed.discard(self._forget)
        self._keys.close()
        self._table.drop(self.scope)

    def _forget(self) -> None:
        self._table.drop(self.scope)
        self._refused.clear()

    def remembers(self, credential: bytes, wall_ns: int) -> bool:
        """Whether this token is known to be good."""
        return self._table.find(self.scope, credential, wall_ns) is not None

    async def identify(self, turn: Turn, credential: bytes | None) -> object:
        if credential is None:
            raise Unauthenticated(CREDENTIAL_MISSING)
        found = self._table.find(self.scope, credential, turn.wall_ns)
        if found is not None:
            return found.to_python()
        trust, verified = await self._verified(turn, credential)
        # Keys that came meanwhile may not be those that it was verified with.
        if trust is self._keys.trust:
            expires = verified.expires_wall_ns
            self._table.put(self.scope, credential, verified.claims, expires)
        return verified.claims.to_python()

    async def _verified(self, turn: Turn, token: bytes) -> tuple[Trust, VerifiedToken]:
        """And the keys it was verified with. Raises Unauthenticated."""
        # So long as no fetch can bring the key that signed, there is no need to look again.
        if self._refused and _digest(token) in self._refused and not self._keys.renewable:
            raise SignatureRefused
        try:
            trust = await self._keys.get(turn.deadline)
            try:
                return trust, await turn.run(self._judge, token, trust, turn.wall_ns)
            except SignatureRefused:
                renewed = await self._keys.renewed(turn.deadline)
                if renewed is not trust:
                    return renewed, await turn.run(self._judge, token, renewed, turn.wall_ns)
                raise
        except ProviderUnavailable as error:
            raise Unauthenticated(str(error)) from None
        except SignatureRefused:
            self._refused[_digest(token)] = None
            raise

    def _judge(self, token: bytes, trust: Trust, wall_ns: int) -> VerifiedToken:
        """On a worker thread; uses nothing that changes."""
        if self._decryption_keys and is_envelope(token):
            token = opened(token, self._decryption_keys)
        return verify(token, trust, self._expected, wall_ns)


def _digest(token: bytes) -> bytes:
    return hashlib.blake2b(token, digest_size=16).digest()


def open_jwt(spec: JwtSpec, opening: Opening) -> JwtIdentity:
    keys = []
    for place in spec.decryption_keys:
        try:
            keys.append(read_decryption_key(opening.secret(place.secret, place.key)))
        except ValueError as error:
            raise Unavailable(f"Secret {place.secret!r}, key {place.key!r}: {error}") from None
    services = opening.services
    trusted = services.providers.open_keys(spec.keys)
    return JwtIdentity(spec.expected, trusted, services.remembered, tuple(keys))
