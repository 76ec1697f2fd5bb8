"""What the evaluators of all AuthConfigs share: one set per process."""

from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING

from _fastpath.identity import IdentityTable
from _fastpath.remembered import RememberedTable
from _fastpath.throttle import Throttle
from authz.callback_room import CallbackRoom
from authz.jwt.providers import Providers
from authz.jwt.verifier import TokenVerifiers
from authz.keys import KeyRing
from authz.kubernetes_api import KubernetesApi
from authz.opa.choice import RegoSettings, engine_of
from authz.opa.engine import Engine
from authz.outgoing.client import Outgoing
from authz.secret_store import SecretStore
from authz.selector_match import MANAGED, LabelSelector
from authz.workers import Workers

if TYPE_CHECKING:
    from authz.outgoing.grpc_channels import GrpcChannels


@dataclass(slots=True)
class Services:
    """Every part has a default, so that a test says only what it is about. managed: see KeyRing.
    throttle: of failed authentications, if they are."""

    identities: IdentityTable = field(default_factory=IdentityTable)
    kubernetes: KubernetesApi = field(default_factory=KubernetesApi)
    outgoing: Outgoing = field(default_factory=Outgoing)
    callbacks: CallbackRoom = field(default_factory=CallbackRoom)
    remembered: RememberedTable = field(default_factory=RememberedTable)
    throttle: Throttle | None = None
    secrets: SecretStore = field(default_factory=SecretStore)
    workers: Workers = field(default_factory=Workers)
    rego_settings: RegoSettings = field(default_factory=RegoSettings)
    managed: LabelSelector = MANAGED
    keys: KeyRing = field(init=False)
    providers: Providers = field(init=False)
    verifiers: TokenVerifiers = field(init=False)
    rego: Engine = field(init=False)
    _grpc: "GrpcChannels | None" = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.keys = KeyRing(self.identities, self.managed)
        self.providers = Providers(self.outgoing)
        self.verifiers = TokenVerifiers(self.providers, self.remembered)
        self.rego = engine_of(self.rego_settings, self.outgoing.send)

    @property
    def grpc(self) -> "GrpcChannels":
        """Made with the first AuthConfig that asks for it: grpcio is large."""
        if self._grpc is None:
            module = import_module("authz.outgoing.grpc_channels")
            made: GrpcChannels = module.GrpcChannels(self.outgoing)
            self._grpc = made
        return self._grpc

    async def close(self) -> None:
        """End what runs in the background; called on the event loop."""
        self.workers.close()
        self.providers.stop()
        await self.rego.close()
        if self._grpc is not None:
            await self._grpc.close()
        await self.kubernetes.close()
        await self.callbacks.close()
        await self.outgoing.close()
