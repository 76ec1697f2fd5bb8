"""Keys and tokens of the tests; made once, they protect nothing."""

import base64
import json
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from jwt.algorithms import get_default_algorithms

from authz.jwt.key_set import read_key_set
from authz.jwt.verification import Expected, Trust, VerifiedToken, verify

NOW_S = 1_790_000_000
NOW = NOW_S * 10**9
CLAIMS: dict[str, Any] = {"iss": "https://issuer.test", "sub": "ann", "exp": NOW_S + 60}
EVERYTHING = Expected()

_MAKERS = {
    "RSA": lambda: rsa.generate_private_key(65537, 2048),
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "secp256k1": lambda: ec.generate_private_key(ec.SECP256K1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
    "Ed448": ed448.Ed448PrivateKey.generate,
}
KEY_OF = {
    "RS256": "RSA", "RS384": "RSA", "RS512": "RSA", "PS256": "RSA", "PS384": "RSA", "PS512": "RSA",
    "ES256": "P-256", "ES384": "P-384", "ES512": "P-521", "ES256K": "secp256k1",
    "EdDSA": "Ed25519",
}  # fmt: skip


@cache
def _made(kind: str, number: int) -> Any:
    return _MAKERS[kind]()


def private_key(kind: str, number: int = 0) -> Any:
    return _made(kind, number)


def public_jwk(kind: str, number: int = 0, **members: Any) -> dict[str, Any]:
    algorithm = {"RSA": "RS256", "Ed25519": "EdDSA", "Ed448": "EdDSA"}.get(kind, "ES256")
    maker = get_default_algorithms()[algorithm]
    public = json.loads(maker.to_jwk(private_key(kind, number).public_key()))
    public.pop("key_ops", None)
    return {**public, **members}


def key_set(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": keys}).encode()


def trust(*keys: dict[str, Any], algorithms: tuple[str, ...] = ()) -> Trust:
    found = read_key_set(key_set(*keys))
    return Trust(found, algorithms or found.algorithms)


def segment(data: object) -> bytes:
    plain = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(plain).rstrip(b"=")


def token(
    claims: object = CLAIMS,
    algorithm: str = "RS256",
    *,
    kind: str = "",
    number: int = 0,
    header: object = None,
    **members: Any,
) -> bytes:
    """Signed by the key of `kind` (the algorithm's own); `header` replaces the whole header."""
    if header is None:
        header = {"alg": algorithm, **members}
    signed = segment(header) + b"." + segment(claims)
    key = private_key(kind or KEY_OF[algorithm], number)
    return signed + b"." + segment(get_default_algorithms()[algorithm].sign(signed, key))


def verified(text: bytes, *keys: dict[str, Any], **options: Any) -> VerifiedToken:
    return verify(text, trust(*keys, **options), EVERYTHING, NOW)
