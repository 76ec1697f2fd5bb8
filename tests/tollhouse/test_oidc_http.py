"""The listener that verifiers of wristbands ask."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from authz.wristband.discovery import Discovery, discovery_of
from authz.wristband.signing_key import read_signing_key
from tests.tollhouse.server_process import serving
from tollhouse.address import Address
from tollhouse.bounded_http import BoundedHttp
from tollhouse.oidc_http import OidcHttp

PEM = (
    ec.generate_private_key(ec.SECP256R1())
    .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    .decode()
)
BELOW = ".well-known/openid-configuration"
CERTS = ".well-known/openid-connect/certs"
DISCOVERY = discovery_of("http://wb", [read_signing_key("k", "ES256", PEM.encode())])


class Site:
    def __init__(self, place: str, session: aiohttp.ClientSession) -> None:
        self.counted: list[tuple[str, ...]] = []
        self._place = place
        self._session = session

    async def get(self, path: str) -> tuple[int, str, str]:
        async with self._session.get(f"http://{self._place}{path}") as answer:
            return answer.status, answer.content_type, await answer.text()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    counted: list[tuple[str, ...]] = []

    def find(config_id: str, entry: str) -> Discovery | None:
        return DISCOVERY if (config_id, entry) == ("shop/toys", "wb") else None

    server = BoundedHttp(OidcHttp(find, lambda *key: counted.append(key)))
    place = await server.start(Address("127.0.0.1", 0))
    async with aiohttp.ClientSession() as session:
        site = Site(place, session)
        site.counted = counted
        yield site
    await server.stop()


async def test_documents_of_an_issuer(site: Site) -> None:
    for slash in ("", "/", "?x=/y"):
        expected = 200, "application/json", DISCOVERY.configuration
        assert await site.get(f"/shop/toys/wb/{BELOW}{slash}") == expected
    assert (await site.get(f"/shop/toys/wb/{CERTS}"))[2] == DISCOVERY.certificates
    place = "shop", "toys", "wb"
    assert site.counted[-2:] == [
        ("oidc_server_requests_total", *place, f"/{CERTS}"),
        ("oidc_server_response_status", "200"),
    ]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/check",
        "/shop/toys",
        "/shop/toys/wb",
        f"/shop/toys/wb/x/{BELOW}",
        f"/shop/toys/other/{BELOW}",
        f"/shop/others/wb/{BELOW}",
        f"/other/toys/wb/{BELOW}",
        f"/{BELOW}",
        "/debug/pprof/",
    ],
)
async def test_anything_else_is_not_found(site: Site, path: str) -> None:
    assert await site.get(path) == (404, "text/plain", "Not found")
    assert site.counted[-1] == ("oidc_server_response_status", "404")


@pytest.mark.slow
async def test_listener_opens_with_the_first_issuer(tmp_path: Path) -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "signer", "namespace": "shop"},
        "stringData": {"key.pem": PEM},
    }
    item = {
        "issuer": "http://wb",
        "signingKeyRefs": [{"name": "signer", "algorithm": "ES256"}],
    }
    config = {
        "apiVersion": "authorino.kuadrant.io/v1beta3",
        "kind": "AuthConfig",
        "metadata": {"name": "toys", "namespace": "shop"},
        "spec": {
            "hosts": ["toys.com"],
            "response": {"success": {"headers": {"wb": {"wristband": item}}}},
        },
    }
    (tmp_path / "secret.yaml").write_text(json.dumps(secret))
    with serving(str(tmp_path), "--oidc-listen", "127.0.0.1:0") as server:
        assert "wristband discovery on" not in server.log
        (tmp_path / "toys.yaml").write_text(json.dumps(config))
        place = server.told(r"wristband discovery on (\S+)")
        async with aiohttp.ClientSession() as session:
            status, _, text = await Site(place, session).get(f"/shop/toys/wb/{CERTS}")
    assert status == 200
    assert [key["kid"] for key in json.loads(text)["keys"]] == ["signer"]
