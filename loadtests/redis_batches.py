"""What batches are worth: decisions on one Redis, one by one and through the engine.

    .venv/bin/python -m loadtests.redis_batches [SECONDS]

Starts a redis-server on a Unix socket. One by one: a redis-py loop that awaits each EVALSHA, as a
service without batches does. Engine: so many decisions outstanding, packed before as native threads
leave them; each is asked again when its reply is there. Every decision has a counter of its own.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from redis.asyncio import Redis

from _fastpath.clock import Clock
from _fastpath.counters import Hit, Mode
from _fastpath.limit_spec import Algorithm, Quota
from _fastpath.store_batch import Group
from ratelimit.redis.engine import Engine
from ratelimit.redis.health import Health
from ratelimit.redis.key import HashTag, redis_key
from ratelimit.redis.link import DECIDE
from ratelimit.redis.settings import RedisSettings
from ratelimit.redis.wire import bulk, encode_decision

MINUTE_NS = 60 * 10**9
OUTSTANDING = (1, 4, 64)
COUNTERS = (1, 3, 10)


def packed(number: int, counters: int, algorithm: Algorithm) -> tuple[list[bytes], bytes]:
    """Keys and decision."""
    quota = Quota(algorithm, 10**9, MINUTE_NS)
    hits = [Hit(bytes([c]) * 16, quota, (f"user-{number}",), 1) for c in range(counters)]
    keys = [redis_key("bench", h.limit_digest, h.values, HashTag.NAMESPACE).text for h in hits]
    return keys, encode_decision(hits, Mode.CHECK_AND_ADD, Clock(0, time.time_ns()))


@dataclass
class Outstanding:
    """Decisions that are asked again as soon as they are answered."""

    decisions: list[tuple[bytes, int, bytes]]
    """Bulk strings of the keys, their number, and the decision's bulk string."""
    waiting: deque[int] = field(default_factory=deque)
    done: int = 0
    signal: int = field(default_factory=lambda: os.eventfd(0, os.EFD_NONBLOCK))

    def begin(self) -> None:
        self.waiting.extend(range(len(self.decisions)))
        os.eventfd_write(self.signal, 1)

    def fileno(self) -> int:
        return self.signal

    def take(self, most: int) -> "Taken | None":
        if not self.waiting:
            return None
        numbers = [self.waiting.popleft() for _ in range(min(most, len(self.waiting)))]
        chosen = [self.decisions[number] for number in numbers]
        body = b"".join((*(keys for keys, _, _ in chosen), b"$0\r\n\r\n", *(d for *_, d in chosen)))
        group = Group(b"", sum(count for _, count, _ in chosen), len(chosen), body)
        return Taken(self, numbers, [group])


@dataclass
class Taken:
    source: Outstanding
    numbers: list[int]
    groups: list[Group]

    def settle(self, index: int, reply: bytes) -> int:
        self.source.done += len(self.numbers)
        if not self.source.waiting:
            os.eventfd_write(self.source.signal, 1)
        self.source.waiting.extend(self.numbers)
        return 0

    def fail(self, index: int, reason: str) -> None:
        """They are not asked again; at the end some are on their way."""


async def through_engine(
    socket: Path, seconds: float, outstanding: int, counters: int, algorithm: Algorithm
) -> float:
    """Decisions per second."""
    decisions = []
    for number in range(outstanding):
        keys, decision = packed(number, counters, algorithm)
        decisions.append((b"".join(map(bulk, keys)), counters, bulk(decision)))
    source = Outstanding(decisions)
    up = asyncio.Event()
    health = Health(time.monotonic, up.set)
    engine = Engine(RedisSettings(f"unix://{socket}"), source, health)
    await engine.start()
    await up.wait()
    source.begin()
    begun, before = time.perf_counter(), source.done
    await asyncio.sleep(seconds)
    rate = (source.done - before) / (time.perf_counter() - begun)
    await engine.stop()
    os.close(source.signal)
    return rate


async def one_by_one(socket: Path, seconds: float, counters: int, algorithm: Algorithm) -> float:
    """Decisions per second."""
    keys, decision = packed(0, counters, algorithm)
    async with Redis(unix_socket_path=str(socket)) as client:
        sha = await client.script_load(DECIDE.decode())
        begun = time.perf_counter()
        done = 0
        while time.perf_counter() - begun < seconds:
            await client.evalsha(sha, len(keys), *keys, b"", decision)
            done += 1
        return done / (time.perf_counter() - begun)


async def measure(socket: Path, seconds: float) -> None:
    print(f"{'decisions/s':24}{'one by one':>12}", *(f"{n:>9} out" for n in OUTSTANDING), "ratio")
    cases = [(algorithm, 1) for algorithm in Algorithm if algorithm != Algorithm.CALENDAR_WINDOW]
    cases += [(Algorithm.FIXED_WINDOW, counters) for counters in COUNTERS[1:]]
    for algorithm, counters in cases:
        single = await one_by_one(socket, seconds, counters, algorithm)
        rates = [
            await through_engine(socket, seconds, outstanding, counters, algorithm)
            for outstanding in OUTSTANDING
        ]
        name = f"{algorithm.name.lower()} x{counters}"
        told = " ".join(f"{rate:13,.0f}" for rate in rates)
        print(f"{name:24}{single:12,.0f} {told} {rates[-1] / single:5.1f}", flush=True)


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
    with tempfile.TemporaryDirectory(prefix="redis-") as directory:
        socket = Path(directory) / "redis.sock"
        options = ["--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no"]
        server = subprocess.Popen(
            ["redis-server", *options], cwd=directory, stdout=subprocess.DEVNULL
        )
        try:
            while not socket.exists():
                time.sleep(0.01)
            asyncio.run(measure(socket, seconds))
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
