"""kubernetesTokenReview and kubernetesSubjectAccessReview: reference §2.5 and §2.14, cases 13 and
41, and what a real API server was recorded to be asked."""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from authz.errors import Denied, Overloaded, Unauthenticated, Unavailable
from authz.evaluators.subject_access_review import (
    ReviewedAccess,
    open_subject_access_review,
)
from authz.evaluators.token_review import ReviewedIdentity, open_token_review
from authz.kinds import AUTHENTICATION, AUTHORIZATION
from authz.kubernetes_api import KubernetesApi
from authz.outgoing.bounds import OutgoingBounds
from authz.outgoing.client import Outgoing
from authz.services import Services
from authz.value import HostAndValue, StaticValue
from tests.authz.entries import faults, opening, read, turn
from tests.authz.http_backend import http_backend
from tests.authz.kubernetes_server import KubernetesServer, kubernetes_server, write_kubeconfig
from tests.authz.pki import Issued, root

TOKENS = AUTHENTICATION["kubernetesTokenReview"]
ACCESS = AUTHORIZATION["kubernetesSubjectAccessReview"]
SERVICES = Services()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[KubernetesServer]:
    async with kubernetes_server(tmp_path) as server:
        server.tokens["good"] = ["toys.com", "https://kubernetes.default.svc"]
        yield server


def identity(server: KubernetesServer, **fields: Any) -> ReviewedIdentity:
    spec = read(TOKENS, fields)
    return open_token_review(spec, opening(Services(kubernetes=server.api)))


def access(server: KubernetesServer, ignore_query: bool = False, **fields: Any) -> ReviewedAccess:
    spec = read(ACCESS, fields, ignoreQuery=ignore_query)
    return open_subject_access_review(spec, opening(Services(kubernetes=server.api)))


async def not_authenticated(
    evaluator: ReviewedIdentity, credential: bytes | None, host: str = "toys.com"
) -> str:
    with pytest.raises(Unauthenticated) as refused:
        await evaluator.identify(turn(SERVICES, host=host), credential)
    return str(refused.value)


async def denied(evaluator: ReviewedAccess, **request: Any) -> str:
    with pytest.raises(Denied) as refused:
        await evaluator.authorize(turn(SERVICES, **request))
    return str(refused.value)


# ---- tokens


async def test_a_token_for_the_host(server: KubernetesServer) -> None:
    found = await identity(server).identify(turn(SERVICES, host="toys.com"), b"good")
    assert isinstance(found, dict)
    assert found["user"]["username"] == "system:serviceaccount:shop:toys"
    assert (found["authenticated"], found["audiences"]) == (True, ["toys.com"])
    assert server.reviews() == [{"token": "good", "audiences": ["toys.com"]}]


async def test_tokens_for_somebody_else(server: KubernetesServer) -> None:
    evaluator = identity(server)
    assert await not_authenticated(evaluator, b"good", host="toys.com:80") == "not authenticated"
    assert await not_authenticated(evaluator, b"forged") == "not authenticated"
    for no_token in (b"\xff", b"a" * 40_000):
        assert await not_authenticated(evaluator, no_token) == "not authenticated"
    assert await not_authenticated(evaluator, None) == "credential not found"
    others = identity(server, audiences=["games"])
    assert await not_authenticated(others, b"good") == "not authenticated"


async def test_audiences_of_the_entry(server: KubernetesServer) -> None:
    evaluator = identity(server, audiences=["toys", "https://kubernetes.default.svc"])
    found = await evaluator.identify(turn(SERVICES), b"good")
    assert isinstance(found, dict)
    assert found["audiences"] == ["https://kubernetes.default.svc"]


@pytest.mark.parametrize(
    "status",
    [
        {"authenticated": True},
        {"authenticated": True, "audiences": []},
        {"authenticated": True, "audiences": ["https://kubernetes.default.svc"]},
        {"authenticated": "true", "audiences": ["toys.com"]},
        {"audiences": ["toys.com"]},
    ],
)
async def test_who_names_no_audience_of_ours_vouches_for_nobody(
    server: KubernetesServer, status: dict[str, Any]
) -> None:
    server.status = status
    assert await not_authenticated(identity(server), b"good") == "not authenticated"


async def test_equal_tokens_are_reviewed_once(server: KubernetesServer) -> None:
    evaluator = identity(server)
    await asyncio.gather(*(evaluator.identify(turn(SERVICES), b"good") for _ in range(5)))
    assert len(server.reviews()) == 1


# ---- access


async def test_path_and_method_of_the_request(server: KubernetesServer) -> None:
    server.allowed.add(("ann", "/hi"))
    evaluator = access(server, user={"selector": "auth.identity"})
    granted = await evaluator.authorize(turn(SERVICES, "/hi", "POST", identity="ann"))
    assert granted is True
    assert server.reviews() == [
        {"user": "ann", "nonResourceAttributes": {"path": "/hi", "verb": "post"}}
    ]
    assert await denied(evaluator, path="/hi", identity="bob") == "not authorized: unknown reason"


async def test_a_query_belongs_to_the_path_unless_told(server: KubernetesServer) -> None:
    server.allowed.add(("ann", "/hi"))
    user = {"value": "ann"}
    assert await denied(access(server, user=user), path="/hi?x") == "not authorized: unknown reason"
    plain = access(server, ignore_query=True, user=user)
    assert await plain.authorize(turn(SERVICES, "/hi?x=1?y")) is True


async def test_the_reason_is_told(server: KubernetesServer) -> None:
    server.status = {"allowed": False, "reason": "some-reason"}
    assert await denied(access(server, groups=["a"])) == "not authorized: some-reason"


@pytest.mark.parametrize("status", [{"allowed": True, "denied": True}, {"allowed": 1}, {}])
async def test_only_allowed_is_allowed(server: KubernetesServer, status: dict[str, Any]) -> None:
    server.status = {"reason": "", **status}
    assert await denied(access(server, groups=["a"])) == "not authorized: unknown reason"


async def test_resource_attributes(server: KubernetesServer) -> None:
    server.allowed.add(("ann", "car"))
    evaluator = access(
        server,
        user={"selector": "request.headers.x-user"},
        resourceAttributes={
            "namespace": {"value": "rec"},
            "group": {"value": "toys.rec.test"},
            "resource": {"value": "toys"},
            "name": {"selector": 'request.path.@extract:{"sep":"/","pos":2}'},
            "subresource": {"selector": "request.headers.x-none"},
            "verb": {"expression": 'request.method == "GET" ? "get" : "list"'},
        },
    )
    ann = {"x-user": "ann"}
    assert await evaluator.authorize(turn(SERVICES, "/toys/car", headers=ann)) is True
    assert server.reviews()[0]["resourceAttributes"] == {
        "namespace": "rec",
        "group": "toys.rec.test",
        "resource": "toys",
        "name": "car",
        "verb": "get",
    }
    expected = "not authorized: unknown reason"
    assert await denied(evaluator, path="/toys/doll", headers=ann) == expected


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        ({"value": ["talkers", "x"]}, {}),
        ({"selector": "request.headers.x-groups"}, {"x-groups": '["talkers", "x"]'}),
        ({"selector": "request.headers.x-groups.@fromstr"}, {"x-groups": '["talkers", "x"]'}),
        ({"expression": '["talkers", "x"]'}, {}),
    ],
)
async def test_groups_are_a_list_or_the_text_of_one(
    server: KubernetesServer, value: dict[str, Any], headers: dict[str, str]
) -> None:
    server.allowed.add(("talkers", "/"))
    evaluator = access(server, groups=["ignored"], authorizationGroups=value)
    assert await evaluator.authorize(turn(SERVICES, headers=headers)) is True
    assert server.reviews()[0]["groups"] == ["talkers", "x"]


@pytest.mark.parametrize(
    "groups", ['"talkers"', "talkers", "", "{}", "[1]", '["a"', "null", "[" * 100_000]
)
async def test_other_groups_are_denied(server: KubernetesServer, groups: str) -> None:
    selected = {"selector": "request.headers.x-groups"}
    evaluator = access(server, user={"value": "ann"}, authorizationGroups=selected)
    reason = await denied(evaluator, headers={"x-groups": groups})
    assert reason == "authorizationGroups: expected a list of strings"
    assert server.reviews() == []


async def test_a_value_that_fails_is_denied(server: KubernetesServer) -> None:
    evaluator = access(server, user={"expression": "auth.identity.name"})
    assert await denied(evaluator, identity={}) == "no such key: name"


# ---- the API server


async def test_an_error_of_the_api_server_is_the_reason(server: KubernetesServer) -> None:
    message = 'the server says: spec.user: Invalid value: ""'
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    server.backend.says(path, {"kind": "Status", "message": message}, status=422)
    assert await denied(access(server, groups=["a"])) == message
    server.backend.says(path, "<html>", status=502)
    assert await denied(access(server, groups=["a"])) == "Kubernetes API: 502 Bad Gateway"
    server.backend.says(path, {"kind": "Status", "message": "m" * 5000}, status=403)
    assert len(await denied(access(server, groups=["a"]))) == 1024
    for odd in ([], {"status": None}, "text"):
        server.backend.says(path, odd, status=201)
        assert await denied(access(server, groups=["a"])) == (
            "Kubernetes API: the answer has no status"
        )


async def test_a_credential_that_has_expired_is_looked_for_again(
    server: KubernetesServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("authz.kubernetes_api.RETRY_S", 0)
    evaluator = identity(server)
    await evaluator.identify(turn(SERVICES), b"good")
    server.credential = "second"
    assert await not_authenticated(evaluator, b"good") == "Unauthorized"
    write_kubeconfig(tmp_path / "kubeconfig", server.backend.url, "second")
    await evaluator.identify(turn(SERVICES), b"good")


async def test_a_certificate_is_shown_to_the_clusters_authority_only(tmp_path: Path) -> None:
    cluster, stranger = root("cluster"), root("stranger")
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    server, client = cluster.issue("apiserver", extensions=[address]), cluster.issue("tollhouse")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_key_pair(tmp_path, server))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=cluster.pem)
    kubeconfig = tmp_path / "kubeconfig"
    async with http_backend(tls=context) as backend:
        backend.says("/apis/authentication.k8s.io/v1/tokenreviews", {"status": {}}, status=201)
        outcomes = []
        for authority in (cluster, stranger):
            write_kubeconfig(
                kubeconfig, backend.url, "", **_data("certificate-authority", authority)
            )
            document = json.loads(kubeconfig.read_text())
            document["users"][0]["user"] = _data("client-certificate", client)
            document["users"][0]["user"]["client-key"] = str(_key_pair(tmp_path, client))
            kubeconfig.write_text(json.dumps(document))
            api = KubernetesApi({"KUBECONFIG": str(kubeconfig)})
            evaluator = open_token_review(read(TOKENS, {}), opening(Services(kubernetes=api)))
            outcomes.append(await not_authenticated(evaluator, b"good"))
            await api.close()
        assert outcomes == ["not authenticated", "Kubernetes API: the connection failed"]
        assert len(backend.seen) == 1
        assert "authorization" not in backend.seen[0].headers


def _data(name: str, issued: Issued) -> dict[str, str]:
    return {f"{name}-data": base64.b64encode(issued.pem.encode()).decode()}


def _key_pair(folder: Path, issued: Issued) -> Path:
    """A file with a certificate and its key."""
    form = Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    file = folder / f"{issued.certificate.serial_number}.pem"
    file.write_bytes(issued.pem.encode() + issued.key.private_bytes(*form))
    return file


async def test_a_burst_waits(server: KubernetesServer) -> None:
    server.tokens |= {f"t{number}": ["toys.com"] for number in range(500)}
    evaluator = identity(server)
    calls = [evaluator.identify(turn(SERVICES), name.encode()) for name in server.tokens]
    assert len(await asyncio.gather(*calls)) == 501


async def test_when_too_many_wait_nobody_is_told_to_log_in(
    server: KubernetesServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        server.api, "outgoing", Outgoing(OutgoingBounds(per_destination=0, waiting=0))
    )
    with pytest.raises(Overloaded):
        await identity(server).identify(turn(SERVICES), b"good")


async def test_the_server_is_looked_for_before_it_is_needed(
    server: KubernetesServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluator = identity(server)
    evaluator.start()
    evaluator.start()
    await evaluator.identify(turn(SERVICES), b"good")
    monkeypatch.setattr("authz.kubernetes_cluster.load_kube_config", None)
    evaluator.start()
    await evaluator.identify(turn(SERVICES), b"good")


async def test_out_of_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    api = KubernetesApi({"KUBECONFIG": str(kubeconfig)})
    evaluator = open_token_review(read(TOKENS, {}), opening(Services(kubernetes=api)))
    expected = "the Kubernetes API cannot be reached"
    assert await not_authenticated(evaluator, b"good") == expected
    write_kubeconfig(kubeconfig, "http://127.0.0.1:1", "t")
    assert await not_authenticated(evaluator, b"good") == expected  # not looked at again so soon
    monkeypatch.setattr(api, "_next_attempt", 0)
    assert await not_authenticated(evaluator, b"good") == "Kubernetes API: the connection failed"
    await api.close()


@pytest.mark.parametrize(
    "text", ["[", "", "a: b", "current-context: x", "[]", "current-context: 1"]
)
async def test_a_kubeconfig_that_is_none_is_not_quoted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(text + " # hunter2")
    api = KubernetesApi({"KUBECONFIG": str(kubeconfig)})
    evaluator = open_token_review(read(TOKENS, {}), opening(Services(kubernetes=api)))
    expected = "the Kubernetes API cannot be reached"
    assert await not_authenticated(evaluator, b"good") == expected
    assert "hunter2" not in caplog.text
    await api.close()


async def test_a_configuration_is_not_waited_for_forever(monkeypatch: pytest.MonkeyPatch) -> None:
    async def load(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("authz.kubernetes_cluster.load_kube_config", load)
    api = KubernetesApi({"KUBECONFIG": "one with a program that hangs"})
    evaluator = open_token_review(read(TOKENS, {"timeout": 20}), opening(Services(kubernetes=api)))
    expected = "the Kubernetes API cannot be reached"
    assert await not_authenticated(evaluator, b"good") == expected
    await api.close()


def test_without_a_cluster_entries_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("authz.kubernetes_api.HOME", Path("/nowhere"))
    services = Services(kubernetes=KubernetesApi({}))
    for kind in (TOKENS, ACCESS):
        with pytest.raises(Unavailable, match="no Kubernetes API server is configured"):
            kind.open(read(kind, {} if kind is TOKENS else {"groups": ["a"]}), opening(services))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({}, ["entry: expected at least one of user, groups, authorizationGroups"]),
        ({"groups": []}, ["entry.groups: expected at least one group"]),
        (
            {"user": {"value": "a"}, "resourceAttributes": {"version": {"value": "v1"}}},
            [
                "entry.resourceAttributes.version: is not a field here, expected one of "
                "namespace, group, resource, name, subresource, verb"
            ],
        ),
    ],
)
def test_faults(data: dict[str, Any], expected: list[str]) -> None:
    assert faults(ACCESS, data) == expected


def test_without_audiences_the_host_belongs_to_the_key() -> None:
    for audiences, same in (([], False), (["toys.com"], True)):
        spec = read(TOKENS, {"audiences": audiences})
        key = TOKENS.cache_key(spec, StaticValue.of("all"))
        keys = [key.resolve(turn(SERVICES, host=host).document) for host in ("toys.com", "b.com")]
        assert (keys[0] == keys[1]) is same
    assert HostAndValue(StaticValue.of(None)).resolve({}) is None
