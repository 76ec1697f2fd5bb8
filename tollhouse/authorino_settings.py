"""What `tollhouse authorino` can be told."""

from dataclasses import dataclass

from tollhouse.address import Address
from tollhouse.settings import ServeSettings

METRICS_LISTEN = Address("0.0.0.0", 8080)
PROBES_LISTEN = Address("0.0.0.0", 8081)


@dataclass(frozen=True, slots=True)
class AuthorinoSettings:
    """One run of its server. ignored: what was given and has no effect, each with the reason."""

    serve: ServeSettings
    metrics_listen: Address | None = METRICS_LISTEN
    probes_listen: Address | None = PROBES_LISTEN
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AuthorinoVersion:
    """The version is asked for."""
