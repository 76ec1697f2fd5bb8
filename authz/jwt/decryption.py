"""Tokens inside an encrypted envelope (RFC 7516 §3.1, JWE), opened with python-jose.

Only encryption that authenticates in one step is taken: with CBC a caller could learn from the time
of a refusal how far decryption came. Compressed envelopes are refused: a small one could become a
giant.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jose import jwe
from jose.exceptions import JOSEError
from jwt.algorithms import RSAAlgorithm
from jwt.exceptions import PyJWTError

from authz.errors import Unauthenticated
from authz.json_text import read_json
from authz.jwt.key_set import RSA_BITS
from authz.jwt.token import MOST_HEADER_BYTES, MOST_TOKEN_BYTES, decode_segment
from authz.jwt.token_json import read_object

RSA_ALGORITHMS = frozenset({"RSA-OAEP", "RSA-OAEP-256"})
SHARED_ALGORITHMS = {
    16: frozenset({"dir", "A128KW"}),
    24: frozenset({"dir", "A192KW"}),
    32: frozenset({"dir", "A256KW"}),
}
CONTENT_ALGORITHMS = frozenset({"A128GCM", "A192GCM", "A256GCM"})
VECTOR_BYTES, TAG_BYTES = 12, 16  # RFC 7518 §5.3
_DOTS = 4
_EXPECTED = "expected a private RSA key in PEM, or a JWK with one or with a shared key"


@dataclass(frozen=True, slots=True)
class DecryptionKey:
    """algorithms: the `alg` of envelopes that it opens. key: as python-jose takes it. digest: of
    the text it was read from, which tells equal keys."""

    algorithms: frozenset[str]
    key: RSAPrivateKey | bytes = field(repr=False, compare=False)
    digest: bytes = field(repr=False)


def read_decryption_key(text: bytes) -> DecryptionKey:
    """A private RSA key in PEM, or a JWK (RFC 7517 §4) of `kty` RSA or oct. Raises ValueError,
    which quotes nothing."""
    digest = hashlib.blake2b(text, digest_size=16).digest()
    try:
        if text.lstrip().startswith(b"-----BEGIN "):
            return _rsa(load_pem_private_key(text, None), digest)
        members = read_json(text)
        if isinstance(members, dict) and members.get("kty") == "RSA":
            return _rsa(RSAAlgorithm.from_jwk(members), digest)
        if isinstance(members, dict) and members.get("kty") == "oct":
            key = decode_segment(str(members.get("k", "")).encode())
            return DecryptionKey(SHARED_ALGORITHMS[len(key)], key, digest)
    except (ValueError, TypeError, LookupError, PyJWTError):
        pass
    raise ValueError(_EXPECTED)


def _rsa(key: object, digest: bytes) -> DecryptionKey:
    if not isinstance(key, RSAPrivateKey) or key.key_size not in RSA_BITS:
        raise ValueError
    return DecryptionKey(RSA_ALGORITHMS, key, digest)


def is_envelope(token: bytes) -> bool:
    return token.count(b".", 0, MOST_TOKEN_BYTES + 1) == _DOTS


def opened(token: bytes, keys: Sequence[DecryptionKey]) -> bytes:
    """The text inside an envelope, by any key for its algorithm. It proves nothing yet: whoever
    knows a public key can encrypt. Raises Unauthenticated."""
    algorithm = _algorithm(token)
    text = token.decode("ascii", "replace")
    for key in keys:
        if algorithm not in key.algorithms:
            continue
        try:
            plain = jwe.decrypt(text, key.key)
        except (JOSEError, ValueError):
            continue
        if isinstance(plain, bytes):
            return plain
    raise _unreadable()


def _algorithm(token: bytes) -> str:
    if len(token) > MOST_TOKEN_BYTES or token.index(b".") > MOST_HEADER_BYTES:
        raise _unreadable()
    try:
        # python-jose reads base64 with less care.
        first, _, vector, _, tag = map(decode_segment, token.split(b"."))
        header = read_object(first)
    except ValueError:
        raise _unreadable() from None
    if (len(vector), len(tag)) != (VECTOR_BYTES, TAG_BYTES):
        raise _unreadable()
    algorithm, content = header.get("alg"), header.get("enc")
    taken = isinstance(algorithm, str) and isinstance(content, str)
    if not taken or content not in CONTENT_ALGORITHMS or {"zip", "crit"} & header.keys():
        raise _unreadable()
    return str(algorithm)


def _unreadable() -> Unauthenticated:
    """One reason for all: which step failed is nobody's business."""
    return Unauthenticated("oidc: malformed jwt: the token cannot be decrypted")
