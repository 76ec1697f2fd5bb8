"""A real kube-apiserver on Debian's etcd, for the tests that ask it for reviews."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.authz.kubernetes_server import write_kubeconfig
from tests.e2e.processes import free_ports

PROGRAM = Path(__file__).parents[2] / ".cache" / "go" / "bin" / "kube-apiserver"
ETCD = shutil.which("etcd")
ADMIN = "administrator"
READY_S = 120


@dataclass(frozen=True)
class KubeApiserver:
    url: str
    certificate: Path
    kubeconfig: Path

    def request(self, method: str, path: str, body: object = None) -> Any:
        """As the administrator; the answer's JSON, or its text."""
        answer = subprocess.run(
            [
                "curl", "-sS", "--cacert", self.certificate, "-X", method,
                "-H", f"Authorization: Bearer {ADMIN}", "-H", "Content-Type: application/json",
                *([] if body is None else ["-d", json.dumps(body)]), self.url + path,
            ],
            capture_output=True, text=True, check=False, timeout=30,
        )  # fmt: skip
        if answer.returncode:
            raise URLError(answer.stderr)
        return json.loads(answer.stdout) if answer.stdout.startswith("{") else answer.stdout

    def create(self, document: dict[str, Any]) -> None:
        """An object of a kind that the recordings have."""
        version, kind = document["apiVersion"], document["kind"]
        prefix = "/api/v1" if version == "v1" else f"/apis/{version}"
        namespace = document["metadata"].get("namespace")
        scope = f"/namespaces/{namespace}" if namespace else ""
        made = self.request("POST", f"{prefix}{scope}/{kind.lower()}s", document)
        assert "uid" in made["metadata"], made

    def token(self, namespace: str, account: str, audience: str) -> str:
        """Of a service account; an empty audience takes the server's own."""
        spec = {"expirationSeconds": 3600, "audiences": [audience] if audience else []}
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        made = self.request("POST", path, {"spec": spec})
        token: str = made["status"]["token"]
        return token


@contextmanager
def kube_apiserver(folder: Path) -> Iterator[KubeApiserver]:
    client, peer, port = free_ports(3)
    key = rsa.generate_private_key(65537, 2048)
    key_file = folder / "accounts.pem"
    form = PrivateFormat.TraditionalOpenSSL
    key_file.write_bytes(key.private_bytes(Encoding.PEM, form, NoEncryption()))
    (folder / "tokens.csv").write_text(f"{ADMIN},admin,admin,system:masters\n")
    etcd = [
        str(ETCD), "--data-dir", str(folder / "etcd"),
        f"--listen-client-urls=http://127.0.0.1:{client}",
        f"--advertise-client-urls=http://127.0.0.1:{client}",
        f"--listen-peer-urls=http://127.0.0.1:{peer}",
        f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
        f"--initial-cluster=default=http://127.0.0.1:{peer}",
    ]  # fmt: skip
    apiserver = [
        str(PROGRAM), f"--etcd-servers=http://127.0.0.1:{client}", f"--secure-port={port}",
        "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", f"--cert-dir={folder}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={key_file}", f"--service-account-signing-key-file={key_file}",
        f"--token-auth-file={folder / 'tokens.csv'}", "--authorization-mode=RBAC",
        "--service-cluster-ip-range=10.0.0.0/24", "--disable-admission-plugins=ServiceAccount",
    ]  # fmt: skip
    with _running(etcd, folder / "etcd.log"), _running(apiserver, folder / "apiserver.log"):
        server = KubeApiserver(
            f"https://127.0.0.1:{port}", folder / "apiserver.crt", folder / "kubeconfig"
        )
        _await_ready(server)
        certificate = {"certificate-authority": str(server.certificate)}
        write_kubeconfig(server.kubeconfig, server.url, ADMIN, **certificate)
        yield server


@contextmanager
def _running(command: list[str], log: Path) -> Iterator[None]:
    environment = {**os.environ, "GOMAXPROCS": "2"}
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _await_ready(server: KubeApiserver) -> None:
    end = time.monotonic() + READY_S
    while True:
        try:
            if server.request("GET", "/readyz") == "ok":
                return
        except URLError:
            pass
        assert time.monotonic() < end, "kube-apiserver is not ready"
        time.sleep(0.2)
