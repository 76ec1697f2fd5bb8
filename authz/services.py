"""What the evaluators of all AuthConfigs share: one set per process."""

from dataclasses import dataclass, field

from _fastpath.identity import IdentityTable
from _fastpath.remembered import RememberedTable
from _fastpath.throttle import Throttle
from authz.callback_room import CallbackRoom
from authz.jwt.providers import Providers
from authz.jwt.verifier import TokenVerifiers
from authz.keys import KeyRing
from authz.kubernetes_api import KubernetesApi
from authz.opa.embedded import EmbeddedEngine
from authz.opa.engine import Engine
from authz.outgoing.client import Outgoing
from authz.outgoing.grpc_channels import GrpcChannels
from authz.secret_store import SecretStore
from authz.selector_match import MANAGED, LabelSelector
from authz.workers import Workers


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
    managed: LabelSelector = MANAGED
    grpc: GrpcChannels = field(init=False)
    keys: KeyRing = field(init=False)
    providers: Providers = field(init=False)
    verifiers: TokenVerifiers = field(init=False)
    rego: Engine = field(init=False)

    def __post_init__(self) -> None:
        self.grpc = GrpcChannels(self.outgoing)
        self.keys = KeyRing(self.identities, self.managed)
        self.providers = Providers(self.outgoing)
        self.verifiers = TokenVerifiers(self.providers, self.remembered)
        self.rego = EmbeddedEngine(self.outgoing.send)

    async def close(self) -> None:
        """End what runs in the background; called on the event loop."""
        self.workers.close()
        self.providers.stop()
        await self.rego.close()
        await self.grpc.close()
        await self.kubernetes.close()
        await self.callbacks.close()
        await self.outgoing.close()
