"""Authentication `jwt`: the identity is the claims of a token that its issuer signed."""

from dataclasses import dataclass

from _fastpath.rule import CREDENTIAL_MISSING
from authz.entry_reading import Reading
from authz.errors import Unauthenticated, Unavailable
from authz.evaluator import IdentityEvaluator, Turn
from authz.fields import Fields
from authz.jwt.decryption import read_decryption_key
from authz.jwt.discovery import Source
from authz.jwt.trusted_keys import KeySetUrl, KeySource
from authz.jwt.verification import Expected
from authz.jwt.verifier import Acceptance, TokenVerifier
from authz.opening import Opening
from authz.secret_key import SecretKey, read_secret_key

EXTENSIONS = ("issuer", "audiences", "decryptionKeys")


@dataclass(frozen=True, slots=True)
class JwtSpec:
    """decryption_keys: where the keys are that open encrypted tokens; none: they are refused."""

    keys: KeySource
    expected: Expected
    decryption_keys: tuple[SecretKey, ...] = ()

    @property
    def source(self) -> Source | None:
        """The issuer's discovery document; None for a plain key set."""
        return self.keys if isinstance(self.keys, Source) else None


def read_jwt(fields: Fields, reading: Reading) -> JwtSpec:
    fields.known("issuerUrl", "jwksUrl", "ttl", "timeout", "issuer")
    fields.one_of("issuerUrl", "jwksUrl")
    extension = reading.extension
    issuer = fields.text("issuer") or extension.text("issuer")
    if fields.has("issuer") and extension.text("issuer", issuer) != issuer:
        extension.fault("differs from the field jwt.issuer", "issuer")
    timeout_s = reading.timeout(fields)
    refresh_s = max(fields.integer("ttl"), 0)
    keys: KeySource
    if "jwksUrl" in fields.data:
        keys = KeySetUrl(reading.url(fields, "jwksUrl"), timeout_s)
    else:
        keys = Source.openid(reading.url(fields, "issuerUrl"), issuer, timeout_s, refresh_s)
    audiences = frozenset(extension.texts("audiences"))
    return JwtSpec(keys, Expected(issuer, audiences), _decryption_keys(extension))


def _decryption_keys(extension: Fields) -> tuple[SecretKey, ...]:
    return tuple(map(read_secret_key, extension.items("decryptionKeys")))


class JwtIdentity(IdentityEvaluator):
    """scope: of its tokens in the table of remembered results, for life."""

    scope: int

    def __init__(self, verifier: TokenVerifier) -> None:
        self.verifier = verifier
        self.scope = verifier.scope

    def start(self) -> None:
        self.verifier.start()

    def close(self) -> None:
        self.verifier.close()

    async def identify(self, turn: Turn, credential: bytes | None) -> object:
        if credential is None:
            raise Unauthenticated(CREDENTIAL_MISSING)
        return await self.verifier.claims(turn, credential)


def open_jwt(spec: JwtSpec, opening: Opening) -> JwtIdentity:
    keys = []
    for place in spec.decryption_keys:
        try:
            keys.append(read_decryption_key(opening.secret(place.name, place.key)))
        except ValueError as error:
            raise Unavailable(f"{place}: {error}") from None
    acceptance = Acceptance(spec.keys, spec.expected, tuple(keys))
    return JwtIdentity(opening.services.verifiers.open(acceptance))
