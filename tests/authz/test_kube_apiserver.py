"""Reviews by a real kube-apiserver: the answers that Authorino gave with one, and its e2e cases.

`scripts/kube-apiserver` builds the server; etcd is Debian's etcd-server.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from envoy.service.auth.v3 import external_auth_pb2
from google.protobuf.json_format import ParseDict

from authz.kubernetes_api import KubernetesApi
from tests.authz.http_lanes import CallingLanes, calling_lanes
from tests.authz.kube_apiserver import ETCD, PROGRAM, KubeApiserver, kube_apiserver

RECORDED = Path(__file__).resolve().parents[3] / "shared/recordings/authorino/unreplayable"
TOKEN = re.compile(r"\$\{SATOKEN:([^:]*):([^:]*):([^}]*)\}")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PROGRAM.exists(), reason="scripts/kube-apiserver was not run"),
    pytest.mark.skipif(ETCD is None, reason="etcd is not installed"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeApiserver]:
    with kube_apiserver(tmp_path_factory.mktemp("kube")) as server:
        server.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "rec"}})
        yield server


@pytest.fixture
async def lanes(server: KubeApiserver) -> AsyncIterator[CallingLanes]:
    async with calling_lanes() as lanes:
        lanes.services.kubernetes = KubernetesApi({"KUBECONFIG": str(server.kubeconfig)})
        yield lanes


@pytest.mark.skipif(not RECORDED.is_dir(), reason="the recordings are not here")
@pytest.mark.parametrize("name", ["kube-tokenreview", "kube-sar-nonresource", "kube-sar-resource"])
async def test_recorded_answers(server: KubeApiserver, lanes: CallingLanes, name: str) -> None:
    case = json.loads((RECORDED / f"{name}.json").read_text())
    for document in case["objects"]:
        if document["kind"] != "AuthConfig":
            server.create(document)
            continue
        config = document["metadata"]["name"]
        assert not lanes.configuration.put_auth_config("rec", config, document)
    lanes.publish()
    for step in case["steps"]:
        text = TOKEN.sub(lambda found: server.token(*found.groups()), json.dumps(step["request"]))
        message = ParseDict(json.loads(text), external_auth_pb2.CheckRequest())
        answer = await lanes.check(message.SerializeToString())
        wanted = step["answer"]
        part = wanted.get("denied") or wanted["ok"]
        assert answer.code == wanted["status"]["code"], (step["name"], answer)
        assert answer.http_status == part.get("http_status", 200), step["name"]
        got, headers = sorted(answer.headers), sorted(part["headers"], key=lambda pair: pair[0])
        assert [key for key, _ in got] == [key for key, _ in headers], step["name"]
        for (_, value), (_, expected) in zip(got, headers, strict=True):
            assert _fits(value, expected), (step["name"], value, expected)


def _fits(value: str, expected: Any) -> bool:
    if isinstance(expected, dict):
        return re.fullmatch(expected["$regex"], value) is not None
    # Before the dot stands the kind, which servers leave out or not.
    return value == expected or value.endswith(expected)


async def test_an_account_needs_the_role_of_a_delegator(
    server: KubeApiserver, lanes: CallingLanes, tmp_path: Path
) -> None:
    """`system:auth-delegator` is all that the documentation asks for."""
    account = {"kind": "ServiceAccount", "name": "tollhouse", "namespace": "rec"}
    server.create(
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": "tollhouse", "namespace": "rec"},
        }
    )
    kubeconfig = json.loads(server.kubeconfig.read_text())
    kubeconfig["users"][0]["user"]["token"] = server.token("rec", "tollhouse", "")
    (tmp_path / "kubeconfig").write_text(json.dumps(kubeconfig))
    lanes.services.kubernetes = KubernetesApi({"KUBECONFIG": str(tmp_path / "kubeconfig")})
    lanes.configure("authentication: {accounts: {kubernetesTokenReview: {audiences: [toys]}}}")
    bearer = f"Bearer {server.token('rec', 'tollhouse', 'toys')}"
    refused = await lanes.call(authorization=bearer)
    assert refused.http_status == 401
    assert "tokenreviews.authentication.k8s.io is forbidden" in str(refused.reason)
    server.create(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "tollhouse"},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": "system:auth-delegator",
            },
            "subjects": [account],
        }
    )
    async with asyncio.timeout(20):  # until the server has noticed
        while (await lanes.call(authorization=bearer)).http_status != 200:
            pass
