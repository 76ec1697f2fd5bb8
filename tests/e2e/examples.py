"""The configurations of deploy/envoy/ratelimit, all in one Envoy, on ports of the test's own."""

from pathlib import Path
from typing import Any

import yaml

from tests.e2e.bootstrap import Json, address
from tests.e2e.processes import ROOT

FOLDER = ROOT / "deploy" / "envoy" / "ratelimit"
LIMITS = FOLDER / "limits.yaml"
FRONT, UPSTREAM, TOLLHOUSE = 10000, 18080, 8081  # as written in the files


def example(name: str) -> Json:
    loaded: Json = yaml.safe_load(Path(FOLDER, f"{name}.yaml").read_text())
    return loaded


def together(fronts: dict[str, int], admin: int, *, upstream: int, tollhouse: int) -> Json:
    """One bootstrap with the listener of each example on the port that `fronts` gives it.

    The examples describe the same two clusters.
    """
    loaded = [example(name) for name in fronts]
    clusters = loaded[0]["static_resources"]["clusters"]
    listeners = []
    for (name, port), each in zip(fronts.items(), loaded, strict=True):
        resources = each["static_resources"]
        assert resources["clusters"] == clusters, f"{name}.yaml has other clusters"
        (listener,) = resources["listeners"]
        assert listener["address"] == address(FRONT)
        listeners.append({**listener, "name": name, "address": address(port)})
    return {
        "admin": {"address": address(admin)},
        "static_resources": {
            "listeners": listeners,
            "clusters": _moved(clusters, {UPSTREAM: upstream, TOLLHOUSE: tollhouse}),
        },
    }


def _moved(value: Any, ports: dict[int, int]) -> Any:
    """A copy with other numbers in `port_value`."""
    if isinstance(value, dict):
        return {
            key: ports[item] if key == "port_value" else _moved(item, ports)
            for key, item in value.items()
        }
    return [_moved(item, ports) for item in value] if isinstance(value, list) else value
