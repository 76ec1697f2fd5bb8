"""What clients of the gateway see while a Tollhouse hangs, drains, dies or comes back."""

import signal
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.bootstrap import (
    bootstrap,
    cluster,
    constant,
    descriptor,
    ext_authz,
    ratelimit,
    route,
)
from tests.e2e.processes import Addresses, Envoy, Tollhouse, eventually, request, upstream

pytestmark = pytest.mark.slow

MANIFEST = """
apiVersion: authorino.kuadrant.io/v1beta3
kind: AuthConfig
metadata: {name: toys, namespace: shop}
spec:
  hosts: [toys.example.com]
  authentication: {anybody: {anonymous: {}}}
"""
LIMITS = """
- namespace: shop
  max_value: 1000000
  seconds: 60
  conditions: []
  variables: []
"""
COUNTED = [route("/", rate_limits=[descriptor(constant("kind", "any"))])]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "limits.yaml").write_text(LIMITS)
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "shop.yaml").write_text(MANIFEST)
    return tmp_path


@pytest.fixture
def echo() -> Iterator[int]:
    with upstream() as port:
        yield port


def gateway(
    folder: Path, echo: int, filters: list[dict[str, Any]], servers: list[Addresses]
) -> Envoy:
    def configure(front: int, admin: int) -> dict[str, Any]:
        return bootstrap(
            front,
            admin,
            filters=filters,
            routes=COUNTED,
            clusters=[
                cluster("upstream", [echo], grpc=False),
                cluster("rls", [server.rls for server in servers], grpc=True),
                cluster("authz", [server.authz for server in servers], grpc=True),
            ],
        )

    return Envoy(folder, configure)


def wait_healthy(envoy: Envoy, name: str, count: int) -> None:
    stat = f"cluster.{name}.membership_healthy"
    eventually(lambda: envoy.stats(f"^{stat}$")[stat] == count, f"{count} healthy in {name}")


def test_hanging_server_closes_authorization_and_opens_limits(folder: Path, echo: int) -> None:
    with Tollhouse(folder) as tollhouse:
        both = [ext_authz(timeout_s=0.25)]
        only_limits = [ratelimit("shop", timeout_s=0.25)]
        (folder / "limits-only").mkdir()
        with (
            gateway(folder, echo, both, [tollhouse.addresses]) as guarded,
            gateway(folder / "limits-only", echo, only_limits, [tollhouse.addresses]) as limited,
        ):
            assert (guarded.get("/").status, limited.get("/").status) == (200, 200)
            tollhouse.send(signal.SIGSTOP)
            assert (guarded.get("/").status, limited.get("/").status) == (503, 200)
            stats = limited.stats("ratelimit.failure_mode_allowed$")
            assert list(stats.values()) == [1]
            tollhouse.send(signal.SIGCONT)
            eventually(lambda: guarded.get("/").status == 200, "recovery")


def test_failure_modes_can_be_swapped(folder: Path, echo: int) -> None:
    with Tollhouse(folder) as tollhouse:
        opened = [ext_authz(timeout_s=0.25, failure_mode_allow=True)]
        closed = [ratelimit("shop", timeout_s=0.25, failure_mode_deny=True)]
        (folder / "closed").mkdir()
        with (
            gateway(folder, echo, opened, [tollhouse.addresses]) as open_gateway,
            gateway(folder / "closed", echo, closed, [tollhouse.addresses]) as closed_gateway,
        ):
            assert (open_gateway.get("/").status, closed_gateway.get("/").status) == (200, 200)
            tollhouse.stop()
            passed = open_gateway.get("/")
            assert passed.status == 200
            marks = [pair[1] for pair in passed.json()["headers"] if "failure-mode" in pair[0]]
            assert marks == ["true"]
            assert closed_gateway.get("/").status == 502


def test_restart_on_same_ports_is_found_again(folder: Path, echo: int) -> None:
    with Tollhouse(folder) as first:
        addresses = first.addresses
        with gateway(folder, echo, [ext_authz(), ratelimit("shop")], [addresses]) as envoy:
            assert envoy.get("/").status == 200
            assert first.stop() == 0
            assert envoy.get("/").status == 503
            with Tollhouse(folder, ports=addresses):
                eventually(lambda: envoy.get("/").status == 200, "the new process being used")


def test_drain_under_load_loses_no_request(folder: Path, echo: int) -> None:
    seen: Counter[int] = Counter()
    done = threading.Event()

    def ask(port: int) -> None:
        while not done.is_set():
            seen[request(port, "/").status] += 1

    filters = [ext_authz(retry=True), ratelimit("shop", retry=True, failure_mode_deny=True)]
    with (
        Tollhouse(folder) as staying,
        Tollhouse(folder) as leaving,
        gateway(folder, echo, filters, [staying.addresses, leaving.addresses]) as envoy,
    ):
        wait_healthy(envoy, "rls", 2)
        wait_healthy(envoy, "authz", 2)
        threads = [threading.Thread(target=ask, args=(envoy.front,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        eventually(lambda: seen[200] > 100, "load")
        exit_code = leaving.stop()
        after = seen[200]
        eventually(lambda: seen[200] > after + 100, "load after the drain")
        done.set()
        for thread in threads:
            thread.join()
    assert exit_code == 0
    assert set(seen) == {200}
