"""What a server does not load before a configuration asks for it."""

import subprocess
import sys

# Libraries that few configurations need, each a good part of a second or of 30 MB.
LATER = {"authzed", "grpc", "kubernetes_asyncio", "redis", "regopy"}


def test_start_loads_what_every_configuration_needs() -> None:
    script = "import sys, tollhouse.assembly; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert not LATER & set(loaded.stdout.split())
