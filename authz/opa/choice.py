"""Which engine evaluates policies."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from authz.opa.embedded import EmbeddedEngine
from authz.opa.engine import Engine, OpenPolicy
from authz.opa.errors import PolicyRefused
from authz.opa.http_send import Send
from authz.opa.managed import ManagedServer
from authz.opa.server import FixedServer, ServerEngine

AUTO, EMBEDDED, OPA = "auto", "embedded", "opa"
SCHEMES = ("http://", "https://", "unix:")


@dataclass(frozen=True, slots=True)
class RegoSettings:
    """engine: "embedded"; "opa", a child of ours; the address of an OPA, http://, https:// or
    unix:PATH; "auto": embedded, and for policies that it refuses an OPA of ours, if there is one.
    program: OPA's, found in the path when None. config: a configuration file for that OPA.
    """

    engine: str = EMBEDDED
    program: Path | None = None
    config: Path | None = None


def engine_of(settings: RegoSettings, send: Send) -> Engine:
    """send: makes the calls of http.send() in the embedded engine."""
    if settings.engine.startswith(SCHEMES):
        return ServerEngine(FixedServer(settings.engine))
    program = settings.program or shutil.which("opa")
    if settings.engine == OPA:
        return _managed(Path(program or "opa"), settings.config)
    embedded = EmbeddedEngine(send)
    if settings.engine == EMBEDDED or program is None:
        return embedded
    return FallbackEngine(embedded, _managed(Path(program), settings.config))


def _managed(program: Path, config: Path | None) -> ServerEngine:
    return ServerEngine(ManagedServer(program, config))


class FallbackEngine:
    """The embedded engine, and OPA for what that refuses. OPA's reasons are told then: it knows all
    of Rego."""

    def __init__(self, embedded: Engine, opa: Engine) -> None:
        self._embedded = embedded
        self._opa = opa

    @property
    def replaced(self) -> int:
        return self._embedded.replaced + self._opa.replaced

    def open(self, rego: str, version: str) -> OpenPolicy:
        try:
            return self._embedded.open(rego, version)
        except PolicyRefused:
            return self._opa.open(rego, version)

    async def close(self) -> None:
        await self._embedded.close()
        await self._opa.close()
