"""What others say of the same tokens: examples of the RFCs, and PyJWT on generated ones."""

import json
from typing import Any

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authz.errors import Unauthenticated
from authz.jwt.key_set import read_key_set
from authz.jwt.token import read_header, split
from tests.authz.jwt.tokens import (
    KEY_OF,
    NOW_S,
    key_set,
    private_key,
    public_jwk,
    segment,
    verified,
)

EXAMPLES = {
    "RFC 7515 A.3": (
        "eyJhbGciOiJFUzI1NiJ9"
        ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
        "cGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
        ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSA"
        "pmWQxfKTUJqPP3-Kg6NU1Q",
        {
            "kty": "EC",
            "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        },
    ),
    "RFC 8037 A.4": (
        "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
        ".hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
        {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
    ),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_of_the_rfcs(name: str) -> None:
    text, key = EXAMPLES[name]
    parts = split(text.encode())
    keys = read_key_set(key_set(key))
    signature = parts.signature_bytes()
    assert keys.verified(read_header(parts.header), parts.signed, signature)
    assert not keys.verified(read_header(parts.header), parts.signed + b"A", signature)


scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner)
)
times = st.integers(NOW_S - 400, NOW_S + 400)
claim_sets = st.fixed_dictionaries(
    {"exp": times},
    optional={"nbf": times, "sub": st.text(max_size=5) | st.integers(), "x": values, "y": values},
)
algorithms = st.sampled_from(sorted(KEY_OF))
headers = st.dictionaries(st.sampled_from(["kid", "typ", "crit", "b64", "x"]), values, max_size=2)


@pytest.mark.slow
@settings(max_examples=200)
@given(claim_sets, headers, algorithms, st.none() | algorithms)
def test_pyjwt_believes_what_we_believe(
    claims: dict[str, Any], header: dict[str, Any], signed_as: str, other: str | None
) -> None:
    """Not the other way round: it has less to refuse. Its clock is the machine's."""
    called = other or signed_as
    key = private_key(KEY_OF[signed_as])
    head = segment({**header, "alg": called})
    algorithm = jwt.get_algorithm_by_name(signed_as)
    payload = segment(claims)
    signature = segment(algorithm.sign(head + b"." + payload, key))
    text = b".".join((head, payload, signature))
    public = public_jwk(KEY_OF[signed_as])
    try:
        found = verified(text, public)
    except Unauthenticated:
        return
    options: Any = {"verify_exp": False, "verify_nbf": False, "verify_aud": False}
    options |= {"verify_iat": False, "verify_sub": False}
    theirs = jwt.decode(text, jwt.PyJWK(public, called), [called], options)
    assert found.claims.to_python() == json.loads(json.dumps(theirs), parse_int=float)
    assert theirs["exp"] > NOW_S
    assert theirs.get("nbf", 0) <= NOW_S + 300


@given(claim_sets, algorithms)
def test_we_believe_what_pyjwt_signs_for_now(claims: dict[str, Any], algorithm: str) -> None:
    fits = claims["exp"] > NOW_S and isinstance(claims.get("sub", ""), str)
    text = jwt.encode(claims, private_key(KEY_OF[algorithm]), algorithm) if fits else ""
    if fits and claims.get("nbf", 0) <= NOW_S + 300:
        assert verified(text.encode(), public_jwk(KEY_OF[algorithm]))
