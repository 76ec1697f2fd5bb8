"""Key sets of issuers (RFC 7517 §5): which public keys may have signed a token."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.exceptions import PyJWTError

from authz.json_text import read_json
from authz.jwt.algorithms import ALGORITHMS
from authz.jwt.token import Header

log = logging.getLogger(__name__)

MOST_KEYS = 64
RSA_BITS = range(2048, 8192 + 1)  # RFC 7518 §3.3; past it a signature costs milliseconds
_PUBLIC_MEMBERS = ("kty", "crv", "n", "e", "x", "y")
_PRIVATE_MEMBERS = ("d", "k")


@dataclass(frozen=True, slots=True)
class Key:
    """algorithms: what it may verify; one name when the key itself says which. members: the public
    ones of the JWK, which tell equal keys."""

    id: str
    algorithms: frozenset[str]
    members: tuple[tuple[str, str], ...]
    public: Any = field(repr=False, compare=False)

    def verified(self, algorithm: str, signed: bytes, signature: bytes) -> bool:
        return ALGORITHMS[algorithm].check.verify(signed, self.public, signature)


@dataclass(frozen=True, slots=True)
class KeySet:
    """Equal sets verify the same tokens."""

    keys: tuple[Key, ...]

    @property
    def algorithms(self) -> tuple[str, ...]:
        """All that the keys are for."""
        return tuple(name for name in ALGORITHMS if any(name in k.algorithms for k in self.keys))

    def verified(self, header: Header, signed: bytes, signature: bytes) -> bool:
        """Whether a key of the header's `kid` signed; without `kid`, any key of its kind."""
        return any(
            header.algorithm in key.algorithms
            and header.key_id in (None, key.id)
            and key.verified(header.algorithm, signed, signature)
            for key in self.keys
        )


def read_key_set(body: bytes) -> KeySet:
    """The keys of a JWKS document that can verify signatures; all others are passed over and
    logged (RFC 7517 §5). Raises ValueError for what is no key set or has more than MOST_KEYS."""
    document = read_json(body)
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list):
        raise ValueError("expected a key set, an object with a list of keys")
    if len(keys) > MOST_KEYS:
        raise ValueError(f"more than {MOST_KEYS} keys")
    found = []
    for index, member in enumerate(keys):
        try:
            found.append(_read_key(member))
        except ValueError as error:
            log.debug("keys[%d] of a key set is passed over: %s", index, error)
    return KeySet(tuple(found))


def _read_key(member: object) -> Key:
    """Raises ValueError for every key that is not to be used."""
    if not isinstance(member, dict):
        raise ValueError("not an object")
    if any(name in member for name in _PRIVATE_MEMBERS):
        raise ValueError("a published private or shared key proves nothing")
    if member.get("use", "sig") != "sig":
        raise ValueError("not for signatures")
    operations = member.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        raise ValueError("not for verifying")
    key_id = member.get("kid", "")
    if not isinstance(key_id, str):
        raise ValueError("kid is no string")
    algorithms = _algorithms(member)
    members = {name: member[name] for name in _PUBLIC_MEMBERS if name in member}
    if not all(isinstance(value, str) for value in members.values()):
        raise ValueError("a member of the key is no string")
    try:
        public = ALGORITHMS[min(algorithms)].check.from_jwk(members)
    except (PyJWTError, ValueError, TypeError, KeyError, UnsupportedAlgorithm):
        raise ValueError("the key is malformed") from None
    if isinstance(public, RSAPublicKey) and public.key_size not in RSA_BITS:
        raise ValueError(f"expected an RSA key of {RSA_BITS[0]} to {RSA_BITS[-1]} bits")
    return Key(key_id, algorithms, tuple(sorted(members.items())), public)


def _algorithms(member: Mapping[str, object]) -> frozenset[str]:
    kind, curve = member.get("kty"), member.get("crv")
    suited = frozenset(
        row.name
        for row in ALGORITHMS.values()
        if row.key_type == kind and (not row.curves or curve in row.curves)
    )
    named = member.get("alg")
    if named is not None:
        suited = frozenset(name for name in suited if name == named)
    if not suited:
        raise ValueError("no known algorithm suits the key")
    return suited
