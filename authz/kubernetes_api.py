"""The API server that reviews tokens and access: the cluster's own, or that of a kubeconfig file.

The calls are made by an Outgoing of their own, so they have its bounds, and the lists of
destinations for policy authors have no say in them.
"""

import asyncio
import importlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from authz.errors import AuthzError, Overloaded
from authz.json_text import read_json
from authz.outgoing.bounds import OutgoingBounds
from authz.outgoing.client import Outgoing
from authz.outgoing.errors import DestinationBusy, OutgoingError
from authz.outgoing.message import OutgoingRequest, OutgoingResponse

if TYPE_CHECKING:
    from authz.kubernetes_cluster import Cluster

RETRY_S = 5.0  # between two attempts to find it, and before a credential counts as expired
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
HOME = Path.home() / ".kube" / "config"
# A burst of callers waits for the one server there is, at most as long as each may wait.
BOUNDS = OutgoingBounds(waiting=4096)
_MOST_MESSAGE = 1024
NO_SERVER = "the Kubernetes API cannot be reached"


class KubernetesFailed(AuthzError):
    """The review was not made; the text, mostly the API server's own, is for the caller."""


@dataclass(frozen=True, slots=True)
class _Server:
    cluster: "Cluster"
    loaded_at: float


class KubernetesApi:
    """One per process, used on its event loop. What it connects to: $KUBECONFIG, else the pod's
    service account, else ~/.kube/config."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._environment = environment
        self.outgoing = Outgoing(BOUNDS)
        self._server: _Server | None = None
        self._loading: asyncio.Task[_Server] | None = None
        self._next_attempt = -math.inf

    def is_configured(self) -> bool:
        """Whether there is a configuration to look at; from any thread."""
        return bool(self._environment.get("KUBECONFIG")) or self._in_cluster() or HOME.exists()

    def start(self) -> None:
        """Look for the API server now; without this the first review does."""
        if self._server is None and self._loading is None:
            self._begin_loading()

    async def review(
        self, resource: str, document: Mapping[str, object], timeout_s: float | None
    ) -> Mapping[str, object]:
        """Post an object to `resource`, a path below the server's address, and give its `status`.

        Equal objects at the same time are posted once. Raises KubernetesFailed, and Overloaded when
        too many wait.
        """
        try:
            async with asyncio.timeout(timeout_s):
                server = self._server or await self._loaded()
        except TimeoutError:
            raise KubernetesFailed(NO_SERVER) from None
        body = json.dumps(document, separators=(",", ":")).encode()
        try:
            response = await self.outgoing.shared(
                (resource, body), lambda: self._posted(server, resource, body, timeout_s)
            )
        except DestinationBusy as error:
            raise Overloaded from error
        except OutgoingError as error:
            raise KubernetesFailed(f"Kubernetes API: {error}") from error
        if response.status == 401 and server.loaded_at + RETRY_S <= _now():
            self._server = None  # its credential has expired, so look for another one
        return _status(response)

    async def close(self) -> None:
        if self._loading is not None:
            self._loading.cancel()
            await asyncio.wait([self._loading])
        await self.outgoing.close()

    def _in_cluster(self) -> bool:
        return bool(self._environment.get("KUBERNETES_SERVICE_HOST")) and ACCOUNT.exists()

    async def _loaded(self) -> _Server:
        """One attempt at a time, which the end of one of its waiters does not end."""
        if self._loading is None and _now() < self._next_attempt:
            raise KubernetesFailed(NO_SERVER)
        return await asyncio.shield(self._loading or self._begin_loading())

    def _begin_loading(self) -> asyncio.Task[_Server]:
        self._loading = asyncio.create_task(self._load())
        self._loading.add_done_callback(self._end_loading)
        return self._loading

    def _end_loading(self, task: asyncio.Task[_Server]) -> None:
        self._loading = None
        if not task.cancelled() and task.exception() is None:
            self._server = task.result()

    async def _load(self) -> _Server:
        # Its library takes half a second to import, and few processes need it.
        module = await asyncio.to_thread(importlib.import_module, "authz.kubernetes_cluster")
        named = self._environment.get("KUBECONFIG")
        kubeconfig = named or (None if self._in_cluster() else str(HOME))
        cluster = await module.load_cluster(self._environment, kubeconfig)
        if cluster is None:
            self._next_attempt = _now() + RETRY_S
            raise KubernetesFailed(NO_SERVER)
        await self.outgoing.trust(cluster.tls)
        return _Server(cluster, _now())

    async def _posted(
        self, server: _Server, resource: str, body: bytes, timeout_s: float | None
    ) -> OutgoingResponse:
        headers = [("Content-Type", "application/json"), ("Accept", "application/json")]
        authorization = await server.cluster.authorization()
        if authorization is not None:
            headers.append(("Authorization", authorization))
        url = f"{server.cluster.url}{resource}"
        request = OutgoingRequest("POST", url, tuple(headers), body, timeout_s)
        return await self.outgoing.send(request)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _status(response: OutgoingResponse) -> Mapping[str, object]:
    """The `status` of the object; a `Status` object's message as the error."""
    try:
        answer = read_json(response.body)
    except ValueError:
        answer = None
    if response.status not in (200, 201):
        message = answer.get("message") if isinstance(answer, dict) else None
        known = isinstance(message, str) and message
        raise KubernetesFailed(
            str(message)[:_MOST_MESSAGE] if known else f"Kubernetes API: {response.status_line}"
        )
    status = answer.get("status") if isinstance(answer, dict) else None
    if not isinstance(status, dict):
        raise KubernetesFailed("Kubernetes API: the answer has no status")
    return status
