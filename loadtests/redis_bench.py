"""Rate limits on Redis end to end: h2load, a Tollhouse and a redis-server share the machine.

Contenders take turns round by round, so ratios hold although the machine is noisy. "Memory" counts
in the process, "leased" and "exact" on Redis; "one by one" is redis_one_by_one.py.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from loadtests.bench import Sample, Shape, measure
from loadtests.contenders import Contender, rate_limit_request
from loadtests.page import write_part
from loadtests.paths import RLS

SHAPES = (Shape(1, 1, 1), Shape(4, 1, 1), Shape(4, 16, 1))


@contextmanager
def redis_server() -> Iterator[str]:
    """An empty server on a Unix socket; yields its URL."""
    program = shutil.which("redis-server")
    if program is None:
        raise SystemExit("redis-server is not installed")
    with tempfile.TemporaryDirectory(prefix="tollhouse-redis-") as folder:
        socket = Path(folder) / "redis.sock"
        words = ["--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no"]
        process = subprocess.Popen([program, *words], stdout=subprocess.DEVNULL, cwd=folder)
        try:
            give_up = time.monotonic() + 30
            while not socket.exists():
                if process.poll() is not None or time.monotonic() > give_up:
                    raise SystemExit("redis-server did not start")
                time.sleep(0.05)
            yield f"unix://{socket}"
        finally:
            process.terminate()
            process.wait(10)


def contenders(url: str) -> list[Contender]:
    request = rate_limit_request()
    on_redis = ("--storage", "redis", "--redis-url", url)
    leased = (*on_redis, "--redis-mode", "leased")
    return [
        Contender("memory", "tollhouse", RLS, request, b"", limits=1),
        Contender("leased", "tollhouse", RLS, request, b"", limits=1, flags=leased),
        Contender("exact", "tollhouse", RLS, request, b"", limits=1, flags=on_redis),
        Contender("one by one", "one by one", RLS, request, b"", flags=(url,)),
    ]


def ratio(rates: list[float], others: list[float]) -> float:
    """The median of the rounds' ratios: what else the machine does weighs on both of a round."""
    return statistics.median(rate / other for rate, other in zip(rates, others, strict=True))


def table(shape: Shape, samples: dict[str, list[Sample]]) -> list[str]:
    rates = {name: [sample.rate for sample in taken] for name, taken in samples.items()}
    outstanding = shape.connections * shape.streams
    lines = [f"### {outstanding} outstanding ({shape})", ""]
    lines += [
        "| counters | decisions/s | of memory | × one by one | slowest … fastest | server CPU µs |",
        "|---|---|---|---|---|---|",
    ]
    for name, taken in rates.items():
        rate = statistics.median(taken)
        cost = statistics.median(sample.cpu_us for sample in samples[name])
        lines.append(
            f"| {name} | {rate:,.0f} | {ratio(taken, rates['memory']):.0%} |"
            f" {ratio(taken, rates['one by one']):.1f} |"
            f" {min(taken):,.0f} … {max(taken):,.0f} | {cost:.1f} |"
        )
    return [*lines, ""]


def part(lines: list[str], options: argparse.Namespace) -> str:
    day = datetime.now(UTC).date().isoformat()
    how = f"python -m loadtests.redis_bench --rounds {options.rounds} --seconds {options.seconds:g}"
    return f"""## Counters on Redis

Medians over the rounds of one run, of ratios too; the contenders take turns. h2load, the server
and redis-server share the CPUs, so rates are lower bounds and the ratios are what to read. One
limit, one counter.
*Server CPU* is user and system time of the server alone per decision, without Redis.

Measured {day} on {os.cpu_count()} CPUs with `{how}` (`make bench-redis`).

""" + "\n".join(lines)


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of one round")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the tables into this page")
    options = parser.parse_args(words)
    lines: list[str] = []
    with redis_server() as url:
        for shape in SHAPES:
            made = table(shape, measure(contenders(url), shape, options.rounds, options.seconds))
            print("\n".join(made), flush=True)
            lines += made
    if options.write:
        write_part(options.write, part(lines, options))


if __name__ == "__main__":
    main(sys.argv[1:])
