"""Where an API server is and what it trusts, as kubernetes_asyncio finds out.

Imported by the first review: the library takes half a second and 30 MB, and few processes need it.
"""

import asyncio
import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field

from kubernetes_asyncio.client import Configuration
from kubernetes_asyncio.config import ConfigException, load_kube_config
from kubernetes_asyncio.config.incluster_config import (
    SERVICE_CERT_FILENAME,
    SERVICE_TOKEN_FILENAME,
    InClusterConfigLoader,
)
from yaml import YAMLError

logger = logging.getLogger("tollhouse.authz")
LOAD_S = 30.0  # a kubeconfig may have a program fetch the credential
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


@dataclass(frozen=True, slots=True)
class Cluster:
    """url: of the API server. tls: its authority, and the client's certificate if it has one."""

    url: str
    tls: ssl.SSLContext
    configuration: Configuration = field(repr=False)

    async def authorization(self) -> str | None:
        """The header of the moment: tokens of service accounts are exchanged once in a while."""
        settings = await self.configuration.auth_settings()
        return settings["BearerToken"]["value"] if "BearerToken" in settings else None


async def load_cluster(environment: Mapping[str, str], kubeconfig: str | None) -> Cluster | None:
    """By a kubeconfig, or by the pod's service account. None when that cannot be used, which the
    log then tells."""
    try:
        async with asyncio.timeout(LOAD_S):
            configuration = await _configuration(environment, kubeconfig)
            tls = await asyncio.to_thread(_tls_context, configuration)
    except _UNREADABLE as error:
        # The text of most of them quotes the file, which holds credentials.
        what = str(error) if isinstance(error, ConfigException) else type(error).__name__
        logger.warning("the configuration of the Kubernetes API cannot be used: %s", what)
        return None
    return Cluster(configuration.host or "", tls, configuration)


async def _configuration(environment: Mapping[str, str], kubeconfig: str | None) -> Configuration:
    configuration = Configuration()
    if kubeconfig is None:
        loader = InClusterConfigLoader(
            SERVICE_TOKEN_FILENAME, SERVICE_CERT_FILENAME, environ=dict(environment)
        )
        loader.load_and_set(configuration)
    else:
        await load_kube_config(kubeconfig, client_configuration=configuration, persist_config=False)
    return configuration


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
