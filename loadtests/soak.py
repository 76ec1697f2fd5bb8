"""`make soak`: mixed load with a reload every second; reports errors and memory over time.

Every answer is checked: a call that fails, or an answer that no version of the configuration gives,
is an error. h2load adds pressure beside the checking clients. The exit code is 1 after an error, or
when the resident memory of the last quarter is over that of the second quarter by more than 5 %.
"""

import argparse
import asyncio
import json
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from envoy.service.auth.v3 import external_auth_pb2
from envoy.service.ratelimit.v3 import rls_pb2

from loadtests.contenders import free_port
from loadtests.paths import CHECK, RLS

USERS = 5000
CLIENTS = 8
GROWTH = 1.05
# A date's parts are no native operation.
SLOW = "timestamp('2020-02-02T00:00:00Z').getFullYear() == 2020 && descriptors[0].kind == 'slow'"
OK, OVER_LIMIT = rls_pb2.RateLimitResponse.OK, rls_pb2.RateLimitResponse.OVER_LIMIT


def limits(turn: int) -> str:
    """Alternates the size of one limit and the presence of another; one is never native."""
    rows = [
        {"namespace": "soak", "name": "user", "max_value": 5 + turn % 2, "seconds": 2,
         "conditions": ["descriptors[0].kind == 'user'"], "variables": ["descriptors[0].user"]},
        {"namespace": "soak", "name": "full lane", "max_value": 10**12, "seconds": 60,
         "conditions": [SLOW], "variables": []},
    ]  # fmt: skip
    if turn % 3 == 0:
        rows.append({"namespace": "late", "max_value": 0, "seconds": 1, "conditions": [],
                     "variables": []})  # fmt: skip
    return json.dumps(rows)


def manifests(turn: int) -> str:
    """One AuthConfig; the key "steady" is always there, the key "odd" every other turn."""
    config = {
        "apiVersion": "authorino.kuadrant.io/v1beta3",
        "kind": "AuthConfig",
        "metadata": {"name": "soak", "namespace": "soak", "annotations": {"turn": str(turn)}},
        "spec": {
            "hosts": ["soak.example.com"],
            "authentication": {
                "keys": {
                    "apiKey": {"selector": {"matchLabels": {"app": "soak"}}},
                    "credentials": {"authorizationHeader": {"prefix": "APIKEY"}},
                }
            },
            "authorization": {
                "reading": {
                    "patternMatching": {"patterns": [{"predicate": "request.method == 'GET'"}]}
                }
            },
            "response": {"success": {"headers": {"x-turn": {"plain": {"value": str(turn % 2)}}}}},
        },
    }
    keys = ["steady", "odd"] if turn % 2 else ["steady"]
    secrets = [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": key, "namespace": "soak", "labels": {"app": "soak"}},
            "stringData": {"api_key": key},
        }
        for key in keys
    ]
    return "\n---\n".join(json.dumps(document) for document in [config, *secrets])


def rate_limit(domain: str, **entries: str) -> bytes:
    request = rls_pb2.RateLimitRequest(domain=domain)
    descriptor = request.descriptors.add()
    for key, value in entries.items():
        descriptor.entries.add(key=key, value=value)
    return bytes(request.SerializeToString())


def check(key: str, *, method: str = "GET", host: str = "soak.example.com") -> bytes:
    request = external_auth_pb2.CheckRequest()
    http = request.attributes.request.http
    http.method, http.host, http.path = method, host, "/toys"
    http.headers.update({"authorization": f"APIKEY {key}", ":method": method})
    return bytes(request.SerializeToString())


@dataclass(frozen=True, slots=True)
class Ask:
    """One kind of call and the answers that some version of the configuration gives to it."""

    name: str
    path: str
    message: Callable[[], bytes]
    allowed: frozenset[int]


ASKS = (
    Ask("counted", RLS, lambda: rate_limit("soak", kind="user", user=f"u{random.randrange(USERS)}"),
        frozenset({OK, OVER_LIMIT})),
    Ask("full lane", RLS, lambda: rate_limit("soak", kind="slow"), frozenset({OK})),
    Ask("coming and going", RLS, lambda: rate_limit("late", kind="any"),
        frozenset({OK, OVER_LIMIT})),
    Ask("unknown domain", RLS, lambda: rate_limit("nobody", kind="any"), frozenset({OK})),
    Ask("steady key", CHECK, lambda: check("steady"), frozenset({0})),
    Ask("odd key", CHECK, lambda: check("odd"), frozenset({0, 16})),
    Ask("unknown key", CHECK, lambda: check("guess"), frozenset({16})),
    Ask("forbidden", CHECK, lambda: check("steady", method="POST"), frozenset({7})),
    Ask("unknown host", CHECK, lambda: check("steady", host="elsewhere"), frozenset({5})),
)  # fmt: skip


@dataclass(slots=True)
class Ledger:
    """What happened so far; `memory` holds (seconds since start, resident KiB)."""

    answers: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    memory: list[tuple[float, int]] = field(default_factory=list)
    reloads: int = 0
    pressed: int = 0


def verdict(ask: Ask, answer: bytes) -> int:
    if ask.path == RLS:
        return int(rls_pb2.RateLimitResponse.FromString(answer).overall_code)
    return int(external_auth_pb2.CheckResponse.FromString(answer).status.code)


def resident_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


async def ask_on(port: int, ledger: Ledger, until: float) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        calls = {path: channel.unary_unary(path, bytes, bytes) for path in (RLS, CHECK)}
        while time.monotonic() < until:
            ask = random.choice(ASKS)
            try:
                answer = await calls[ask.path](ask.message(), timeout=5)
            except grpc.aio.AioRpcError as error:
                ledger.errors[f"{ask.name}: {error.code().name} {error.details()}"] += 1
                await asyncio.sleep(0.1)
                continue
            code = verdict(ask, answer)
            if code in ask.allowed:
                ledger.answers[f"{ask.name}: {code}"] += 1
            else:
                ledger.errors[f"{ask.name}: answered {code}"] += 1


async def reload(folder: Path, ledger: Ledger, until: float) -> None:
    """Rewrites in place, or renames a new file over the old one, in turns."""
    while time.monotonic() < until:
        ledger.reloads += 1
        for name, text in (("limits.yaml", limits), ("manifests/soak.yaml", manifests)):
            if ledger.reloads % 2:
                (folder / name).write_text(text(ledger.reloads))
            else:
                (folder / "new").write_text(text(ledger.reloads))
                (folder / "new").replace(folder / name)
        await asyncio.sleep(1)


async def press(port: int, ledger: Ledger, until: float) -> None:
    """Bursts of h2load between pauses, so that the checking clients get their share."""
    message = rate_limit("soak", kind="user", user="pressed")
    body = b"\0" + len(message).to_bytes(4, "big") + message
    with tempfile.NamedTemporaryFile() as file:
        file.write(body)
        file.flush()
        while time.monotonic() < until:
            process = await asyncio.create_subprocess_exec(
                *("h2load", "-n", "20000", "-c", "4", "-m", "32", "-t", "1", "-d", file.name),
                *("-H", "content-type: application/grpc", "-H", "te: trailers"),
                f"http://127.0.0.1:{port}{RLS}",
                stdout=asyncio.subprocess.PIPE,
            )
            output = (await process.communicate())[0].decode()
            if "20000 succeeded, 0 failed" not in output:
                ledger.errors[f"h2load: {output}"] += 1
            ledger.pressed += 20_000
            await asyncio.sleep(1)


async def watch(pid: int, ledger: Ledger, start: float, until: float) -> None:
    while time.monotonic() < until:
        ledger.memory.append((time.monotonic() - start, resident_kib(pid)))
        await asyncio.sleep(1)


@asynccontextmanager
async def serving(folder: Path, port: int) -> AsyncIterator[asyncio.subprocess.Process]:
    (folder / "manifests").mkdir()
    (folder / "limits.yaml").write_text(limits(0))
    (folder / "manifests" / "soak.yaml").write_text(manifests(0))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tollhouse", "serve", str(folder / "manifests")),
        *("--limits", str(folder / "limits.yaml"), "--rls-listen", f"127.0.0.1:{port}"),
        *("--authz-listen", "none", "--http-listen", "none", "--log-level", "WARNING"),
    )
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            await asyncio.wait_for(channel.channel_ready(), 30)
        yield process
    finally:
        process.terminate()
        await process.wait()


async def soak(seconds: float) -> Ledger:
    ledger, port = Ledger(), free_port()
    with tempfile.TemporaryDirectory(prefix="tollhouse-soak-") as place:
        async with serving(Path(place), port) as process:
            start = time.monotonic()
            until = start + seconds
            async with asyncio.TaskGroup() as group:
                for _ in range(CLIENTS):
                    group.create_task(ask_on(port, ledger, until))
                group.create_task(reload(Path(place), ledger, until))
                group.create_task(press(port, ledger, until))
                group.create_task(watch(process.pid, ledger, start, until))
        if process.returncode:
            ledger.errors[f"exit code {process.returncode}"] += 1
    return ledger


def report(ledger: Ledger) -> bool:
    """Print the figures; True when nothing went wrong and memory is flat."""
    for name, count in sorted(ledger.answers.items()):
        print(f"{name}: {count}")
    print(f"by h2load: {ledger.pressed}; reloads: {ledger.reloads}")
    step = max(1, len(ledger.memory) // 20)
    print(
        "resident MiB:",
        ", ".join(f"{at:.0f}s {kib / 1024:.1f}" for at, kib in ledger.memory[::step]),
    )
    quarter = len(ledger.memory) // 4
    early = statistics.median(kib for _, kib in ledger.memory[quarter : 2 * quarter])
    late = statistics.median(kib for _, kib in ledger.memory[3 * quarter :])
    print(f"second quarter {early / 1024:.1f} MiB, last quarter {late / 1024:.1f} MiB")
    for name, count in ledger.errors.most_common():
        print(f"ERROR {count} × {name}")
    return not ledger.errors and late <= early * GROWTH


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    return 0 if report(asyncio.run(soak(60 * parser.parse_args().minutes))) else 1


if __name__ == "__main__":
    sys.exit(main())
