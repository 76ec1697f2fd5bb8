"""Server CPU time per request, in interleaved rounds, as ratios to a constant-answer server.

The load generator saturates before a native server does, so rates say little: what counts is the
user and system time the *server* spends per answered request. Contenders take turns round by round;
the table shows medians. A run in which the ceiling itself varies by more than 15 % is thrown away
and repeated, up to --attempts times; after that the exit status is 1.
"""

import argparse
import os
import signal
import statistics
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from loadtests import h2load
from loadtests.contenders import Contender, check_request, rate_limit_request, running
from loadtests.page import write_part
from loadtests.paths import CHECK, RLS

TICKS = os.sysconf("SC_CLK_TCK")
ALLOWED_SPREAD = 0.15
CONSTANT_RLS = bytes.fromhex("0801")
CONSTANT_CHECK = bytes.fromhex("0a00")


@dataclass(frozen=True, slots=True)
class Shape:
    connections: int
    streams: int
    threads: int

    def __str__(self) -> str:
        return f"{self.connections} × {self.streams}, {self.threads} thread(s)"


@dataclass(frozen=True, slots=True)
class Sample:
    cpu_us: float  # server CPU microseconds per answered request
    rate: float  # answered requests per second of the generator's time


def suite(quick: bool) -> dict[str, list[Contender]]:
    rls, check = rate_limit_request(), check_request()
    limits = [
        Contender("ceiling", "ceiling", RLS, rls, CONSTANT_RLS),
        Contender("our server, constant", "native", RLS, rls, CONSTANT_RLS),
        Contender("grpcio, constant", "grpcio", RLS, rls, CONSTANT_RLS),
        Contender("ShouldRateLimit, 1 limit", "tollhouse", RLS, rls, b"", limits=1),
        Contender("ShouldRateLimit, 10,000 limits", "tollhouse", RLS, rls, b"", limits=10_000),
    ]
    keys = [
        Contender("ceiling", "ceiling", CHECK, check, CONSTANT_CHECK),
        Contender("our server, constant", "native", CHECK, check, CONSTANT_CHECK),
        Contender("Check, 1 key", "tollhouse", CHECK, check, b"", keys=1),
        Contender("Check, 10,000 keys", "tollhouse", CHECK, check, b"", keys=10_000),
    ]
    if quick:
        return {
            "Rate limits": [c for c in limits if c.kind != "grpcio"][:3],
            "Authorization": keys[:3],
        }
    return {"Rate limits": limits, "Authorization": keys}


def cpu_seconds(pid: int) -> float:
    """Of the process and those that it started."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    started = Path(f"/proc/{pid}/task").glob("*/children")
    children = [int(child) for found in started for child in found.read_text().split()]
    return (int(fields[11]) + int(fields[12])) / TICKS + sum(map(cpu_seconds, children))


def fire(pid: int, port: int, contender: Contender, shape: Shape, seconds: float) -> Sample:
    before = cpu_seconds(pid)
    done = h2load.run(
        f"127.0.0.1:{port}",
        contender.path,
        contender.request,
        connections=shape.connections,
        streams=shape.streams,
        seconds=seconds,
    )
    spent = cpu_seconds(pid) - before
    if not done.succeeded:
        raise SystemExit(f"{contender.name}: h2load got no answer:\n{done.output}")
    return Sample(spent / done.succeeded * 1e6, done.rate)


def measure(
    contenders: list[Contender], shape: Shape, rounds: int, seconds: float
) -> dict[str, list[Sample]]:
    samples: dict[str, list[Sample]] = {contender.name: [] for contender in contenders}
    with ExitStack() as stack:
        started = [(c, *stack.enter_context(running(c, shape.threads))) for c in contenders]
        for contender, pid, port in started:
            fire(pid, port, contender, shape, min(seconds, 0.5))
        for _ in range(rounds):
            for contender, pid, port in started:
                samples[contender.name].append(fire(pid, port, contender, shape, seconds))
    return samples


def spread(samples: list[Sample]) -> float:
    """Interquartile range over the median: what the machine's noise does to this contender."""
    costs = sorted(sample.cpu_us for sample in samples)
    low, high = costs[len(costs) // 4], costs[-1 - len(costs) // 4]
    return (high - low) / statistics.median(costs)


def table(title: str, shape: Shape, samples: dict[str, list[Sample]]) -> list[str]:
    ceiling = statistics.median(s.cpu_us for s in samples["ceiling"])
    lines = [f"### {title}, {shape}", ""]
    lines += [
        "| server | CPU µs per request | × ceiling | spread | requests/s |",
        "|---|---|---|---|---|",
    ]
    for name, taken in samples.items():
        cost = statistics.median(s.cpu_us for s in taken)
        rate = statistics.median(s.rate for s in taken)
        lines.append(
            f"| {name} | {cost:.2f} | {cost / ceiling:.2f} | {spread(taken):.0%} | {rate:,.0f} |"
        )
    return [*lines, ""]


def run_shape(
    title: str, contenders: list[Contender], shape: Shape, options: argparse.Namespace
) -> list[str]:
    for attempt in range(1, options.attempts + 1):
        samples = measure(contenders, shape, options.rounds, options.seconds)
        noise = spread(samples["ceiling"])
        lines = table(title, shape, samples)
        print("\n".join(lines), flush=True)
        if noise <= ALLOWED_SPREAD:
            return lines
        print(f"thrown away: the ceiling varied by {noise:.0%} (attempt {attempt})", flush=True)
    raise SystemExit(1)


def parse(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of one round")
    parser.add_argument("--attempts", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="fewer contenders, one thread")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the tables into this page")
    return parser.parse_args(words)


def page(lines: list[str], options: argparse.Namespace) -> str:
    day = datetime.now(UTC).date().isoformat()
    how = f"python -m loadtests.bench --rounds {options.rounds} --seconds {options.seconds:g}"
    return f"""# Benchmarks

Machines differ and this one is shared: read the ratios, not the microseconds. Each table is one
run; contenders take turns, and figures are medians over the rounds. *CPU* is user plus system time
of the server process per answered request; *ceiling* is `loadtests/ceiling.c`, an nghttp2 server
that decodes nothing and answers a constant. *Spread* is the interquartile range over the median.
The load generator (h2load) shares the two cores and saturates first, so rates are lower bounds.

Measured {day} on {os.cpu_count()} CPUs with `{how}` (`make bench`).

""" + "\n".join(lines)


def main(words: list[str]) -> None:
    options = parse(words)
    # Unwinds, so that the servers are stopped.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    lines: list[str] = []
    for title, contenders in suite(options.quick).items():
        for threads in (1,) if options.quick else (1, 2):
            for streams in (32, 1):
                shape = Shape(4, streams, threads)
                lines += run_shape(title, contenders, shape, options)
    if options.write:
        write_part(options.write, page(lines, options))


if __name__ == "__main__":
    main(sys.argv[1:])
