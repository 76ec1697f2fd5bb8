"""Fuzzes the decoders for a while: python -m tests.fuzz --seconds 60

The input being tried stands in --last, so a crash of the process leaves it behind.
"""

import argparse
import time
from pathlib import Path

from tests.fuzz.mutation import inputs
from tests.fuzz.targets import TARGETS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=time.time_ns())
    parser.add_argument("--last", type=Path, default=Path("last-input.bin"))
    options = parser.parse_args()
    print(f"seed {options.seed}")
    with options.last.open("wb", buffering=0) as last:
        for target in TARGETS:
            give_up = time.monotonic() + options.seconds / len(TARGETS)
            count = 0
            for data in inputs(target.seeds(), options.seed):
                last.seek(0)
                last.truncate()
                last.write(data)
                target.run(data)
                count += 1
                if time.monotonic() > give_up:
                    break
            print(f"{target.name}: {count} inputs")
    options.last.unlink()


if __name__ == "__main__":
    main()
