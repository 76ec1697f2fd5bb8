"""The API server that reviews tokens and access: the cluster's own, or that of a kubeconfig file.

kubernetes_asyncio finds it and its credentials; the calls are made by an Outgoing of their own, so
they have its bounds, and the lists of destinations for policy authors have no say in them.
"""

import asyncio
import json
import logging
import math
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kubernetes_asyncio.client import Configuration
from kubernetes_asyncio.config import ConfigException, load_kube_config
from kubernetes_asyncio.config.incluster_config import (
    SERVICE_CERT_FILENAME,
    SERVICE_TOKEN_FILENAME,
    InClusterConfigLoader,
)
from yaml import YAMLError

from authz.errors import AuthzError, Overloaded
from authz.json_text import read_json
from authz.outgoing.bounds import OutgoingBounds
from authz.outgoing.client import Outgoing
from authz.outgoing.errors import DestinationBusy, OutgoingError
from authz.outgoing.message import OutgoingRequest, OutgoingResponse

logger = logging.getLogger("tollhouse.authz")

LOAD_S = 30.0  # a kubeconfig may have a program fetch the credential
RETRY_S = 5.0  # between two of these, and before a credential counts as expired
_MOST_MESSAGE = 1024
HOME = Path.home() / ".kube" / "config"
# What kubernetes_asyncio lets through when a file is not what it expects.
_UNREADABLE = (
    ConfigException,
    OSError,
    ValueError,
    TypeError,
    AssertionError,
    YAMLError,
    TimeoutError,
)
# A burst of callers waits for the one server there is, at most as long as each may wait.
BOUNDS = OutgoingBounds(waiting=4096)
NO_SERVER = "the Kubernetes API cannot be reached"


class KubernetesFailed(AuthzError):
    """The review was not made; the text, mostly the API server's own, is for the caller."""


@dataclass(frozen=True, slots=True)
class _Server:
    configuration: Configuration = field(repr=False)
    loaded_at: float


class KubernetesApi:
    """One per process, used on its event loop. What it connects to is looked for with the first
    review: $KUBECONFIG, then the pod's service account, then ~/.kube/config."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._environment = environment
        self.outgoing = Outgoing(BOUNDS)
        self._server: _Server | None = None
        self._loading: asyncio.Task[_Server] | None = None
        self._next_attempt = -math.inf

    def is_configured(self) -> bool:
        """Whether there is a configuration to look at; from any thread."""
        return bool(self._environment.get("KUBECONFIG")) or self._in_cluster() or HOME.exists()

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
        host = self._environment.get("KUBERNETES_SERVICE_HOST")
        return bool(host) and Path(SERVICE_TOKEN_FILENAME).exists()

    async def _loaded(self) -> _Server:
        """One attempt at a time, which the end of one of its waiters does not end."""
        if self._loading is None and _now() < self._next_attempt:
            raise KubernetesFailed(NO_SERVER)
        if self._loading is None:
            self._loading = asyncio.create_task(self._load())
            self._loading.add_done_callback(self._end_loading)
        return await asyncio.shield(self._loading)

    def _end_loading(self, task: asyncio.Task[_Server]) -> None:
        self._loading = None
        if not task.cancelled() and task.exception() is None:
            self._server = task.result()

    async def _load(self) -> _Server:
        try:
            async with asyncio.timeout(LOAD_S):
                configuration = await self._configuration()
                tls = await asyncio.to_thread(_tls_context, configuration)
        except _UNREADABLE as error:
            # The text of most of them quotes the file, which holds credentials.
            what = str(error) if isinstance(error, ConfigException) else type(error).__name__
            self._next_attempt = _now() + RETRY_S
            logger.warning("the configuration of the Kubernetes API cannot be used: %s", what)
            raise KubernetesFailed(NO_SERVER) from error
        await self.outgoing.trust(tls)
        return _Server(configuration, _now())

    async def _configuration(self) -> Configuration:
        configuration = Configuration()
        named = self._environment.get("KUBECONFIG")
        if not named and self._in_cluster():
            InClusterConfigLoader(
                SERVICE_TOKEN_FILENAME, SERVICE_CERT_FILENAME, environ=dict(self._environment)
            ).load_and_set(configuration)
            return configuration
        await load_kube_config(
            named or str(HOME), client_configuration=configuration, persist_config=False
        )
        return configuration

    async def _posted(
        self, server: _Server, resource: str, body: bytes, timeout_s: float | None
    ) -> OutgoingResponse:
        headers = [("Content-Type", "application/json"), ("Accept", "application/json")]
        settings = await server.configuration.auth_settings()  # reads a rotated token anew
        if "BearerToken" in settings:
            headers.append(("Authorization", settings["BearerToken"]["value"]))
        url = f"{server.configuration.host}{resource}"
        request = OutgoingRequest("POST", url, tuple(headers), body, timeout_s)
        return await self.outgoing.send(request)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _tls_context(configuration: Configuration) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    # Kubernetes' own authorities often lack what RFC 5280 asks for; Go's clients do not mind.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, configuration.key_file)
    return context


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
