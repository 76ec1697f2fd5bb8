"""Authorino's guides to introspection, user info, UMA resources and Kubernetes' reviews, behind a
real Envoy: the OpenID provider is Authlib's, the API server a small one of the tests."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.authz.kubernetes_server import KubernetesServer, kubernetes_server
from tests.authz.oidc_provider import CLIENT_ID, CLIENT_SECRET
from tests.authz.uma_provider import UmaProvider
from tests.e2e.async_servers import on_own_loop
from tests.e2e.bootstrap import authorized
from tests.e2e.processes import Answer, Envoy, Tollhouse, eventually, upstream

pytestmark = pytest.mark.slow
MANIFESTS = """
apiVersion: v1
kind: Secret
metadata: {name: client, namespace: shop}
stringData: {clientID: "%(client)s", clientSecret: "%(secret)s"}
---
apiVersion: authorino.kuadrant.io/v1beta3
kind: AuthConfig
metadata: {name: introspection, namespace: shop}
spec:
  hosts: [introspection.example.com]
  authentication:
    keycloak: &introspection
      oauth2Introspection:
        endpoint: "%(issuer)s/introspect"
        tokenTypeHint: access_token
        credentialsRef: {name: client}
    a12n:
      <<: *introspection
      when: [{selector: request.headers.x-both, operator: eq, value: "yes"}]
---
apiVersion: authorino.kuadrant.io/v1beta3
kind: AuthConfig
metadata: {name: user-info, namespace: shop}
spec:
  hosts: [user-info.example.com]
  authentication: {keycloak: {jwt: {issuerUrl: "%(issuer)s"}}}
  metadata: {userinfo: {userInfo: {identitySource: keycloak}}}
  authorization:
    active-tokens-only:
      patternMatching:
        patterns: [{selector: auth.metadata.userinfo.email, operator: neq, value: ""}]
---
apiVersion: authorino.kuadrant.io/v1beta3
kind: AuthConfig
metadata: {name: uma, namespace: shop}
spec:
  hosts: [uma.example.com]
  authentication: {keycloak: {jwt: {issuerUrl: "%(issuer)s"}}}
  metadata:
    resource-data: {uma: {endpoint: "%(issuer)s", credentialsRef: {name: client}}}
  authorization:
    owner:
      when: [{selector: request.path, operator: matches, value: "^/greetings/[0-9]+"}]
      patternMatching:
        patterns:
        - predicate: auth.metadata["resource-data"][0].owner.id == auth.identity.sub
---
apiVersion: authorino.kuadrant.io/v1beta3
kind: AuthConfig
metadata: {name: token-review, namespace: shop}
spec:
  hosts: [kubernetes.example.com]
  authentication:
    service-accounts:
      kubernetesTokenReview: {audiences: [talker-api]}
      overrides: {username: {selector: auth.identity.user.username}}
    api-key-users:
      apiKey: {selector: {matchLabels: {group: clients}}}
      credentials: {authorizationHeader: {prefix: APIKEY}}
      overrides: {username: {selector: auth.identity.metadata.annotations.username}}
  authorization:
    kubernetes-rbac:
      when: [{selector: request.method, operator: eq, value: POST}]
      kubernetesSubjectAccessReview: {user: {selector: auth.identity.username}}
---
apiVersion: v1
kind: Secret
metadata:
  {name: two, namespace: shop, labels: {group: clients}, annotations: {username: consumer-2}}
stringData: {api_key: key-of-consumer-2}
"""


@dataclass(frozen=True)
class Servers:
    """Tests set the plain attributes of their state."""

    provider: UmaProvider
    kubernetes: KubernetesServer


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    folder = tmp_path_factory.mktemp("servers")
    with (
        on_own_loop(UmaProvider(path="/realms/kuadrant")) as provider,
        on_own_loop(kubernetes_server(folder)) as kubernetes,
    ):
        provider.users = {name: {"email": f"{name}@kuadrant.test"} for name in ("john", "jane")}
        provider.resources = {
            "g1": {"_id": "g1", "owner": {"id": "john"}},
            "g2": {"_id": "g2", "owner": {"id": "jane"}},
        }
        provider.uris = {"/greetings/1": ["g1"], "/greetings/2": ["g2"]}
        yield Servers(provider, kubernetes)


@pytest.fixture(scope="module")
def envoy(tmp_path_factory: pytest.TempPathFactory, servers: Servers) -> Iterator[Envoy]:
    folder = tmp_path_factory.mktemp("guides")
    (folder / "manifests").mkdir()
    values = {
        "issuer": servers.provider.issuer,
        "client": CLIENT_ID,
        "secret": CLIENT_SECRET,
    }
    (folder / "manifests" / "guides.yaml").write_text(MANIFESTS % values)
    with pytest.MonkeyPatch.context() as patch, upstream() as echo:
        patch.setenv("KUBECONFIG", str(servers.kubernetes.kubeconfig))
        with Tollhouse(folder) as tollhouse:
            with Envoy(folder, authorized(echo, tollhouse.addresses.authz)) as running:
                yield running


@dataclass(frozen=True)
class Caller:
    """Asks for paths of one host with one credential."""

    envoy: Envoy
    host: str
    credential: str

    def __call__(self, path: str = "/", method: str = "GET", **headers: str) -> int:
        return self.ask(path, method, **headers).status

    def ask(self, path: str = "/", method: str = "GET", **headers: str) -> Answer:
        sent = {"authorization": self.credential, **headers}
        host = f"{self.host}.example.com"
        return self.envoy.get(path, method=method, host=host, headers=sent)


def test_oauth2_token_introspection(envoy: Envoy, servers: Servers) -> None:
    provider = servers.provider
    signed = Caller(envoy, "introspection", f"Bearer {provider.signed('ida')}")
    assert signed() == 200
    provider.logged_out.add("ida")
    assert signed() == 401
    token = provider.opaque("peter")
    opaque = Caller(envoy, "introspection", f"Bearer {token}")
    assert opaque() == 200
    provider.revoke(token)
    refused = opaque.ask(**{"x-both": "yes"})
    assert refused.status == 401
    assert refused.header("x-ext-auth-reason") == (
        '{"a12n":"token is not active","keycloak":"token is not active"}'
    )
    assert refused.all("www-authenticate") == ['Bearer realm="keycloak"', 'Bearer realm="a12n"']


def test_oidc_user_info(envoy: Envoy, servers: Servers) -> None:
    john = Caller(envoy, "user-info", f"Bearer {servers.provider.signed('john')}")
    eventually(lambda: john() == 200, "the provider's keys")
    servers.provider.logged_out.add("john")
    assert john() == 403
    servers.provider.logged_out.clear()
    assert john() == 200


def test_resource_level_authorization_uma(envoy: Envoy, servers: Servers) -> None:
    john, jane, peter = (
        Caller(envoy, "uma", f"Bearer {servers.provider.signed(name)}")
        for name in ("john", "jane", "peter")
    )
    eventually(lambda: john("/greetings") == 200, "the provider's keys")
    assert [john("/greetings/1"), john("/greetings/1", "DELETE")] == [200, 200]
    assert john("/greetings/2", "DELETE") == 403
    assert [jane("/greetings"), jane("/greetings/1")] == [200, 403]
    assert [jane("/greetings/1", "DELETE"), jane("/greetings/2", "DELETE")] == [403, 200]
    paths = ("/greetings", "/greetings/1", "/greetings/2", "/greetings/3")
    assert [peter(path) for path in paths] == [200, 403, 403, 403]
    assert john("/greetings/2?uri=/greetings/1") == 403
    assert john("/greetings/2&uri=/greetings/1") == 403


def test_kubernetes_reviews(envoy: Envoy, servers: Servers) -> None:
    kubernetes = servers.kubernetes
    kubernetes.tokens["account"] = ["talker-api"]
    kubernetes.tokens["other"] = ["somebody-else"]
    one = "system:serviceaccount:shop:toys"
    kubernetes.allowed = {(one, "/hi"), (one, "/say/blah"), ("consumer-2", "/hello")}
    account = Caller(envoy, "kubernetes", "Bearer account")
    key = Caller(envoy, "kubernetes", "APIKEY key-of-consumer-2")
    assert [account("/hi", "POST"), account("/say/blah", "POST"), account("/bye")] == [200] * 3
    assert [key("/say/blah", "POST"), key("/hello", "POST")] == [403, 200]
    refused = Caller(envoy, "kubernetes", "Bearer other").ask("/hi", "POST")
    assert refused.status == 401
    assert refused.header("x-ext-auth-reason") == (
        '{"api-key-users":"credential not found","service-accounts":"not authenticated"}'
    )
    denied = key.ask("/say/blah", "POST")
    assert denied.header("x-ext-auth-reason") == "not authorized: unknown reason"
    del kubernetes.tokens["account"]
    assert account("/hi", "POST") == 401
