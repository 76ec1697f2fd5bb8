"""Success item `wristband`: a signed token about the caller, for services behind the gateway.

Reference §2.16. Nothing is issued to who came with a token of the same issuer: it is one already.
"""

import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from _fastpath.text import json_of_value
from authz.config import Authentication
from authz.entry_reading import Reading
from authz.errors import EvaluatorFailed, Unavailable
from authz.evaluator import ResponseEvaluator, Turn
from authz.evaluators.jwt import JwtSpec
from authz.fields import Fields
from authz.opening import Opening
from authz.resolution import resolved
from authz.value import Value
from authz.wristband.discovery import Discovery, discovery_of
from authz.wristband.signing_key import ALGORITHMS, SigningKey, read_signing_key

DURATION_S = 300
KEY = "key.pem"
EXTENSIONS = ("audiences", "protectClaims", "tokenId")


@dataclass(frozen=True, slots=True)
class WristbandItem:
    """keys: Secret and algorithm of each; the first signs, the others are published only.

    protected: custom claims leave the standard ones alone. token_id: each has a `jti` of its own.
    """

    issuer: str
    claims: Mapping[str, Value]
    duration_s: int
    keys: tuple[tuple[str, str], ...]
    audiences: tuple[str, ...] = ()
    protected: bool = False
    token_id: bool = False


def read_wristband(fields: Fields, reading: Reading) -> WristbandItem:
    fields.known("issuer", "customClaims", "tokenDuration", "signingKeyRefs")
    duration_s = fields.integer("tokenDuration", DURATION_S)
    if duration_s < 1:
        fields.fault("expected at least one second", "tokenDuration")
    keys = []
    for item in fields.items("signingKeyRefs"):
        item.known("name", "algorithm")
        name, algorithm = item.required_text("name"), item.required_text("algorithm")
        if algorithm and algorithm not in ALGORITHMS:
            item.fault(f"expected one of {', '.join(ALGORITHMS)}", "algorithm")
        keys.append((name, algorithm))
    if not keys:
        fields.fault("expected at least one signing key", "signingKeyRefs")
    return WristbandItem(
        fields.required_text("issuer"),
        reading.values(fields, "customClaims"),
        duration_s,
        tuple(keys),
        reading.extension.texts("audiences"),
        reading.extension.boolean("protectClaims"),
        reading.extension.boolean("tokenId"),
    )


class Wristband(ResponseEvaluator):
    """`discovery`: what verifiers of its tokens ask for."""

    def __init__(self, spec: WristbandItem, keys: tuple[SigningKey, ...]) -> None:
        self._spec = spec
        self._key = keys[0]
        self.discovery: Discovery = discovery_of(spec.issuer, keys)

    async def produce(self, turn: Turn) -> object:
        """None for a caller with a token of the same issuer."""
        if turn.identified is not None and self._issued(turn.identified.entry):
            return None
        return await turn.run(self._key.sign, self._claims(turn))

    def _issued(self, entry: Authentication) -> bool:
        """Whether the identity is from a token of this issuer, whose keys it was verified with."""
        source = entry.spec.source if isinstance(entry.spec, JwtSpec) else None
        return source is not None and source.issuer == self._spec.issuer

    def _claims(self, turn: Turn) -> bytes:
        spec, now = self._spec, turn.wall_ns // 10**9
        auth = turn.document["auth"]
        identity = auth.get("identity") if isinstance(auth, Mapping) else None
        standard: dict[str, object] = {
            "iss": spec.issuer,
            "iat": now,
            "exp": now + spec.duration_s,
            "sub": hashlib.sha256(_json(identity)).hexdigest(),
        }
        if spec.audiences:
            standard["aud"] = spec.audiences[0] if len(spec.audiences) == 1 else [*spec.audiences]
        if spec.token_id:
            standard["jti"] = str(uuid.uuid4())
        custom = {
            name: resolved(value, turn.document, EvaluatorFailed)
            for name, value in spec.claims.items()
        }
        return _json({**custom, **standard} if spec.protected else {**standard, **custom})


def open_wristband(spec: WristbandItem, opening: Opening) -> Wristband:
    keys = []
    for name, algorithm in spec.keys:
        try:
            keys.append(read_signing_key(name, algorithm, opening.secret(name, KEY)))
        except ValueError as error:
            raise Unavailable(f"Secret {name!r}, key {KEY!r}: {error}") from error
    return Wristband(spec, tuple(keys))


def _json(value: object) -> bytes:
    """Raises EvaluatorFailed for what JSON has no form for."""
    try:
        return json_of_value(value, go_escapes=True).encode()
    except ValueError as error:
        raise EvaluatorFailed("a claim has no JSON form") from error
