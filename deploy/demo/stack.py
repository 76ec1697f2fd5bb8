"""Starts and stops the three processes of the demo: toystore, Tollhouse and Envoy."""

import asyncio
import contextlib
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import aiohttp
import yaml

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
ENVOY_CONFIG = ROOT / "deploy" / "envoy" / "demo.yaml"
MANIFESTS = HERE / "manifests"
LIMITS = HERE / "limits.yaml"
READY_SECONDS = 30.0
STOP_SECONDS = 10.0


class DemoError(Exception):
    """The demo cannot go on; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Ports:
    """TCP ports on 127.0.0.1. The defaults are those written in the Envoy configuration."""

    front: int = 10000
    admin: int = 9901
    toystore: int = 18080
    rls: int = 8081
    authz: int = 50051
    http: int = 8080

    @classmethod
    def free(cls) -> "Ports":
        """Ports nobody listens on right now."""
        with contextlib.ExitStack() as held:
            numbers = []
            for _ in fields(cls):
                probe = held.enter_context(socket.socket())
                probe.bind(("127.0.0.1", 0))
                numbers.append(probe.getsockname()[1])
        return cls(*numbers)

    def taken(self) -> list[str]:
        """What cannot be bound, as "name (port)"."""
        busy = []
        for field in fields(self):
            port = getattr(self, field.name)
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    busy.append(f"{field.name} ({port})")
        return busy


def envoy_config(ports: Ports) -> str:
    """The demo's Envoy configuration with its ports replaced."""
    moved = {getattr(Ports(), field.name): getattr(ports, field.name) for field in fields(Ports)}

    def move(node: Any) -> Any:
        if isinstance(node, dict):
            return {
                key: moved[value] if key == "port_value" else move(value)
                for key, value in node.items()
            }
        return [move(item) for item in node] if isinstance(node, list) else node

    return yaml.safe_dump(move(yaml.safe_load(ENVOY_CONFIG.read_text())))


def commands(ports: Ports, envoy_file: Path, limits: Path) -> dict[str, list[str]]:
    """One command line per process, in the order of their start."""
    envoy = Path(sys.executable).with_name("envoy")
    if not envoy.exists():
        raise DemoError(f"{envoy} is missing: run `make setup`")
    local = "127.0.0.1"
    return {
        "toystore": [sys.executable, "-m", "deploy.demo.toystore", "--port", str(ports.toystore)],
        "tollhouse": [
            *(sys.executable, "-m", "tollhouse", "serve", str(MANIFESTS), "--limits", str(limits)),
            *("--rls-listen", f"{local}:{ports.rls}", "--authz-listen", f"{local}:{ports.authz}"),
            *("--http-listen", f"{local}:{ports.http}", "--authz-http-listen", "none"),
        ],
        "envoy": [
            *(str(envoy), "-c", str(envoy_file), "--concurrency", "1", "--log-level", "error"),
            *("--use-dynamic-base-id",),
        ],
    }


async def answers(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(url) as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False


async def wait_ready(ports: Ports, processes: dict[str, asyncio.subprocess.Process]) -> None:
    """Return once Tollhouse decides requests and Envoy sees both of its clusters healthy."""
    wanted = (
        f"http://127.0.0.1:{ports.toystore}/about",
        f"http://127.0.0.1:{ports.http}/readyz",
        f"http://127.0.0.1:{ports.admin}/ready",
    )
    clusters = f"http://127.0.0.1:{ports.admin}/clusters?format=json"
    async with asyncio.timeout(READY_SECONDS), aiohttp.ClientSession() as session:
        while True:
            for name, process in processes.items():
                if process.returncode is not None:
                    raise DemoError(f"{name} ended with exit code {process.returncode}")
            if all([await answers(session, url) for url in wanted]):
                async with session.get(clusters) as response:
                    if healthy(await response.json()):
                        return
            await asyncio.sleep(0.05)


def healthy(clusters: Any) -> bool:
    return all(
        host["health_status"]["eds_health_status"] == "HEALTHY"
        and "failed_active_health_check" not in host["health_status"]
        for cluster in clusters["cluster_statuses"]
        for host in cluster.get("host_statuses", [])
    )


async def stop(process: asyncio.subprocess.Process) -> None:
    """SIGTERM, and SIGKILL for what does not end in time."""
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


@contextlib.asynccontextmanager
async def running(
    ports: Ports, *, limits: Path = LIMITS
) -> AsyncIterator[dict[str, asyncio.subprocess.Process]]:
    """The three processes, ready; all are stopped on the way out.

    Raises DemoError when a port is taken, a process ends or readiness takes too long.
    """
    if busy := ports.taken():
        raise DemoError(
            f"in use on 127.0.0.1: {', '.join(busy)}. Is another `make run` still up? "
            "Stop what listens there (`ss -ltnp` shows it) and try again."
        )
    processes: dict[str, asyncio.subprocess.Process] = {}
    with tempfile.TemporaryDirectory(prefix="tollhouse-demo-") as folder:
        envoy_file = Path(folder) / "envoy.yaml"
        envoy_file.write_text(envoy_config(ports))
        try:
            for name, command in commands(ports, envoy_file, limits).items():
                # A session of its own: Ctrl-C reaches this process only, which then stops the
                # others in order.
                processes[name] = await asyncio.create_subprocess_exec(
                    *command, cwd=ROOT, start_new_session=True
                )
            try:
                await wait_ready(ports, processes)
            except TimeoutError:
                raise DemoError(f"not ready after {READY_SECONDS:.0f} s") from None
            yield processes
        finally:
            for process in reversed(processes.values()):
                await stop(process)
