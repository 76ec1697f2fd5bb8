"""`make load`: the demo stack on free ports, driven by Locust at a given rate."""

import argparse
import asyncio
import sys
from pathlib import Path

from deploy.demo.stack import DemoError, Ports, running

HERE = Path(__file__).resolve().parent
RATE_PER_USER = 20  # requests per second that one keep-alive connection carries with ease


async def load(rate: float, seconds: int, p99_ms: float) -> int:
    """Locust's exit code."""
    ports = Ports.free()
    users = max(1, round(rate / RATE_PER_USER))
    async with running(ports, limits=HERE / "limits.yaml"):
        locust = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "locust", "-f", str(HERE / "locustfile.py"), "--headless"),
            *("--users", str(users), "--spawn-rate", str(users), "--run-time", f"{seconds}s"),
            *("--rate", str(rate), "--p99-ms", str(p99_ms)),
            *("--host", f"http://127.0.0.1:{ports.front}", "--only-summary", "--reset-stats"),
        )
        return await locust.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=200.0, help="requests per second")
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--p99-ms", type=float, default=50.0, help="99th percentile allowed")
    options = parser.parse_args()
    try:
        return asyncio.run(load(options.rate, options.seconds, options.p99_ms))
    except DemoError as error:
        print(f"load: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
