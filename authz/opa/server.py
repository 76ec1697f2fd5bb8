"""The engine that is a real OPA: a server of somebody's, or a child of ours (managed.py).

Policies are put there under names that follow from their texts, and put again when OPA has lost
them. Only the parts of the input that a policy reads are sent.
"""

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Mapping
from typing import Any, Protocol

from aiohttp import (
    BaseConnector,
    ClientError,
    ClientSession,
    ClientTimeout,
    TCPConnector,
    UnixConnector,
)

from _fastpath.text import json_of_value
from authz.errors import Overloaded
from authz.opa.errors import EngineUnavailable, EvaluationFailed, PolicyRefused
from authz.opa.opa_module import OpaModule, opa_module

MOST_CALLS = 1024  # at once, under way or waiting for a connection
CONNECTIONS = 64
LIMIT_S = 5.0
MOST_ANSWER_BYTES = 16 * 1024 * 1024
SILENT = "OPA does not answer"


class Server(Protocol):
    """Where OPA is. address: an http:// or https:// URL, or unix:PATH."""

    @property
    def address(self) -> str: ...

    @property
    def replaced(self) -> int:
        """As authz.opa.engine has it."""

    def ensure(self) -> None:
        """Start it if that is ours to do; may take seconds. Raises EngineUnavailable."""

    def close(self) -> None: ...


class FixedServer:
    """Somebody else runs it."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.replaced = 0

    def ensure(self) -> None:
        """It is there, or it is not."""

    def close(self) -> None:
        """It stays."""


class ServerEngine:
    """open: from any thread; the rest on the event loop."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._lock = threading.Lock()
        self._users: Counter[OpaModule] = Counter()
        self._session: ClientSession | None = None
        self._calls = 0

    @property
    def replaced(self) -> int:
        return self._server.replaced

    def open(self, rego: str, version: str) -> "ServerPolicy":
        module = opa_module(rego, version)
        self._server.ensure()
        names = asyncio.run(self._checked(module))
        with self._lock:
            self._users[module] += 1
        return ServerPolicy(self, module, names)

    async def _checked(self, module: OpaModule) -> tuple[str, ...]:
        """The names of its rules."""
        async with self._opened() as session:
            await self._put(session, module)
            answer = await self._asked(session, "GET", f"/v1/policies/{module.id}")
        rules = answer["result"]["ast"].get("rules") or []
        heads = [rule["head"] for rule in rules]
        names = [
            head.get("name") or head["ref"][0]["value"] for head in heads if "args" not in head
        ]
        return tuple(dict.fromkeys(names))

    async def evaluate(self, module: OpaModule, body: bytes) -> Mapping[str, object]:
        if self._calls >= MOST_CALLS:
            raise Overloaded
        self._calls += 1
        try:
            return await self._evaluated(module, body)
        finally:
            self._calls -= 1

    async def _evaluated(self, module: OpaModule, body: bytes) -> Mapping[str, object]:
        if self._session is None:
            self._session = self._opened()
        path = f"/v1/data/{module.package.replace('.', '/')}"
        try:
            answer = await self._asked(self._session, "POST", path, body)
        except EngineUnavailable:
            await asyncio.to_thread(self._server.ensure)
            answer = {}
        if "result" not in answer:  # it has begun anew
            await self._put(self._session, module)
            answer = await self._asked(self._session, "POST", path, body)
        result = answer.get("result")
        return result if isinstance(result, dict) else {}

    async def _put(self, session: ClientSession, module: OpaModule) -> None:
        path = f"/v1/policies/{module.id}"
        answer = await self._asked(session, "PUT", path, module.text.encode())
        error = next(iter(answer.get("errors") or []), None)
        if error is not None:
            row = int(error.get("location", {}).get("row", module.first_line))
            raise PolicyRefused(str(error.get("message")), row - module.first_line)
        if "code" in answer:
            raise PolicyRefused(str(answer.get("message")))

    async def _asked(
        self, session: ClientSession, method: str, path: str, body: bytes | None = None
    ) -> dict[str, Any]:
        """The JSON of the answer, also of one about errors of a policy."""
        url = self._server.address.rstrip("/")
        url = "http://opa" if url.startswith("unix:") else url
        try:
            async with session.request(method, url + path, data=body) as response:
                data = await response.content.read(MOST_ANSWER_BYTES + 1)
                while len(data) <= MOST_ANSWER_BYTES and (more := await response.content.readany()):
                    data += more
                status = response.status
        except (ClientError, OSError, TimeoutError) as error:
            raise EngineUnavailable(SILENT) from error
        if len(data) > MOST_ANSWER_BYTES:
            raise EngineUnavailable("the result of the policy is too large")
        if status >= 500 and method == "POST":
            raise EvaluationFailed("the policy could not be evaluated")
        return _read(data)

    def _opened(self) -> ClientSession:
        return ClientSession(connector=self._connector(), timeout=ClientTimeout(total=LIMIT_S))

    def _connector(self) -> BaseConnector:
        address = self._server.address
        if address.startswith("unix:"):
            return UnixConnector(address.removeprefix("unix:"), limit=CONNECTIONS)
        return TCPConnector(limit=CONNECTIONS)

    def release(self, module: OpaModule) -> None:
        """OPA keeps it: another AuthConfig may name it at any time, and it answers nobody else."""
        with self._lock:
            self._users[module] -= 1

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
        self._server.close()


class ServerPolicy:
    """Implements authz.opa.engine.OpenPolicy."""

    def __init__(self, engine: ServerEngine, module: OpaModule, names: tuple[str, ...]) -> None:
        self._engine = engine
        self._module = module
        self.names = names

    async def evaluate(self, document: Mapping[str, object], wall_ns: int) -> Mapping[str, object]:
        try:
            given = json_of_value(self._module.parts.of_document(document))
        except ValueError as error:
            raise EvaluationFailed("the input cannot be given to the policy") from error
        return await self._engine.evaluate(self._module, f'{{"input":{given}}}'.encode())

    def close(self) -> None:
        self._engine.release(self._module)


def _read(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data, parse_int=float) if data else {}
    except ValueError as error:
        raise EngineUnavailable("OPA answers no JSON") from error
    if not isinstance(value, dict):
        raise EngineUnavailable("OPA answers no object")
    return value
