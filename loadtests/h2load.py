"""Runs h2load with a real request body against a server that is already up.

python -m loadtests.h2load rls 127.0.0.1:8081 --connections 4 --streams 32 --seconds 5
"""

import argparse
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass

from loadtests.contenders import check_request, rate_limit_request
from loadtests.paths import CHECK, RLS

ANSWERED = re.compile(r"requests: \d+ total, \d+ started, \d+ done, (\d+) succeeded, (\d+) failed")
RATE = re.compile(r"finished in [^,]+, ([\d.]+) req/s")


@dataclass(frozen=True, slots=True)
class Run:
    """`rate` is answered requests per second of the generator's time."""

    succeeded: int
    failed: int
    rate: float
    output: str


def run(
    target: str, path: str, message: bytes, *, connections: int, streams: int, seconds: float
) -> Run:
    """Load `target` ("HOST:PORT") with one framed message over and over. One generator thread.

    Raises RuntimeError when h2load's output holds no figures.
    """
    with tempfile.NamedTemporaryFile() as body:
        body.write(b"\0" + len(message).to_bytes(4, "big") + message)
        body.flush()
        done = subprocess.run(
            [
                *("h2load", "-D", f"{round(seconds * 1000)}ms", "-t", "1", "-d", body.name),
                *("-c", str(connections), "-m", str(streams)),
                *("-H", "content-type: application/grpc", "-H", "te: trailers"),
                f"http://{target}{path}",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
    answered, rate = ANSWERED.search(done.stdout), RATE.search(done.stdout)
    if not answered or not rate:
        raise RuntimeError(f"h2load {path}: {done.stdout}{done.stderr}")
    return Run(int(answered[1]), int(answered[2]), float(rate[1]), done.stdout)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("method", choices=["rls", "check"])
    parser.add_argument("target", help="HOST:PORT")
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--streams", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=5)
    options = parser.parse_args()
    path, message = (
        (RLS, rate_limit_request()) if options.method == "rls" else (CHECK, check_request())
    )
    result = run(
        options.target,
        path,
        message,
        connections=options.connections,
        streams=options.streams,
        seconds=options.seconds,
    )
    print(result.output)
    return 1 if result.failed or not result.succeeded else 0


if __name__ == "__main__":
    sys.exit(main())
