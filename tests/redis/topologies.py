"""A Cluster of three masters with a replica each, Sentinels, and certificates, made by tests."""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis

from tests.redis.servers import DEADLINE_SECONDS, RedisServer, free_port

NODE_TIMEOUT_MS = 1000


def waited_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


@dataclass
class RedisCluster:
    nodes: list[RedisServer]

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def identifier(self, node: RedisServer) -> str:
        with node.client() as client:
            return str(client.cluster("MYID").decode())

    def holder(self, slot: int) -> RedisServer:
        """The master of this slot, as itself and every other node see it."""
        with self.nodes[0].client() as client:
            for range_ in client.execute_command("CLUSTER SLOTS"):
                if range_[0] <= slot <= range_[1]:
                    return self.at(range_[2][1])
        raise AssertionError("nobody serves the slot")

    def at(self, port: int) -> RedisServer:
        return next(node for node in self.nodes if node.port == port)

    def replica_of(self, master: RedisServer) -> RedisServer:
        with master.client() as client:
            return self.at(int(client.info("replication")["slave0"]["port"]))

    def move(self, slot: int, source: RedisServer, target: RedisServer) -> None:
        """A slot without keys."""
        for node in self.nodes:
            with node.client() as client:
                if client.info("replication")["role"] == "master":
                    client.execute_command(
                        "CLUSTER", "SETSLOT", slot, "NODE", self.identifier(target)
                    )

    def healthy(self) -> bool:
        for node in self.nodes:
            with node.client() as client:
                state = client.execute_command("CLUSTER INFO")
                if state["cluster_state"] != "ok" or state["cluster_known_nodes"] != "6":
                    return False
                if client.info("replication").get("master_link_status", "up") != "up":
                    return False
        return True


@contextmanager
def cluster() -> Iterator[RedisCluster]:
    with ExitStack() as stack:
        nodes = [
            stack.enter_context(
                RedisServer(
                    *("--cluster-enabled", "yes"),
                    *("--cluster-node-timeout", str(NODE_TIMEOUT_MS)),
                    *("--repl-diskless-sync-delay", "0"),
                    port=_port_with_bus(),
                )
            )
            for _ in range(6)
        ]
        made = RedisCluster(nodes)
        subprocess.run(
            [
                *("redis-cli", "--cluster", "create"),
                *(f"127.0.0.1:{node.port}" for node in nodes),
                *("--cluster-replicas", "1", "--cluster-yes"),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=60,
        )
        waited_for(made.healthy)
        yield made


def _port_with_bus() -> int:
    """The bus of a Cluster listens 10,000 above."""
    while (port := free_port()) > 50_000:
        pass
    return port


@dataclass
class SentinelSetup:
    servers: list[RedisServer]
    ports: list[int]

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.ports)
        return f"redis+sentinel://{hosts}/tests"

    def master(self) -> RedisServer:
        with redis.Redis(port=self.ports[0]) as client:
            _, port = client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "tests")
        return next(server for server in self.servers if server.port == int(port))


class SentinelServer(RedisServer):
    def command(self) -> list[str]:
        return ["redis-server", str(self.directory / "sentinel.conf"), "--sentinel"]


@contextmanager
def sentinels() -> Iterator[SentinelSetup]:
    """A master, a replica and three Sentinels, two of which decide."""
    with ExitStack() as stack:
        master = stack.enter_context(RedisServer("--repl-diskless-sync-delay", "0"))
        replica = stack.enter_context(RedisServer("--replicaof", "127.0.0.1", str(master.port)))
        watchers = [SentinelServer() for _ in range(3)]
        for watcher in watchers:
            (watcher.directory / "sentinel.conf").write_text(
                f"port {watcher.port}\n"
                f"sentinel monitor tests 127.0.0.1 {master.port} 2\n"
                "sentinel down-after-milliseconds tests 700\n"
                "sentinel failover-timeout tests 5000\n"
            )
            stack.enter_context(watcher)
        setup = SentinelSetup([master, replica], [watcher.port for watcher in watchers])
        waited_for(lambda: _complete(setup.ports[0]))
        yield setup


def _complete(port: int) -> bool:
    with redis.Redis(port=port) as client:
        told = client.sentinel_master("tests")
        return told["num-slaves"] == 1 and told["num-other-sentinels"] == 2


@dataclass(frozen=True)
class Certificates:
    ca: Path
    certificate: Path
    key: Path


def certificates(directory: Path) -> Certificates:
    """A CA, and one certificate for 127.0.0.1 that server and client both show."""
    ca, ca_key = directory / "ca.pem", directory / "ca.key"
    made = Certificates(ca, directory / "node.pem", directory / "node.key")
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    for arguments in (
        ["-keyout", ca_key, "-out", ca, "-subj", "/CN=Test CA", "-x509"],
        [
            *("-keyout", made.key, "-out", made.certificate, "-subj", "/CN=node", "-x509"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-CA", ca, "-CAkey", ca_key),
        ],
    ):
        subprocess.run(
            ["openssl", "req", *curve, *map(str, arguments)],
            check=True,
            stderr=subprocess.DEVNULL,
            timeout=30,
        )
    return made
