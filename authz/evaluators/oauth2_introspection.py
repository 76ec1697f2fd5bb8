"""Authentication `oauth2Introspection`: the authorization server tells what a token is (RFC 7662).

The identity is its answer. Equal tokens at the same time are asked for once.
"""

from dataclasses import dataclass, field

from _fastpath.rule import CREDENTIAL_MISSING
from authz.entry_reading import Reading
from authz.errors import Overloaded, Unauthenticated
from authz.evaluator import IdentityEvaluator, Turn
from authz.fields import Fields
from authz.json_text import read_json
from authz.oauth_client import (
    ClientCredentials,
    open_credentials,
    read_credentials_ref,
    token_text,
)
from authz.opening import Opening
from authz.outgoing.client import Outgoing
from authz.outgoing.errors import DestinationBusy, OutgoingError
from authz.outgoing.message import OutgoingResponse

REQUEST_FAILED = "token introspection request failed"
INVALID_RESPONSE = "invalid token introspection response"
NO_ACTIVE = f'{INVALID_RESPONSE}: missing or non-boolean "active" field'
NOT_ACTIVE = "token is not active"
TOKEN_TYPE_HINT = "access_token"


@dataclass(frozen=True, slots=True)
class Introspection:
    """secret: the name of the one with the client's id and password."""

    endpoint: str = field(repr=False)
    token_type_hint: str
    secret: str
    timeout_s: float | None


def read_introspection(fields: Fields, reading: Reading) -> Introspection:
    fields.known("endpoint", "tokenTypeHint", "credentialsRef", "timeout")
    return Introspection(
        reading.url(fields, "endpoint"),
        fields.text("tokenTypeHint") or TOKEN_TYPE_HINT,
        read_credentials_ref(fields),
        reading.timeout(fields),
    )


class IntrospectedIdentity(IdentityEvaluator):
    def __init__(self, spec: Introspection, client: ClientCredentials, outgoing: Outgoing) -> None:
        self._spec = spec
        self._client = client
        self._outgoing = outgoing

    async def identify(self, turn: Turn, credential: bytes | None) -> object:
        if credential is None:
            raise Unauthenticated(CREDENTIAL_MISSING)
        try:
            token = token_text(credential)
        except ValueError:
            raise Unauthenticated(NOT_ACTIVE) from None
        try:
            response = await self._outgoing.shared((self, token), lambda: self._asked(token))
        except DestinationBusy as error:
            raise Overloaded from error  # says nothing about the caller
        except OutgoingError as error:
            raise Unauthenticated(f"{REQUEST_FAILED}: {error}") from error
        return _active(response)

    async def _asked(self, token: str) -> OutgoingResponse:
        spec = self._spec
        return await self._outgoing.send(
            self._client.post(
                spec.endpoint, spec.timeout_s, token=token, token_type_hint=spec.token_type_hint
            )
        )


def _active(response: OutgoingResponse) -> dict[str, object]:
    if response.status != 200:
        raise Unauthenticated(f"{REQUEST_FAILED}: {response.status_line}")
    try:
        answer = read_json(response.body)
    except ValueError as error:
        raise Unauthenticated(f"{INVALID_RESPONSE}: {error}") from error
    active = answer.get("active") if isinstance(answer, dict) else None
    if not isinstance(answer, dict) or not isinstance(active, bool):
        raise Unauthenticated(NO_ACTIVE)
    if not active:
        raise Unauthenticated(NOT_ACTIVE)
    return answer


def open_introspection(spec: Introspection, opening: Opening) -> IntrospectedIdentity:
    client = open_credentials(opening, spec.secret)
    return IntrospectedIdentity(spec, client, opening.services.outgoing)
