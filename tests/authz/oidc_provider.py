"""An OpenID provider for tests: Authlib's authorization server behind aiohttp, on a free port."""

import time
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from types import TracebackType
from typing import Any

from aiohttp import web
from authlib.oauth2 import OAuth2Error, ResourceProtector
from authlib.oauth2.rfc6749 import AuthorizationServer, ClientMixin, OAuth2Request, TokenMixin
from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant
from authlib.oauth2.rfc6750 import BearerTokenGenerator, BearerTokenValidator
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from authlib.oidc.core import UserInfo
from authlib.oidc.discovery import OpenIDProviderMetadata
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, RSAKey

CLIENT_ID = "tollhouse"
CLIENT_SECRET = "secret/with+odd=signs"


@dataclass(frozen=True)
class Client(ClientMixin):
    client_id: str
    secret: str

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == self.secret

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == "client_secret_basic"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "client_credentials"

    def get_allowed_scope(self, scope: str) -> str:
        return scope


@dataclass
class IssuedToken(TokenMixin):
    """An opaque token, of a user or of the client itself."""

    text: str
    username: str
    scope: str
    expires_at: float
    revoked: bool = False

    def check_client(self, client: Client) -> bool:
        return True

    def get_scope(self) -> str:
        return self.scope

    def is_expired(self) -> bool:
        return self.expires_at < time.time()

    def is_revoked(self) -> bool:
        return self.revoked


class _Form:
    def __init__(self, data: dict[str, str]) -> None:
        self.data = data
        self.grant_type = data.get("grant_type")
        self.client_id = data.get("client_id")
        self.scope = data.get("scope", "")


class _Request(OAuth2Request):
    """What Authlib sees of a request. It insists on TLS, which a test does without."""

    def __init__(self, request: web.Request, form: dict[str, str]) -> None:
        super().__init__(request.method, f"https://{request.host}{request.path_qs}")
        self.headers = request.headers
        self.payload = _Form(form)

    @property
    def form(self) -> dict[str, str]:
        return self.payload.data


class _Server(AuthorizationServer):
    def __init__(self, provider: "OidcProvider", clients: dict[str, Client]) -> None:
        super().__init__()
        self.provider = provider
        self.clients = clients
        generate = BearerTokenGenerator(lambda **_: f"pat-{len(provider.tokens)}")
        self.register_token_generator("default", generate)
        self.register_grant(ClientCredentialsGrant)
        self.register_endpoint(_Introspection)
        self.register_endpoint(_Revocation)

    def query_client(self, client_id: str) -> Client | None:
        return self.clients.get(client_id)

    def save_token(self, token: dict[str, Any], request: OAuth2Request) -> None:
        text = token["access_token"]
        expires_at = time.time() + token["expires_in"]
        issued = IssuedToken(text, request.client.client_id, "uma", expires_at)
        self.provider.tokens[text] = issued

    def create_oauth2_request(self, request: _Request) -> _Request:
        return request

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        pass

    def handle_response(self, status: int, body: Any, headers: Any) -> web.Response:
        kept = {name: value for name, value in headers or () if name != "Content-Type"}
        return web.json_response(body, status=status, headers=kept)


class _Introspection(IntrospectionEndpoint):
    def check_permission(self, token: IssuedToken, client: Client, request: object) -> bool:
        return True

    def query_token(self, token_string: str, token_type_hint: str) -> IssuedToken | None:
        return self.server.provider.find(token_string)

    def introspect_token(self, token: IssuedToken) -> dict[str, Any]:
        return {
            "username": token.username,
            "scope": token.scope,
            "exp": int(token.expires_at),
            "client_id": CLIENT_ID,
        }


class _Revocation(RevocationEndpoint):
    def query_token(self, token_string: str, token_type_hint: str) -> IssuedToken | None:
        return self.server.provider.tokens.get(token_string)

    def revoke_token(self, token: IssuedToken, request: object) -> None:
        token.revoked = True


class _Validator(BearerTokenValidator):
    def __init__(self, provider: "OidcProvider") -> None:
        super().__init__()
        self.authenticate_token = provider.find


@cache
def _keys(number: int) -> tuple[RSAKey, ECKey]:
    """Making them takes longer than a test, so all providers of a process have the same."""
    return (
        RSAKey.generate_key(2048, {"kid": f"rsa-{number}", "use": "sig", "alg": "RS256"}),
        ECKey.generate_key("P-256", {"kid": f"ec-{number}", "use": "sig", "alg": "ES256"}),
    )


@dataclass
class OidcProvider:
    """`async with OidcProvider() as provider`.

    hits: requests by path below the issuer. broken: statuses that paths answer instead, 0 for a
    connection that is closed. users: claims by `sub`. logged_out: whose tokens the provider itself
    does not take any more. overrides: members of the discovery document
    that are to be other than they should; None leaves one out.
    """

    path: str = ""
    hits: Counter[str] = field(default_factory=Counter)
    broken: dict[str, int] = field(default_factory=dict)
    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    logged_out: set[str] = field(default_factory=set)
    tokens: dict[str, IssuedToken] = field(default_factory=dict)
    overrides: dict[str, Any] = field(default_factory=dict)
    keys: list[RSAKey | ECKey] = field(default_factory=list)
    issuer: str = ""

    async def __aenter__(self) -> "OidcProvider":
        self.rotate()
        clients = {CLIENT_ID: Client(CLIENT_ID, CLIENT_SECRET)}
        self._server = _Server(self, clients)
        self._protector = ResourceProtector()
        self._protector.register_token_validator(_Validator(self))
        app = web.Application(middlewares=[self._switches])
        for path, method in (
            ("/token", self._server.create_token_response),
            ("/introspect", lambda r: self._server.create_endpoint_response("introspection", r)),
            ("/revoke", lambda r: self._server.create_endpoint_response("revocation", r)),
        ):
            app.router.add_post(self.path + path, _form_handler(method))
        app.router.add_get(f"{self.path}/.well-known/openid-configuration", self._discovery)
        app.router.add_get(f"{self.path}/jwks", self._jwks)
        app.router.add_get(f"{self.path}/userinfo", self._userinfo)
        self.routes(app)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0]
        self.issuer = f"http://{host}:{port}{self.path}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._runner.cleanup()

    def routes(self, app: web.Application) -> None:
        """For tests that extend the provider."""

    def rotate(self) -> None:
        """New keys: RS256 first, then ES256."""
        self.hits["rotations"] += 1
        self.keys = [*_keys(self.hits["rotations"])]

    def key_set(self) -> KeySet:
        return KeySet(list(self.keys))

    def signed(self, sub: str, algorithm: str = "RS256", **claims: Any) -> str:
        """A JWT of this provider for a user, an hour long."""
        now = int(time.time())
        key = next(key for key in self.keys if key.get("alg") == algorithm)
        body = {"iss": self.issuer, "sub": sub, "iat": now, "exp": now + 3600, **claims}
        return jwt.encode({"alg": algorithm, "kid": key.kid}, body, key, algorithms=[algorithm])

    def find(self, text: str) -> IssuedToken | None:
        """Opaque tokens by the table, signed ones by the provider's own keys."""
        if text.count(".") != 2:
            return self.tokens.get(text)
        try:
            claims = jwt.decode(text, self.key_set(), ["RS256", "ES256"]).claims
        except JoseError:
            return None
        gone = claims["sub"] in self.logged_out
        return IssuedToken(text, claims["sub"], "openid", claims["exp"], revoked=gone)

    def opaque(self, username: str, scope: str = "openid", lifetime_s: float = 3600) -> str:
        """A token that means something to nobody else."""
        text = f"opaque-{len(self.tokens)}"
        self.tokens[text] = IssuedToken(text, username, scope, time.time() + lifetime_s)
        return text

    def revoke(self, token: str) -> None:
        self.tokens[token].revoked = True

    @web.middleware
    async def _switches(self, request: web.Request, handler: Any) -> web.StreamResponse:
        path = request.path.removeprefix(self.path)
        self.hits[path] += 1
        status = self.broken.get(path)
        if status == 0:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if status is not None:
            return web.json_response({"error": "broken"}, status=status)
        response: web.StreamResponse = await handler(request)
        return response

    async def _discovery(self, request: web.Request) -> web.Response:
        document = OpenIDProviderMetadata(
            issuer=self.issuer,
            authorization_endpoint=f"{self.issuer}/authorize",
            token_endpoint=f"{self.issuer}/token",
            introspection_endpoint=f"{self.issuer}/introspect",
            revocation_endpoint=f"{self.issuer}/revoke",
            userinfo_endpoint=f"{self.issuer}/userinfo",
            jwks_uri=f"{self.issuer}/jwks",
            response_types_supported=["code"],
            subject_types_supported=["public"],
            id_token_signing_alg_values_supported=["RS256", "ES256"],
        )
        document.update(self.overrides)
        return web.json_response({k: v for k, v in document.items() if v is not None})

    async def _jwks(self, request: web.Request) -> web.Response:
        return web.json_response(self.key_set().as_dict(private=False))

    async def _userinfo(self, request: web.Request) -> web.Response:
        seen = _Request(request, {})
        try:
            token = self._protector.validate_request(["openid"], seen)
        except OAuth2Error as error:
            return web.json_response({"error": type(error).__name__}, status=401)
        claims = {"sub": token.username, **self.users.get(token.username, {})}
        return web.json_response(UserInfo(claims))


def _form_handler(answer: Any) -> Any:
    async def handle(request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        response: web.Response = answer(_Request(request, form))
        return response

    return handle
