"""Signature algorithms of tokens: asymmetric ones only (RFC 7518 §3.1, RFC 8037, 8812, 9864).

`none` and the HMAC family are not here: a public key must never be taken for a shared secret.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from jwt.algorithms import Algorithm, get_default_algorithms

RS256 = "RS256"


@dataclass(frozen=True, slots=True)
class SignatureAlgorithm:
    """key_type, curves: `kty` and `crv` of the keys it takes; no curves: RSA has none."""

    name: str
    key_type: str
    curves: tuple[str, ...]
    check: Algorithm


def _table() -> Mapping[str, SignatureAlgorithm]:
    checks = get_default_algorithms()
    edwards = checks["EdDSA"]
    rows = [
        *(
            SignatureAlgorithm(name, "RSA", (), checks[name])
            for name in ("RS256", "RS384", "RS512")
        ),
        SignatureAlgorithm("ES256", "EC", ("P-256",), checks["ES256"]),
        SignatureAlgorithm("ES384", "EC", ("P-384",), checks["ES384"]),
        SignatureAlgorithm("ES512", "EC", ("P-521",), checks["ES512"]),
        SignatureAlgorithm("ES256K", "EC", ("secp256k1",), checks["ES256K"]),
        *(
            SignatureAlgorithm(name, "RSA", (), checks[name])
            for name in ("PS256", "PS384", "PS512")
        ),
        SignatureAlgorithm("EdDSA", "OKP", ("Ed25519", "Ed448"), edwards),
        SignatureAlgorithm("Ed25519", "OKP", ("Ed25519",), edwards),
        SignatureAlgorithm("Ed448", "OKP", ("Ed448",), edwards),
    ]
    return {row.name: row for row in rows}


ALGORITHMS = _table()


def advertised(names: object) -> tuple[str, ...]:
    """The algorithms of a discovery document's list that exist here, else RS256 alone, which
    OpenID Connect Discovery 1.0 §3 makes every issuer offer."""
    if not isinstance(names, list):
        return (RS256,)
    known = (name for name in names if isinstance(name, str) and name in ALGORITHMS)
    return tuple(dict.fromkeys(known)) or (RS256,)
