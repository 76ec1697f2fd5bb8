"""Metadata `uma`: what a resource server has registered for the path of a request (User-Managed
Access 2.0, Federated Authorization §3).

Three steps per request: a token for the registration endpoint (client credentials), the ids of the
resources with the request's path as their URI, and each resource.
"""

import asyncio
from dataclasses import dataclass, field, replace
from urllib.parse import quote

from authz.entry_reading import Reading
from authz.errors import EvaluatorFailed
from authz.evaluator import MetadataEvaluator, Turn
from authz.evaluators.client_token import ClientToken, ClientTokenSpec
from authz.fields import Fields
from authz.json_text import read_json
from authz.jwt.discovery import Provider, ProviderUnavailable, Source
from authz.oauth_client import (
    ClientCredentials,
    open_credentials,
    read_credentials_ref,
)
from authz.opening import Opening
from authz.outgoing.client import Outgoing
from authz.outgoing.errors import OutgoingError
from authz.outgoing.message import OutgoingRequest, OutgoingResponse
from authz.secret_key import SecretKey

MOST_RESOURCES = 64
# Escapes of a path stay escapes; what would end the parameter does not stay as it is.
KEPT = "%/:@!$'()*,;=~[]?"


@dataclass(frozen=True, slots=True)
class Uma:
    """secret: the name of the one with the client's id and password."""

    endpoint: str = field(repr=False)
    secret: str
    timeout_s: float | None


def read_uma(fields: Fields, reading: Reading) -> Uma:
    fields.known("endpoint", "credentialsRef", "timeout")
    return Uma(
        reading.url(fields, "endpoint"), read_credentials_ref(fields), reading.timeout(fields)
    )


class UmaMetadata(MetadataEvaluator):
    def __init__(
        self, spec: Uma, provider: Provider, client: ClientCredentials, outgoing: Outgoing
    ) -> None:
        key = SecretKey(spec.secret, "clientSecret")
        self._token = ClientTokenSpec("", client.id, key, (), {}, False, spec.timeout_s)
        self._secret = client.secret
        self._provider = provider
        self._outgoing = outgoing

    async def fetch(self, turn: Turn) -> object:
        """The resources in the order of their ids; those that cannot be read are left out."""
        try:
            document = await self._provider.metadata(turn.deadline)
        except ProviderUnavailable as error:
            raise EvaluatorFailed(str(error)) from error
        token_endpoint = _endpoint(document.get("token_endpoint"))
        registration = _endpoint(document.get("resource_registration_endpoint"))
        request = turn.document.get("request")
        path = str(request.get("path", "")) if isinstance(request, dict) else ""
        return await self._outgoing.shared(
            (self, token_endpoint, registration, path),
            lambda: self._resources(token_endpoint, registration, path),
        )

    def start(self) -> None:
        self._provider.start()

    def close(self) -> None:
        self._provider.close()

    async def _resources(self, token_endpoint: str, registration: str, path: str) -> list[object]:
        token = await self._token_of(token_endpoint).get()
        separator = "&" if "?" in registration else "?"
        ids = await self._get(f"{registration}{separator}uri={quote(path, KEPT)}", token)
        if not isinstance(ids, list) or not all(isinstance(name, str) for name in ids):
            raise EvaluatorFailed("the UMA provider gave no list of resource ids")
        if len(ids) > MOST_RESOURCES:
            raise EvaluatorFailed(f"more than {MOST_RESOURCES} resources match")
        found = await asyncio.gather(*(self._resource(registration, name, token) for name in ids))
        return [resource for resource in found if resource is not None]

    async def _resource(self, registration: str, name: str, token: str) -> dict[str, object] | None:
        base, query, parameters = registration.partition("?")
        url = f"{base}/{quote(name, safe='')}{query}{parameters}"
        try:
            resource = await self._get(url, token)
        except EvaluatorFailed:
            return None
        return resource if isinstance(resource, dict) else None

    def _token_of(self, endpoint: str) -> ClientToken:
        """For the protection API; not kept, for a provider may end it at any time."""
        return ClientToken(replace(self._token, token_url=endpoint), self._secret, self._outgoing)

    async def _get(self, url: str, token: str) -> object:
        headers = ("Authorization", f"Bearer {token}"), ("Content-Type", "application/json")
        return await self._sent(
            OutgoingRequest("GET", url, headers, timeout_s=self._token.timeout_s)
        )

    async def _sent(self, request: OutgoingRequest) -> object:
        try:
            response = await self._outgoing.send(request)
            return _read(response)
        except OutgoingError as error:
            raise EvaluatorFailed(f"UMA request failed: {error}") from error


def _read(response: OutgoingResponse) -> object:
    if not 200 <= response.status <= 299:
        raise EvaluatorFailed(f"UMA request failed: {response.status_line}")
    try:
        return read_json(response.body)
    except ValueError as error:
        raise EvaluatorFailed(f"UMA request failed: the answer is {error}") from error


def _endpoint(value: object) -> str:
    if not isinstance(value, str):
        raise EvaluatorFailed("failed to decode uma provider discovery object")
    return value


def open_uma(spec: Uma, opening: Opening) -> UmaMetadata:
    services = opening.services
    client = open_credentials(opening, spec.secret)
    provider = services.providers.open(Source.uma2(spec.endpoint, timeout_s=spec.timeout_s))
    return UmaMetadata(spec, provider, client, services.outgoing)
