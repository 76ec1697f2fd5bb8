"""Wristbands: what is signed, by what, for whom, and what others need to verify it."""

import base64
import hashlib
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from authz.wristband.issuers import find_discovery, has_issuers
from authz.wristband.signing_key import read_signing_key
from tests.authz.lanes import NOW, Lanes

ISSUER = "http://toys.example.com/shop/toys/wristband"
SEC1_PKCS1, PKCS8 = PrivateFormat.TraditionalOpenSSL, PrivateFormat.PKCS8
EC = ec.generate_private_key(ec.SECP256R1())
KEYS = {
    "ES256": EC,
    "ES384": ec.generate_private_key(ec.SECP384R1()),
    "ES512": ec.generate_private_key(ec.SECP521R1()),
    "RS256": rsa.generate_private_key(65537, 2048),
}
KEYS["RS384"] = KEYS["RS512"] = KEYS["RS256"]


def pem(key: Any, form: PrivateFormat = SEC1_PKCS1) -> bytes:
    return bytes(key.private_bytes(Encoding.PEM, form, NoEncryption()))


def put_key(lanes: Lanes, name: str, key: bytes) -> None:
    document = {
        "metadata": {"name": name},
        "data": {"key.pem": base64.b64encode(key).decode()},
    }
    assert lanes.configuration.put_secret("shop", name, document) is None


def wristband(**more: Any) -> dict[str, Any]:
    return {
        "wristband": {
            "issuer": ISSUER,
            "signingKeyRefs": [{"name": "signer", "algorithm": "ES256"}],
            **more,
        }
    }


def issue(lanes: Lanes, item: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The claims of the token that a request gets, verified with the published keys."""
    assert lanes.config(response={"success": {"headers": {"x-wb": item}}}, **more) == []
    token = dict(lanes.get().headers)["x-wb"]
    discovery = find_discovery(lanes.configuration.snapshot(), "shop/toys", "x-wb")
    assert discovery is not None
    keys = jwt.PyJWKSet.from_json(discovery.certificates)
    key = keys[jwt.get_unverified_header(token)["kid"]]
    left_out = "verify_exp", "verify_iat", "verify_aud", "verify_sub"
    claims: dict[str, Any] = jwt.decode(token, key, options=dict.fromkeys(left_out, False))
    return claims


@pytest.mark.parametrize("form", [SEC1_PKCS1, PKCS8])
@pytest.mark.parametrize("algorithm", list(KEYS))
def test_published_keys_verify(algorithm: str, form: PrivateFormat) -> None:
    key = read_signing_key("signer", algorithm, pem(KEYS[algorithm], form))
    token = key.sign(b'{"a":1}')
    assert jwt.get_unverified_header(token) == {"alg": algorithm, "kid": "signer", "typ": "JWT"}
    assert jwt.decode(token, jwt.PyJWK(dict(key.public)), algorithms=[algorithm]) == {"a": 1}
    assert {"use", "kid", "alg", "kty"} < key.public.keys()
    assert not {"d", "p", "q", "key_ops"} & key.public.keys()


@pytest.mark.parametrize(
    ("algorithm", "text", "message"),
    [
        ("ES256", b"", "expected a private key in PEM"),
        ("ES256", b"not PEM", "expected a private key in PEM"),
        ("ES256", pem(KEYS["RS256"]), "ES256 needs an EC key on secp256r1"),
        ("ES256", pem(KEYS["ES384"]), "ES256 needs an EC key on secp256r1"),
        ("RS256", pem(EC), "RS256 needs an RSA key of 2048 bits"),
        ("RS256", pem(rsa.generate_private_key(65537, 1024)), "RS256 needs an RSA key of 2048"),
        (
            "ES256",
            EC.private_bytes(Encoding.PEM, PKCS8, BestAvailableEncryption(b"secret")),
            "without a password",
        ),
    ],
)
def test_keys_that_do_not_fit_are_refused(algorithm: str, text: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_signing_key("signer", algorithm, text)


def test_claims_tell_of_the_caller(lanes: Lanes) -> None:
    put_key(lanes, "signer", pem(EC))
    claims = issue(
        lanes,
        wristband(
            tokenDuration=60,
            customClaims={"path": {"selector": "request.path"}, "level": {"value": 3}},
        ),
    )
    now = NOW // 10**9
    assert claims == {
        "iss": ISSUER,
        "iat": now,
        "exp": now + 60,
        "sub": hashlib.sha256(b'{"anonymous":true}').hexdigest(),
        "path": "/toys",
        "level": 3,
    }


def test_custom_claims_win_unless_they_may_not(lanes: Lanes) -> None:
    put_key(lanes, "signer", pem(EC))
    item = wristband(customClaims={"sub": {"value": "me"}, "x": {"value": None}})
    assert issue(lanes, item)["sub"] == "me"
    options = {
        "response": {"x-wb": {"protectClaims": True, "audiences": ["toys"], "tokenId": True}}
    }
    metadata = {"annotations": {"tollhouse.io/extensions": json.dumps(options)}}
    document = {
        "metadata": metadata,
        "spec": {"hosts": ["toys.com"], "response": {"success": {"headers": {"x-wb": item}}}},
    }
    assert lanes.configuration.put_auth_config("shop", "toys", document) == ()
    lanes.publish()
    tokens = [dict(lanes.get().headers)["x-wb"] for _ in range(2)]
    claims, other = (jwt.decode(token, options={"verify_signature": False}) for token in tokens)
    assert claims["jti"] != other["jti"]
    assert (len(claims["sub"]), claims["aud"], claims["x"]) == (64, "toys", None)


def test_claim_that_fails_drops_the_item(lanes: Lanes) -> None:
    put_key(lanes, "signer", pem(EC))
    item = wristband(customClaims={"x": {"expression": "auth.identity.missing"}})
    assert lanes.config(response={"success": {"headers": {"x-wb": item}}}) == []
    assert lanes.get().headers == []


def test_token_may_be_dynamic_metadata(lanes: Lanes) -> None:
    put_key(lanes, "signer", pem(EC))
    success = {"dynamicMetadata": {"wb": wristband()}}
    assert lanes.config(response={"success": success}) == []
    assert lanes.get().metadata["wb"].count(".") == 2


def test_every_key_is_published_and_the_first_signs(lanes: Lanes) -> None:
    put_key(lanes, "signer", pem(EC))
    put_key(lanes, "next", pem(KEYS["RS256"]))
    refs = [{"name": "next", "algorithm": "RS512"}, {"name": "signer", "algorithm": "ES256"}]
    item = wristband(signingKeyRefs=refs)
    assert lanes.config(response={"success": {"headers": {"x-wb": item}}}) == []
    token = dict(lanes.get().headers)["x-wb"]
    assert jwt.get_unverified_header(token) == {"alg": "RS512", "kid": "next", "typ": "JWT"}
    snapshot = lanes.configuration.snapshot()
    found = find_discovery(snapshot, "shop/toys", "x-wb")
    assert found is not None
    keys = json.loads(found.certificates)["keys"]
    assert [(key["kid"], key["alg"]) for key in keys] == [("next", "RS512"), ("signer", "ES256")]
    assert json.loads(found.configuration) == {
        "issuer": ISSUER,
        "jwks_uri": f"{ISSUER}/.well-known/openid-connect/certs",
        "id_token_signing_alg_values_supported": [*sorted(KEYS)],
    }
    assert has_issuers(snapshot)
    assert find_discovery(snapshot, "shop/toys", "other") is None
    assert find_discovery(snapshot, "other/toys", "x-wb") is None


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ({"issuer": None}, "issuer: is required"),
        ({"signingKeyRefs": []}, "signingKeyRefs: expected at least one signing key"),
        ({"signingKeyRefs": [{"name": "signer", "algorithm": "none"}]}, "expected one of ES256"),
        ({"signingKeyRefs": [{"name": "signer", "algorithm": "HS256"}]}, "expected one of ES256"),
        ({"tokenDuration": 0}, "tokenDuration: expected at least one second"),
        ({"signingKeyRefs": [{"name": "no", "algorithm": "ES256"}]}, "Secret 'no' does not exist"),
        ({"signingKeyRefs": [{"name": "bad", "algorithm": "ES256"}]}, "'bad', key 'key.pem'"),
    ],
)
def test_faults_are_told(lanes: Lanes, more: dict[str, Any], fault: str) -> None:
    put_key(lanes, "signer", pem(EC))
    put_key(lanes, "bad", b"x")
    faults = lanes.config(response={"success": {"headers": {"x-wb": wristband(**more)}}})
    assert fault in "; ".join(faults)


def test_changed_key_signs_the_next_token(lanes: Lanes) -> None:
    put_key(lanes, "signer", pem(EC))
    issue(lanes, wristband())
    before = find_discovery(lanes.configuration.snapshot(), "shop/toys", "x-wb")
    put_key(lanes, "signer", pem(ec.generate_private_key(ec.SECP256R1()), PKCS8))
    lanes.publish()
    assert find_discovery(lanes.configuration.snapshot(), "shop/toys", "x-wb") != before
    issue(lanes, wristband())
