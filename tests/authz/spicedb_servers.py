"""SpiceDB for tests: its protocol in this process, and the real program where it is there."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc.aio
import pytest
from authzed.api.v1.core_pb2 import ZedToken
from authzed.api.v1.permission_service_pb2 import CheckPermissionRequest, CheckPermissionResponse
from authzed.api.v1.permission_service_pb2_grpc import (
    PermissionsServiceServicer,
    add_PermissionsServiceServicer_to_server,
)

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / ".cache" / "go" / "bin" / "spicedb"  # by scripts/spicedb
KEY = "preshared"


@dataclass
class SpiceDbInside(PermissionsServiceServicer):
    """Grants what `granted` has, as `resource#permission@subject`; remembers what it was asked."""

    granted: set[str] = field(default_factory=set)
    conditional: set[str] = field(default_factory=set)
    failure: tuple[grpc.StatusCode, str] | None = None
    asked: list[str] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)
    peers: set[str] = field(default_factory=set)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    held: asyncio.Event | None = None
    endpoint: str = ""

    async def CheckPermission(
        self, request: CheckPermissionRequest, context: grpc.aio.ServicerContext
    ) -> CheckPermissionResponse:
        resource, subject = request.resource, request.subject.object
        question = (
            f"{resource.object_type}:{resource.object_id}#{request.permission}"
            f"@{subject.object_type}:{subject.object_id}"
        )
        self.asked.append(question)
        self.arrived.set()
        self.peers.add(context.peer())
        metadata = dict(context.invocation_metadata() or ())
        self.authorizations.append(metadata.get("authorization"))
        if self.held is not None:
            await self.held.wait()
        if self.failure is not None:
            await context.abort(*self.failure)
        permissionship = CheckPermissionResponse.PERMISSIONSHIP_NO_PERMISSION
        if question in self.granted:
            permissionship = CheckPermissionResponse.PERMISSIONSHIP_HAS_PERMISSION
        elif question in self.conditional:
            permissionship = CheckPermissionResponse.PERMISSIONSHIP_CONDITIONAL_PERMISSION
        token = ZedToken(token="t1")
        return CheckPermissionResponse(checked_at=token, permissionship=permissionship)


@asynccontextmanager
async def spicedb_inside(
    credentials: grpc.ServerCredentials | None = None, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[SpiceDbInside]:
    server, service = grpc.aio.server(), SpiceDbInside()
    add_PermissionsServiceServicer_to_server(service, server)
    if credentials is None:
        port = server.add_insecure_port(f"{host}:{port}")
    else:
        port = server.add_secure_port(f"{host}:{port}", credentials)
    service.endpoint = f"{host}:{port}"
    await server.start()
    try:
        yield service
    finally:
        await server.stop(None)


@asynccontextmanager
async def spicedb_process() -> AsyncIterator[str]:
    """The endpoint of a real SpiceDB with an empty memory; skips the test where there is none."""
    if not PROGRAM.exists():
        pytest.skip("SpiceDB is not built")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        endpoint = f"127.0.0.1:{probe.getsockname()[1]}"
    process = await asyncio.create_subprocess_exec(
        str(PROGRAM), "serve", "--datastore-engine=memory", f"--grpc-preshared-key={KEY}",
        f"--grpc-addr={endpoint}", "--metrics-enabled=false", "--http-enabled=false",
        "--datastore-revision-quantization-interval=0s", "--skip-release-check",
        "--telemetry-endpoint=",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(30), grpc.aio.insecure_channel(endpoint) as channel:
            await channel.channel_ready()
        yield endpoint
    finally:
        process.kill()
        await process.wait()
