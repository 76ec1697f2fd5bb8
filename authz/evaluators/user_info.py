"""Metadata `userInfo`: what the OpenID provider tells of the token's owner (OpenID Connect Core
§5.3), asked with the caller's own credential.
"""

from dataclasses import dataclass, field

from authz.entry_reading import Reading
from authz.errors import EvaluatorFailed, Unavailable
from authz.evaluator import Identified, MetadataEvaluator, Turn
from authz.evaluators.jwt import JwtSpec
from authz.fields import Fields
from authz.json_text import read_json_object
from authz.jwt.discovery import Provider, ProviderUnavailable, Source
from authz.oauth_client import bearer_header
from authz.opening import Opening
from authz.outgoing.client import Outgoing
from authz.outgoing.errors import OutgoingError
from authz.outgoing.message import OutgoingRequest, OutgoingResponse

NO_CREDENTIAL = "the identity came without a credential to ask with"


@dataclass(frozen=True, slots=True)
class UserInfo:
    """Exactly one of `identity_source`, the name of a jwt entry, and `url` is given.

    success_only: a status outside 2xx is a failure, with the extensions `strict` and `required`;
    else a JSON object counts with any status, as it does with Authorino.
    """

    identity_source: str
    url: str = field(repr=False)
    timeout_s: float | None
    success_only: bool


def read_user_info(fields: Fields, reading: Reading) -> UserInfo:
    fields.known("identitySource", "userInfoUrl", "timeout")
    given = fields.one_of("identitySource", "userInfoUrl")
    return UserInfo(
        fields.required_text("identitySource") if given == "identitySource" else "",
        reading.url(fields, "userInfoUrl") if given == "userInfoUrl" else "",
        reading.timeout(fields),
        reading.extension.boolean("strict") or reading.extension.boolean("required"),
    )


class UserInfoMetadata(MetadataEvaluator):
    """source, provider: of the jwt entry that the spec names; None when it has no issuer."""

    def __init__(
        self,
        spec: UserInfo,
        source: Source | None,
        provider: Provider | None,
        outgoing: Outgoing,
    ) -> None:
        self._spec = spec
        self._source = source
        self._provider = provider
        self._outgoing = outgoing

    async def fetch(self, turn: Turn) -> object:
        identified = turn.identified
        endpoint = self._spec.url or await self._discovered(identified, turn.deadline)
        if identified is None or identified.credential is None:
            raise EvaluatorFailed(NO_CREDENTIAL)
        credential = identified.credential
        try:
            response = await self._outgoing.shared(
                (self, endpoint, credential), lambda: self._asked(endpoint, credential)
            )
        except OutgoingError as error:
            raise EvaluatorFailed(f"user info request failed: {error}") from error
        return self._claims(response)

    def start(self) -> None:
        if self._provider is not None:
            self._provider.start()

    def close(self) -> None:
        if self._provider is not None:
            self._provider.close()

    async def _discovered(self, identified: Identified | None, deadline: float | None) -> str:
        """The endpoint of the provider that vouched for the identity, which must be our own."""
        issuer = None if self._source is None else self._source.issuer
        if self._provider is None or identified is None or _issuer(identified) != issuer:
            raise EvaluatorFailed(
                f"missing identity for oidc issuer {issuer or self._spec.identity_source}. "
                "skipping related userinfo metadata"
            )
        try:
            document = await self._provider.metadata(deadline)
        except ProviderUnavailable as error:
            raise EvaluatorFailed(str(error)) from error
        endpoint = document.get("userinfo_endpoint")
        if not isinstance(endpoint, str):
            raise EvaluatorFailed("the provider has no userinfo_endpoint")
        return endpoint

    async def _asked(self, endpoint: str, credential: bytes) -> OutgoingResponse:
        return await self._outgoing.send(
            OutgoingRequest(
                "GET",
                endpoint,
                (bearer_header(credential),),
                timeout_s=self._spec.timeout_s,
                follow_redirects=True,
            )
        )

    def _claims(self, response: OutgoingResponse) -> dict[str, object]:
        if self._spec.success_only and not 200 <= response.status <= 299:
            raise EvaluatorFailed(f"user info request failed: {response.status_line}")
        try:
            return read_json_object(response.body)
        except ValueError as error:
            raise EvaluatorFailed(f"user info is {error}") from error


def _issuer(identified: Identified) -> str | None:
    spec = identified.entry.spec
    return spec.source.issuer if isinstance(spec, JwtSpec) and spec.source is not None else None


def open_user_info(spec: UserInfo, opening: Opening) -> UserInfoMetadata:
    services = opening.services
    if spec.url:
        return UserInfoMetadata(spec, None, None, services.outgoing)
    if spec.identity_source not in opening.specs:
        raise Unavailable(f"missing identity config {spec.identity_source}")
    named = opening.specs[spec.identity_source]
    source = named.source if isinstance(named, JwtSpec) else None
    provider = None if source is None else services.providers.open(source)
    return UserInfoMetadata(spec, source, provider, services.outgoing)
