"""Keys that wristbands are signed with, out of Secrets (reference §2.16)."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jwt.algorithms import Algorithm, ECAlgorithm, RSAAlgorithm, get_default_algorithms

CURVES = {"ES256": "secp256r1", "ES384": "secp384r1", "ES512": "secp521r1"}
ALGORITHMS = (*CURVES, "RS256", "RS384", "RS512")
LEAST_RSA_BITS = 2048  # RFC 7518 §3.3


@dataclass(frozen=True, slots=True)
class SigningKey:
    """public: its JWK (RFC 7517). `sign` may run on any thread."""

    public: Mapping[str, str]
    _header: bytes
    _algorithm: Algorithm = field(repr=False)
    _private: Any = field(repr=False)

    def sign(self, claims: bytes) -> str:
        """The token with these claims, which are JSON (RFC 7515 §3.1)."""
        signed = self._header + b"." + _base64url(claims)
        signature = self._algorithm.sign(signed, self._private)
        return (signed + b"." + _base64url(signature)).decode()


def read_signing_key(name: str, algorithm: str, pem: bytes) -> SigningKey:
    """A private key in PEM: SEC 1, PKCS#1 or PKCS#8, without a password.

    algorithm: one of ALGORITHMS. Raises ValueError, whose text quotes nothing of the key.
    """
    try:
        private = load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("expected a private key in PEM, without a password") from None
    header = {"alg": algorithm, "kid": name, "typ": "JWT"}
    return SigningKey(
        {"use": "sig", "kid": name, "alg": algorithm, **_public(algorithm, private)},
        _base64url(json.dumps(header, separators=(",", ":")).encode()),
        get_default_algorithms()[algorithm],
        private,
    )


def _public(algorithm: str, private: object) -> dict[str, str]:
    """The members of its JWK that make the key. Raises ValueError where it does not fit."""
    curve = CURVES.get(algorithm)
    if isinstance(private, ec.EllipticCurvePrivateKey) and private.curve.name == curve:
        return ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
    if isinstance(private, rsa.RSAPrivateKey) and not curve and private.key_size >= LEAST_RSA_BITS:
        jwk = RSAAlgorithm.to_jwk(private.public_key(), as_dict=True)
        return {name: jwk[name] for name in ("kty", "n", "e")}
    needed = f"an EC key on {curve}" if curve else f"an RSA key of {LEAST_RSA_BITS} bits or more"
    raise ValueError(f"{algorithm} needs {needed}")


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
