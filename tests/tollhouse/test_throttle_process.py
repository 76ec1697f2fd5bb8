"""A real process makes those wait who fail to authenticate too often."""

import urllib.request
from pathlib import Path

import grpc
import pytest

from authz.service import CHECK
from loadtests.contenders import manifests
from tests.authz.lanes import Answer, check_request, parse
from tests.tollhouse.server_process import serving

pytestmark = pytest.mark.slow


def asked(channel: grpc.Channel, key: str, source: str) -> Answer:
    request = check_request("/toys", "bench.example.com", authorization=f"APIKEY {key}")
    request.attributes.source.address.socket_address.address = source
    ask = channel.unary_unary(CHECK, None, None)
    return parse(ask(request.SerializeToString(), timeout=10), native=False)


def test_flags_bound_failed_authentications(tmp_path: Path) -> None:
    (tmp_path / "keys.yaml").write_text(manifests(1))
    with (
        serving(str(tmp_path), "--max-failures-per-source", "3") as server,
        grpc.insecure_channel(server.grpc) as channel,
    ):
        failed = [asked(channel, "no", "192.0.2.1").http_status for _ in range(4)]
        assert failed == [401, 401, 401, 429]
        assert asked(channel, "key-0", "192.0.2.1").http_status == 429
        assert asked(channel, "key-0", "192.0.2.2").http_status == 200
        with urllib.request.urlopen(f"http://{server.http}/metrics", timeout=5) as response:
            lines = response.read().decode().splitlines()
    (throttled,) = [line for line in lines if line.startswith("tollhouse_authz_throttled_total{")
                    and 'by="source"' in line]  # fmt: skip
    assert throttled.endswith(" 2.0")
