"""Tokens an endpoint's client gets for itself: OAuth 2.0 client credentials, RFC 6749 §4.4."""

import asyncio
import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote_plus, urlencode

from authz.entry_reading import Reading
from authz.errors import EvaluatorFailed
from authz.fields import Fields
from authz.json_text import read_json
from authz.opening import Opening
from authz.outgoing.client import Outgoing
from authz.outgoing.errors import OutgoingError
from authz.outgoing.message import OutgoingRequest, OutgoingResponse
from authz.secret_key import SecretKey, read_secret_key, secret_text

EARLY_S = 10.0  # a token is replaced so long before it expires
LONGEST_S = 3600.0  # how long one is kept that names no or a late expiry
_FORM = "application/x-www-form-urlencoded"
NO_TOKEN = "no client token"


@dataclass(frozen=True, slots=True)
class ClientTokenSpec:
    """keep: a token is used until it expires, instead of for one call."""

    token_url: str = field(repr=False)
    client_id: str
    client_secret: SecretKey
    scopes: tuple[str, ...]
    extra: Mapping[str, str]
    keep: bool
    timeout_s: float | None


def _client_secret(fields: Fields) -> SecretKey:
    if not fields.has("clientSecretRef"):
        fields.fault("is required", "clientSecretRef")
        return SecretKey("", "")
    return read_secret_key(fields.group("clientSecretRef"))


def read_client_token(fields: Fields, reading: Reading) -> ClientTokenSpec:
    fields.known(
        "tokenUrl", "clientId", "clientSecretRef", "scopes", "extraParams", "cache", "timeout"
    )
    extra = fields.group("extraParams")
    return ClientTokenSpec(
        reading.url(fields, "tokenUrl"),
        fields.required_text("clientId"),
        _client_secret(fields),
        fields.texts("scopes"),
        {name: extra.text(name) for name in extra.data},
        fields.boolean("cache") if fields.has("cache") else True,
        reading.timeout(fields),
    )


class ClientToken:
    """The token of one endpoint's client.

    The client's id and secret go into the header; a server that refuses them there gets them in the
    form (RFC 6749 §2.3.1), and from then on at once.
    """

    def __init__(self, spec: ClientTokenSpec, secret: str, outgoing: Outgoing) -> None:
        self._spec = spec
        self._secret = secret
        self._outgoing = outgoing
        self._in_form = False
        self._token: str | None = None
        self._until = 0.0

    async def get(self, deadline: float | None = None) -> str:
        """A token that is still good. Raises EvaluatorFailed."""
        if not self._spec.keep:
            return await self._fetched(deadline)
        if self._token is not None and asyncio.get_running_loop().time() < self._until:
            return self._token
        return await self._outgoing.shared(self, self._fetched)

    def forget(self) -> None:
        """The token was refused."""
        self._token = None

    async def _fetched(self, deadline: float | None = None) -> str:
        try:
            response = await self._asked(deadline)
        except OutgoingError as error:
            raise EvaluatorFailed(f"{NO_TOKEN}: {error}") from error
        if not 200 <= response.status < 300:
            raise EvaluatorFailed(f"{NO_TOKEN}: status {response.status}")
        try:
            answer = read_json(response.body)
        except ValueError as error:
            raise EvaluatorFailed(f"{NO_TOKEN}: {error}") from error
        token = answer.get("access_token") if isinstance(answer, dict) else None
        if not isinstance(answer, dict) or not isinstance(token, str) or not token:
            raise EvaluatorFailed(f"{NO_TOKEN}: the answer has none")
        lasts_s = min(_seconds(answer.get("expires_in")) or LONGEST_S, LONGEST_S) - EARLY_S
        self._token, self._until = token, asyncio.get_running_loop().time() + lasts_s
        return token

    async def _asked(self, deadline: float | None) -> OutgoingResponse:
        response = await self._outgoing.send(self._request(self._in_form), deadline)
        if 400 <= response.status < 500 and not self._in_form:
            response = await self._outgoing.send(self._request(True), deadline)
            self._in_form = response.status < 300
        return response

    def _request(self, in_form: bool) -> OutgoingRequest:
        spec = self._spec
        form = {"grant_type": "client_credentials"}
        if spec.scopes:
            form["scope"] = " ".join(spec.scopes)
        form |= spec.extra
        headers = [("Content-Type", _FORM), ("Accept", "application/json")]
        if in_form:
            form |= {"client_id": spec.client_id, "client_secret": self._secret}
        else:
            pair = f"{quote_plus(spec.client_id)}:{quote_plus(self._secret)}".encode()
            headers.append(("Authorization", f"Basic {base64.b64encode(pair).decode()}"))
        body = urlencode(sorted(form.items())).encode()
        return OutgoingRequest("POST", spec.token_url, tuple(headers), body, spec.timeout_s)


def open_client_token(spec: ClientTokenSpec, opening: Opening) -> ClientToken:
    """Raises errors.Unavailable."""
    secret = secret_text(spec.client_secret, opening)
    return ClientToken(spec, secret, opening.services.outgoing)


def _seconds(value: object) -> float:
    """`expires_in`; some servers write it as text."""
    try:
        return max(float(value), 0.0) if isinstance(value, str | float | int) else 0.0
    except ValueError:
        return 0.0
