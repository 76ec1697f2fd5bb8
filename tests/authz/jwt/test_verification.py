"""Tokens of every algorithm, and the attacks on their verification."""

import hashlib
import hmac
import json
import tracemalloc
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import get_default_algorithms

from authz.errors import Unauthenticated
from authz.jwt.algorithms import ALGORITHMS, advertised
from authz.jwt.key_set import MOST_KEYS, read_key_set
from authz.jwt.token import MOST_TOKEN_BYTES
from authz.jwt.verification import Expected, SignatureRefused, VerifiedToken, verify
from tests.authz.jwt.tokens import (
    CLAIMS,
    EVERYTHING,
    KEY_OF,
    NOW,
    NOW_S,
    key_set,
    private_key,
    public_jwk,
    segment,
    token,
    trust,
    verified,
)

RSA_KEY = public_jwk("RSA")
NOT_SIGNED = "failed to verify signature: failed to verify id token signature"


def reason(text: bytes, *keys: dict[str, Any], **options: Any) -> str:
    with pytest.raises(Unauthenticated) as caught:
        verified(text, *(keys or (RSA_KEY,)), **options)
    return str(caught.value)


def claims_of(found: VerifiedToken) -> Any:
    return found.claims.to_python()


# ---- algorithms


@pytest.mark.parametrize("algorithm", sorted(KEY_OF))
def test_every_algorithm_verifies_what_pyjwt_signs(algorithm: str) -> None:
    text = jwt.encode(CLAIMS, private_key(KEY_OF[algorithm]), algorithm=algorithm).encode()
    keys = public_jwk(KEY_OF[algorithm])
    assert claims_of(verified(text, keys)) == CLAIMS
    head, payload, signature = text.split(b".")
    for other in (signature[:-4] + (b"AAAA" if signature[-4:] != b"AAAA" else b"BBBB"), b"", b"AA"):
        assert reason(b".".join((head, payload, other)), keys) == NOT_SIGNED


@pytest.mark.parametrize(("name", "kind"), [("Ed25519", "Ed25519"), ("Ed448", "Ed448")])
def test_edwards_curves_verify_under_their_own_names(name: str, kind: str) -> None:
    for alg in (name, "EdDSA"):
        text = token(algorithm="EdDSA", kind=kind, header={"alg": alg})
        assert claims_of(verified(text, public_jwk(kind))) == CLAIMS
    other = "Ed448" if name == "Ed25519" else "Ed25519"
    mixed = token(algorithm="EdDSA", kind=kind, header={"alg": other})
    assert reason(mixed, public_jwk(kind), public_jwk(other)) == NOT_SIGNED


@pytest.mark.parametrize(
    "name", ["none", "None", "NONE", "nOnE", "", "HS256", "HS512", "RS1", "RSA-OAEP"]
)
def test_no_other_algorithm_is_believed(name: str) -> None:
    text = segment({"alg": name}) + b"." + segment(CLAIMS) + b"."
    assert reason(text, algorithms=("RS256", "ES256")) == (
        "oidc: malformed jwt: unexpected signature algorithm"
        f' {json.dumps(name)}; expected ["RS256" "ES256"]'
    )
    assert name not in ALGORITHMS


@pytest.mark.parametrize("form", [PublicFormat.SubjectPublicKeyInfo, PublicFormat.PKCS1])
def test_public_key_is_no_shared_secret(form: PublicFormat) -> None:
    public = private_key("RSA").public_key()
    for secret in (
        public.public_bytes(Encoding.PEM, form),
        public.public_bytes(Encoding.DER, form),
    ):
        signed = segment({"alg": "HS256"}) + b"." + segment(CLAIMS)
        forged = signed + b"." + segment(hmac.new(secret, signed, hashlib.sha256).digest())
        assert "unexpected signature algorithm" in reason(forged)


def test_shared_secret_in_a_key_set_verifies_nothing() -> None:
    shared = {"kty": "oct", "k": segment(b"0" * 64).decode(), "alg": "HS256"}
    signed = segment({"alg": "HS256"}) + b"." + segment(CLAIMS)
    forged = signed + b"." + segment(hmac.new(b"0" * 64, signed, hashlib.sha256).digest())
    assert read_key_set(key_set(shared)).keys == ()
    assert "unexpected signature algorithm" in reason(forged, shared, RSA_KEY)
    assert reason(forged, shared, RSA_KEY, algorithms=("HS256",)) == NOT_SIGNED


def test_algorithm_of_the_token_must_be_one_of_the_key() -> None:
    only = public_jwk("RSA", alg="RS256")
    for algorithm in ("RS512", "PS256"):
        assert "unexpected" in reason(token(algorithm=algorithm), only)
        # Also where the issuer's list has it: the key itself says otherwise.
        assert reason(token(algorithm=algorithm), only, algorithms=("RS512", "PS256")) == NOT_SIGNED
    assert (
        reason(token(algorithm="RS256"), public_jwk("P-256"), algorithms=("RS256",)) == NOT_SIGNED
    )
    assert reason(token(algorithm="ES256"), RSA_KEY, algorithms=("ES256",)) == NOT_SIGNED
    crossed = token(algorithm="ES256", kind="P-384", header={"alg": "ES256"})
    assert reason(crossed, public_jwk("P-384"), algorithms=("ES256", "ES384")) == NOT_SIGNED


def test_algorithms_of_a_discovery_document() -> None:
    assert advertised(["ES256", "none", "HS256", 5, "RS256", "ES256"]) == ("ES256", "RS256")
    for nothing in (None, [], ["HS256"], "ES256", {"ES256": 1}, [["ES256"]]):
        assert advertised(nothing) == ("RS256",)


def test_algorithm_is_quoted_short_and_in_ascii() -> None:
    text = segment({"alg": "x\r\nset-cookie: a\u2028\ud800" + "y" * 4000}) + b"." + segment(CLAIMS)
    found = reason(text + b".")
    assert found.isascii()
    assert found.isprintable()
    assert len(found) < 200


# ---- keys


def test_key_is_chosen_by_its_id_or_tried() -> None:
    first, second = public_jwk("RSA", 0, kid="a"), public_jwk("RSA", 1, kid="b")
    assert claims_of(verified(token(kid="a"), first, second)) == CLAIMS
    assert claims_of(verified(token(number=1), first, second)) == CLAIMS
    assert claims_of(verified(token(number=1, kid=""), first, second)) == CLAIMS
    assert reason(token(number=1, kid="a"), first, second) == NOT_SIGNED
    assert reason(token(kid="c"), first, second) == NOT_SIGNED
    assert reason(token(kid="a"), public_jwk("RSA")) == NOT_SIGNED
    twice = public_jwk("RSA", 1, kid="a")
    assert claims_of(verified(token(kid="a"), twice, first)) == CLAIMS


@pytest.mark.parametrize(
    "key_id",
    [
        "../../../dev/null",
        "/etc/passwd",
        "' OR 1=1 --",
        "a\0b",
        "\ud800",
        "http://evil.test/k",
        "a" * 2000,
    ],
)
def test_key_id_is_a_name_and_nothing_else(key_id: str) -> None:
    assert reason(token(kid=key_id), public_jwk("RSA", kid="a")) == NOT_SIGNED


@pytest.mark.parametrize("key_id", [5, True, ["a"], {"a": 1}])
def test_key_id_of_another_type_is_malformed(key_id: object) -> None:
    assert "kid is no string" in reason(token(kid=key_id), public_jwk("RSA", kid="a"))


def test_keys_that_a_token_brings_along_have_no_say() -> None:
    brought = public_jwk("RSA", 7)
    for name, value in (("jwk", brought), ("jku", "http://evil.test"), ("x5u", "http://evil.test")):
        assert reason(token(number=7, **{name: value})) == NOT_SIGNED
    assert claims_of(verified(token(jwk=brought), RSA_KEY)) == CLAIMS


def unusable_keys() -> list[object]:
    weak = rsa.generate_private_key(65537, 1024)
    weak_jwk = json.loads(get_default_algorithms()["RS256"].to_jwk(weak.public_key()))
    weak_jwk.pop("key_ops", None)
    point = public_jwk("P-256")
    return [
        "text", None, 5, [], {},
        {"kty": "RSA"}, {"kty": ["RSA"], "n": "AQAB", "e": "AQAB"}, {"kty": "EC", "crv": ["P-256"]},
        weak_jwk,
        {**RSA_KEY, "n": 5}, {**RSA_KEY, "e": "AA"}, {**RSA_KEY, "n": ""}, {**RSA_KEY, "e": "!"},
        {**RSA_KEY, "use": "enc"}, {**RSA_KEY, "use": ["sig"]},
        {**RSA_KEY, "key_ops": ["sign"]}, {**RSA_KEY, "key_ops": "verify"},
        {**RSA_KEY, "alg": "RSA-OAEP"}, {**RSA_KEY, "alg": ["RS256"]}, {**RSA_KEY, "alg": "ES256"},
        {**RSA_KEY, "alg": "none"}, {**RSA_KEY, "kid": 5},
        {**RSA_KEY, "d": "AQAB"}, {**RSA_KEY, "k": "AQAB"},
        {**point, "x": point["y"]}, {**point, "crv": "P-384"}, {**point, "crv": "P-999"},
        {**point, "x": ""}, {"kty": "OKP", "crv": "X25519", "x": "AA"},
        {"kty": "OKP", "crv": "Ed25519", "x": "AA"}, {"kty": "oct", "k": "AAAA"},
    ]  # fmt: skip


def test_unusable_keys_are_passed_over() -> None:
    unusable = unusable_keys()
    found = read_key_set(json.dumps({"keys": [*unusable, RSA_KEY]}).encode())
    assert found == read_key_set(key_set(RSA_KEY))
    assert verify(token(), trust(RSA_KEY), EVERYTHING, NOW)


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"keys":{}}', b'{"keys":null}', b"<html>", b"\xff", b"[" * 5000,
     json.dumps({"keys": [RSA_KEY] * (MOST_KEYS + 1)}).encode()],
)  # fmt: skip
def test_other_documents_are_no_key_set(body: bytes) -> None:
    with pytest.raises(ValueError):
        read_key_set(body)


def test_equal_key_sets_are_known_as_equal() -> None:
    first, second = public_jwk("RSA", kid="a"), public_jwk("RSA", 1, kid="a")
    assert read_key_set(key_set(first)) == read_key_set(key_set({**first, "x5t": "new"}))
    assert read_key_set(key_set(first)) != read_key_set(key_set(second))
    assert read_key_set(key_set(first)) != read_key_set(key_set({**first, "alg": "PS256"}))


# ---- claims


@pytest.mark.parametrize(
    ("expires", "believed"),
    [
        (NOW_S + 1, True), (NOW_S, False), (NOW_S + 0.9, False), (NOW_S + 1.9, True),
        (str(NOW_S + 1), True), (1e300, True), (0, False), (-1e300, False), (-0.0, False),
    ],
)  # fmt: skip
def test_expiry(expires: object, believed: bool) -> None:
    text = token({**CLAIMS, "exp": expires})
    if believed:
        assert NOW < verified(text, RSA_KEY).expires_wall_ns < 2**63
    else:
        assert reason(text).startswith("oidc: token is expired (Token Expiry: ")


def test_expiry_is_told_as_authorino_tells_it() -> None:
    known = token({**CLAIMS, "exp": 1_600_000_000})
    assert reason(known) == "oidc: token is expired (Token Expiry: 2020-09-13 12:26:40 +0000 UTC)"
    none = token({"sub": "ann"})
    assert reason(none) == "oidc: token is expired (Token Expiry: 0001-01-01 00:00:00 +0000 UTC)"


def test_not_before_has_a_leeway() -> None:
    assert verified(token({**CLAIMS, "nbf": NOW_S + 300}), RSA_KEY)
    assert reason(token({**CLAIMS, "nbf": NOW_S + 301})) == (
        "oidc: current time 2026-09-21 14:13:20 +0000 UTC before the nbf (not before) time:"
        " 2026-09-21 14:18:21 +0000 UTC"
    )


@pytest.mark.parametrize(
    "members",
    [{"exp": None}, {"exp": True}, {"exp": []}, {"exp": "soon"}, {"exp": "1e9"}, {"exp": "²"},
     {"nbf": None}, {"nbf": {}}, {"sub": 5}, {"sub": ["ann"]}, {"iss": 5}, {"aud": {"a": 1}},
     {"aud": 5}, {"aud": ["a", 5]}],
)  # fmt: skip
def test_claims_of_another_type_are_refused(members: dict[str, Any]) -> None:
    found = reason(token({**CLAIMS, **members}))
    assert found.startswith("oidc: failed to unmarshal claims: ")


def test_issuer_and_audiences_are_checked_when_expected() -> None:
    def ask(expected: Expected, **members: Any) -> VerifiedToken:
        return verify(token({**CLAIMS, **members}), trust(RSA_KEY), expected, NOW)

    exact = Expected(issuer="https://issuer.test")
    assert ask(exact)
    for other in ("https://issuer.test/", "https://ISSUER.test", "", None):
        with pytest.raises(Unauthenticated, match="different provider"):
            ask(exact, iss=other)
    toys = Expected(audiences=frozenset({"toys", "games"}))
    assert ask(toys, aud="toys")
    assert ask(toys, aud=["x", "games"])
    for missing in ("toy", [], ["x"], None, "toys games"):
        with pytest.raises(Unauthenticated, match="another audience"):
            ask(toys, aud=missing)


@pytest.mark.parametrize(
    "payload",
    [
        b'{"sub":"ann","exp":9000000000,"sub":"root"}',
        b'{"exp":9000000000,"exp":9000000001}',
        b'{"exp":9000000000,"realm":{"roles":[],"roles":["admin"]}}',
        b'{"exp":9000000000,"s\\u0075b":"a","sub":"b"}',
        b'{"exp":NaN}', b'{"exp":Infinity}', b'{"exp":1e999}', b'{"exp":' + b"9" * 400 + b"}",
        b'{"exp":9000000000,"n":-1e999}',
        b'{"exp":9000000000} {}', b'\xef\xbb\xbf{"exp":9000000000}',
        b'{"exp":9000000000,"a":"\xff"}',
        b'["a"]', b"null", b"5", b"", b"not json", b'"text"',
        b'{"exp":9000000000,"a":"\\ud800"}',
        b'{"exp":9000000000,"a":' + b"[" * 40 + b"]" * 40 + b"}",
        b'{"exp":9000000000,"a":' + b'{"a":' * 40 + b"1" + b"}" * 40 + b"}",
        b"[" * 20000, b'{"a":' * 4000, b'{"exp":9000000000,"a":[' + b"{}," * 1100 + b"1]}",
        '{"exp":9000000000}'.encode("utf-16"), '{"exp":9000000000}'.encode("utf-32"),
    ],
)  # fmt: skip
def test_claims_have_one_reading_and_bounds(payload: bytes) -> None:
    found = reason(token(payload))
    assert found.startswith("oidc: failed to unmarshal claims: ")
    assert len(found) < 120


def test_wide_claims_are_fine() -> None:
    wide = {**CLAIMS, "groups": [{"a": ["b"]}] * 400, "text": "{[" * 100}
    assert claims_of(verified(token(wide), RSA_KEY)) == wide


def test_numbers_are_doubles() -> None:
    found = claims_of(verified(token({**CLAIMS, "n": 2**53 + 1, "m": 10**30}), RSA_KEY))
    assert (found["n"], found["m"]) == (float(2**53), 1e30)
    assert all(isinstance(found[name], float) for name in ("n", "m", "exp"))


# ---- form


@pytest.mark.parametrize(
    "header",
    [
        b"", b"{}", b"[]", b'{"alg":null}', b'{"alg":["RS256"]}', b'{"alg":"RS256","alg":"none"}',
        b'{"alg":"RS256","crit":["exp"]}', b'{"alg":"RS256","crit":[]}',
        b'{"alg":"RS256","b64":false}', b'{"alg":"RS256","kid":null}',
        b'{"alg":"RS256","kid":"a","kid":"b"}', b'{"alg":"RS256","a":"' + b"x" * 4000 + b'"}',
        b'{"alg":"RS256","a":' + b"[" * 700 + b"]" * 700 + b"}", b"\xff\xfe",
    ],
)  # fmt: skip
def test_header_has_one_reading_and_bounds(header: bytes) -> None:
    assert reason(token(header=header)).startswith("oidc: malformed jwt: the header")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b".",
        b"..",
        b"...",
        b"a.b",
        b"a.b.c",
        b"a.b.c.d",
        b"." * 30000,
        b"\0.\0.\0",
        b"\xff.\xff.\xff",
    ],
)
def test_other_texts_are_malformed(text: bytes) -> None:
    assert reason(text).startswith(("oidc: malformed jwt: ", "oidc: failed to unmarshal claims: "))


@pytest.mark.parametrize(
    "bad", [b"=", b"==", b"+", b"/", b" ", b"\n", b"\r\n", b"!", b"\0", b"\xc3\xa9", b"A"]
)
def test_segments_are_base64url_without_padding(bad: bytes) -> None:
    head, payload, signature = token().split(b".")
    for parts in (
        (head + bad, payload, signature),
        (head, payload + bad, signature),
        (head, payload, signature + bad),
        (bad + head, payload, signature),
    ):
        with pytest.raises(Unauthenticated):
            verified(b".".join(parts), RSA_KEY)


def test_long_tokens_are_refused_before_they_are_read() -> None:
    fits = token({**CLAIMS, "a": "x" * 20_000})
    assert verified(fits, RSA_KEY)
    assert "too long" in reason(token({**CLAIMS, "a": "x" * MOST_TOKEN_BYTES}))
    giant = b"." * (64 << 20)
    tracemalloc.start()
    assert "too long" in reason(giant)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


@given(st.binary(max_size=200), st.binary(max_size=200), st.binary(max_size=80))
def test_no_text_is_believed_or_breaks_anything(head: bytes, payload: bytes, end: bytes) -> None:
    for text in (head + payload, b".".join((segment(head), segment(payload), segment(end)))):
        with pytest.raises(Unauthenticated):
            verified(text, RSA_KEY)


@given(st.integers(min_value=0, max_value=10_000), st.integers(min_value=1, max_value=255))
def test_no_changed_byte_is_believed(at: int, change: int) -> None:
    good = bytearray(token())
    at %= len(good)
    good[at] ^= change
    try:
        found = verified(bytes(good), RSA_KEY)
    except Unauthenticated:
        return
    # Only the unused bits of a segment's last letter may differ.
    assert claims_of(found) == CLAIMS


def test_curve_of_an_invalid_point_is_refused() -> None:
    other = ec.generate_private_key(ec.SECP384R1()).public_key().public_numbers()
    size = 48
    forged = {
        "kty": "EC", "crv": "P-256",
        "x": segment(other.x.to_bytes(size, "big")).decode(),
        "y": segment(other.y.to_bytes(size, "big")).decode(),
    }  # fmt: skip
    assert read_key_set(key_set(forged)).keys == ()


def test_signature_refusal_is_told_apart() -> None:
    with pytest.raises(SignatureRefused):
        verified(token(number=1), RSA_KEY)
