"""What verifiers of wristbands ask for: OpenID Connect Discovery 1.0 §3 and a JWK Set."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from authz.wristband.signing_key import ALGORITHMS, SigningKey

CONFIGURATION = "/.well-known/openid-configuration"
CERTIFICATES = "/.well-known/openid-connect/certs"


@dataclass(frozen=True, slots=True)
class Discovery:
    """JSON texts by path below the issuer's URL."""

    configuration: str
    certificates: str

    def at(self, path: str) -> str | None:
        return {CONFIGURATION: self.configuration, CERTIFICATES: self.certificates}.get(path)


def discovery_of(issuer: str, keys: Sequence[SigningKey]) -> Discovery:
    """All keys are published, so that those that signed before or will sign next verify."""
    configuration = {
        "issuer": issuer,
        "jwks_uri": issuer + CERTIFICATES,
        "id_token_signing_alg_values_supported": ALGORITHMS,
    }
    return Discovery(json.dumps(configuration), json.dumps({"keys": [key.public for key in keys]}))
