"""Tokens as they come with requests, verified once for all entries that accept the same.

Verified ones go to the table of remembered results, which the native lane reads: never beyond
their `exp`, and not beyond a change of the issuer's keys.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from cachetools import LRUCache

from _fastpath.remembered import RememberedTable
from authz.errors import Unauthenticated
from authz.evaluator import Turn
from authz.jwt.decryption import DecryptionKey, is_envelope, opened
from authz.jwt.discovery import KeysUnavailable, ProviderUnavailable
from authz.jwt.providers import Providers
from authz.jwt.shared import Shared
from authz.jwt.trusted_keys import KeySource, TrustedKeys
from authz.jwt.verification import (
    Expected,
    SignatureRefused,
    Trust,
    VerifiedToken,
    read_valid,
    verify,
)

MOST_REFUSED = 1024  # tokens that none of the present keys signed


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What makes a token good. decryption_keys: for encrypted ones, which are refused without."""

    keys: KeySource
    expected: Expected
    decryption_keys: tuple[DecryptionKey, ...] = ()


class TokenVerifier:
    """Made by TokenVerifiers, which counts who uses it. scope: of its tokens in the table."""

    def __init__(
        self,
        acceptance: Acceptance,
        keys: TrustedKeys,
        table: RememberedTable,
        released: Callable[[], None],
    ) -> None:
        self.scope = table.scope()
        self._acceptance = acceptance
        self._keys = keys
        self._table = table
        self._released = released
        self._refused: LRUCache[bytes, None] = LRUCache(MOST_REFUSED)
        keys.changed.add(self._forget)

    def start(self) -> None:
        """Fetch keys in the background from now on; another time this does nothing."""
        self._keys.start()

    def close(self) -> None:
        """The evaluator that opened it does not need it any more."""
        self._released()

    def end(self) -> None:
        """Nobody uses it any more."""
        self._keys.changed.discard(self._forget)
        self._keys.close()
        self._table.drop(self.scope)

    def _forget(self) -> None:
        self._table.drop(self.scope)
        self._refused.clear()

    def remembers(self, token: bytes, wall_ns: int) -> bool:
        """Whether this token is known to be good."""
        return self._table.find(self.scope, token, wall_ns) is not None

    async def claims(self, turn: Turn, token: bytes) -> object:
        """In JSON form. Raises Unauthenticated."""
        found = self._table.find(self.scope, token, turn.wall_ns)
        if found is not None:
            return found.to_python()
        trust, verified = await self._verified(turn, token)
        # Keys that came meanwhile may not be those that it was verified with.
        if trust is self._keys.trust:
            self._table.put(self.scope, token, verified.claims, verified.expires_wall_ns)
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
        except KeysUnavailable as error:
            # What is wrong with the token itself comes first, as if there were keys.
            await turn.run(self._read, token, turn.wall_ns)
            raise Unauthenticated(str(error)) from None
        except ProviderUnavailable as error:
            raise Unauthenticated(str(error)) from None
        except SignatureRefused:
            self._refused[_digest(token)] = None
            raise

    def _judge(self, token: bytes, trust: Trust, wall_ns: int) -> VerifiedToken:
        """On a worker thread; uses nothing that changes."""
        return verify(self._opened(token), trust, self._acceptance.expected, wall_ns)

    def _read(self, token: bytes, wall_ns: int) -> None:
        """As `_judge`, without keys. Raises Unauthenticated."""
        read_valid(self._opened(token), self._acceptance.expected, wall_ns)

    def _opened(self, token: bytes) -> bytes:
        keys = self._acceptance.decryption_keys
        return opened(token, keys) if keys and is_envelope(token) else token


class TokenVerifiers:
    """One per process. Whoever opens closes what it got, once, on the event loop."""

    def __init__(self, providers: Providers, table: RememberedTable) -> None:
        self._providers = providers
        self._table = table
        self._verifiers: Shared[Acceptance, TokenVerifier] = Shared(self._made)

    def open(self, acceptance: Acceptance) -> TokenVerifier:
        return self._verifiers.open(acceptance)

    def _made(self, acceptance: Acceptance, released: Callable[[], None]) -> TokenVerifier:
        keys = self._providers.open_keys(acceptance.keys)
        return TokenVerifier(acceptance, keys, self._table, released)


def _digest(token: bytes) -> bytes:
    return hashlib.blake2b(token, digest_size=16).digest()
