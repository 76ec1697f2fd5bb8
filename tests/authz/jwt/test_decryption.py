"""Encrypted tokens: what opens them, and what is never opened."""

import json
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from jose import jwe
from jwt.algorithms import RSAAlgorithm

from authz.errors import Unauthenticated
from authz.jwt.decryption import DecryptionKey, is_envelope, opened, read_decryption_key
from authz.jwt.token import MOST_TOKEN_BYTES
from tests.authz.jwt.tokens import private_key, segment, token

UNREADABLE = "oidc: malformed jwt: the token cannot be decrypted"


@cache
def rsa_pem(number: int = 0) -> bytes:
    key = private_key("RSA", number)
    pem: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem


def shared(size: int) -> bytes:
    return json.dumps({"kty": "oct", "k": segment(b"k" * size).decode()}).encode()


def envelope(
    inside: bytes, algorithm: str = "RSA-OAEP", content: str = "A256GCM", **options: Any
) -> bytes:
    key = options.pop("key", None)
    if key is None:
        key = private_key("RSA").public_key()
    made: bytes = jwe.encrypt(inside, key, content, algorithm, **options)
    return made


@cache
def key_of(text: bytes) -> DecryptionKey:
    """Checking a private key takes long."""
    return read_decryption_key(text)


def reason(text: bytes, *keys: bytes) -> str:
    with pytest.raises(Unauthenticated) as caught:
        opened(text, [key_of(key) for key in keys or (rsa_pem(),)])
    return str(caught.value)


@pytest.mark.parametrize("algorithm", ["RSA-OAEP", "RSA-OAEP-256"])
@pytest.mark.parametrize("content", ["A128GCM", "A192GCM", "A256GCM"])
def test_rsa_envelopes(algorithm: str, content: str) -> None:
    made = envelope(token(), algorithm, content)
    assert is_envelope(made)
    jwk = RSAAlgorithm.to_jwk(private_key("RSA")).encode()
    for key in (rsa_pem(), jwk):
        assert opened(made, [key_of(key)]) == token()
    assert opened(made, [key_of(key) for key in (rsa_pem(1), rsa_pem())]) == token()
    assert reason(made, rsa_pem(1)) == UNREADABLE


@pytest.mark.parametrize(
    ("algorithm", "content", "size"),
    [("dir", "A128GCM", 16), ("dir", "A256GCM", 32), ("A128KW", "A256GCM", 16),
     ("A192KW", "A128GCM", 24), ("A256KW", "A256GCM", 32)],
)  # fmt: skip
def test_shared_key_envelopes(algorithm: str, content: str, size: int) -> None:
    made = envelope(b"inside", algorithm, content, key=b"k" * size)
    assert opened(made, [key_of(shared(size))]) == b"inside"
    assert reason(made, rsa_pem()) == UNREADABLE
    other = json.dumps({"kty": "oct", "k": segment(b"x" * size).decode()}).encode()
    assert reason(made, other) == UNREADABLE


@pytest.mark.parametrize(
    ("algorithm", "content"),
    [("RSA1_5", "A256GCM"), ("RSA-OAEP", "A128CBC-HS256"), ("RSA-OAEP", "A256CBC-HS512")],
)
def test_encryption_that_tells_callers_too_much_is_refused(algorithm: str, content: str) -> None:
    assert reason(envelope(token(), algorithm, content)) == UNREADABLE


def test_compressed_envelope_is_refused() -> None:
    assert reason(envelope(b"a" * 100_000, zip="DEF")) == UNREADABLE


def test_rsa_key_opens_nothing_made_with_its_public_text() -> None:
    public = private_key("RSA").public_key()
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert reason(envelope(b"inside", "A256KW", key=der[:32])) == UNREADABLE


def test_every_changed_part_is_refused() -> None:
    parts = envelope(token()).split(b".")
    for at, part in enumerate(parts):
        other = (b"B" if part[:1] == b"A" else b"A") + part[1:]
        for changed in (other, b"", part[4:], part + b"AAAA", b"\xff", b"=" + part):
            text = b".".join((*parts[:at], changed, *parts[at + 1 :]))
            assert reason(text) == UNREADABLE, (at, changed[:8])
    moved = parts[3] + parts[4]
    assert reason(b".".join((*parts[:3], moved, b""))) == UNREADABLE
    assert reason(b".".join((*parts[:3], b"", moved))) == UNREADABLE


@pytest.mark.parametrize(
    "header",
    [{}, [], 5, {"alg": "RSA-OAEP"}, {"alg": ["RSA-OAEP"], "enc": "A256GCM"},
     {"alg": "RSA-OAEP", "enc": 5}, {"alg": "none", "enc": "A256GCM"},
     {"alg": "RSA-OAEP", "enc": "A256GCM", "crit": ["x"]}],
)  # fmt: skip
def test_other_headers_are_refused(header: object) -> None:
    rest = envelope(token()).split(b".", 1)[1]
    assert reason(segment(header) + b"." + rest) == UNREADABLE


def test_long_envelope_is_refused_before_it_is_read() -> None:
    assert reason(b"a.b.c.d." + b"e" * MOST_TOKEN_BYTES) == UNREADABLE
    assert not is_envelope(b"." * (1 << 20))
    assert not is_envelope(token())


@pytest.mark.parametrize(
    "text",
    [b"", b"text", b"{}", b"[]", b'{"kty":"EC"}', b'{"kty":"oct"}', b'{"kty":"oct","k":5}',
     b'{"kty":"oct","k":"AAAA"}', b'{"kty":"oct","k":"!"}', b'{"kty":"RSA","n":"AQAB","e":"AQAB"}',
     b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", b"\xff\xfe"],
)  # fmt: skip
def test_other_texts_are_no_key(text: bytes) -> None:
    with pytest.raises(ValueError, match="expected a private RSA key"):
        read_decryption_key(text)


def test_keys_of_other_kinds_are_refused() -> None:
    public = private_key("RSA").public_key()
    texts = [
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        private_key("P-256").private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        RSAAlgorithm.to_jwk(public).encode(),
    ]
    for text in texts:
        with pytest.raises(ValueError, match="expected a private RSA key"):
            read_decryption_key(text)


def test_key_is_not_shown() -> None:
    assert "k" * 16 not in repr(read_decryption_key(shared(16)))
