"""TLS of the HTTP listeners: certificates, their renewal, and those that clients show."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import DNSName, SubjectAlternativeName, load_der_x509_certificate

from tests.authz.lanes import Lanes
from tests.authz.pki import CLIENT, Issued, root
from tollhouse import cli
from tollhouse.address import Address
from tollhouse.bounded_http import BoundedHttp
from tollhouse.check_http import CheckHttp
from tollhouse.errors import StartError, UsageError
from tollhouse.server_tls import ServerTls
from tollhouse.settings import ServeSettings, TlsFiles, TlsSettings

SERVERS, CLIENTS = root("servers"), root("clients")
NAME = SubjectAlternativeName([DNSName("toys.com")])
CERTIFICATE = {
    "authentication": {"mtls": {"x509": {"selector": {"matchLabels": {"ca": "clients"}}}}},
    "authorization": {
        "friends": {
            "patternMatching": {
                "patterns": [{"predicate": "'ACME' in auth.identity.Organization"}],
            }
        }
    },
}


def write(folder: Path, issued: Issued) -> TlsFiles:
    folder.mkdir(exist_ok=True)
    files = TlsFiles(folder / "tls.crt", folder / "tls.key", folder / "clients.crt")
    files.certificate.write_text(issued.pem)
    files.key.write_bytes(
        issued.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    (folder / "clients.crt").write_text(CLIENTS.pem)
    return files


def client(shown: TlsFiles | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=SERVERS.pem)
    if shown is not None:
        context.load_cert_chain(shown.certificate, shown.key)
    return context


@pytest.fixture
def files(tmp_path: Path) -> TlsFiles:
    return write(tmp_path, SERVERS.issue("toys.com", extensions=[NAME]))


class Site:
    def __init__(self, tls: ServerTls, port: int) -> None:
        self.tls = tls
        self._port = port

    async def status(self, shown: TlsFiles | None = None, path: str = "/check") -> int:
        headers = {
            "X-Original-Method": "GET",
            "X-Original-URI": "/",
            "Host": "toys.com",
        }
        async with aiohttp.ClientSession() as session:
            url = f"https://127.0.0.1:{self._port}{path}"
            async with session.get(
                url, ssl=client(shown), server_hostname="toys.com", headers=headers
            ) as answer:
                return answer.status

    async def serial(self) -> int:
        _, writer = await asyncio.open_connection(
            "127.0.0.1", self._port, ssl=client(), server_hostname="toys.com"
        )
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        await writer.wait_closed()
        return load_der_x509_certificate(shown).serial_number


@asynccontextmanager
async def listening(files: TlsFiles) -> AsyncIterator[Site]:
    lanes = Lanes()
    secret = {
        "metadata": {"name": "ca", "labels": {"ca": "clients"}},
        "stringData": {"tls.crt": CLIENTS.pem},
    }
    assert lanes.configuration.put_secret("shop", "ca", secret) is None
    assert lanes.config(**CERTIFICATE) == []
    tls = ServerTls(files)
    await tls.start()
    check = CheckHttp(
        lanes.service.check_here, lambda *key: None, lambda *call: None, most_body_bytes=10
    )
    server = BoundedHttp(check)
    place = await server.start(Address("127.0.0.1", 0), tls.context)
    try:
        yield Site(tls, int(place.rpartition(":")[2]))
    finally:
        await server.stop()


async def test_client_certificate_is_the_caller(files: TlsFiles, tmp_path: Path) -> None:
    friend = write(tmp_path / "friend", CLIENTS.issue("ann", "ACME", extensions=[CLIENT]))
    stranger = write(tmp_path / "other", CLIENTS.issue("bob", "Other", extensions=[CLIENT]))
    async with listening(files) as site:
        assert await site.status(friend) == 200
        assert await site.status(stranger) == 403
        assert await site.status() == 401
        # There the certificate is the proxy's.
        assert await site.status(friend, "/check/x-original") == 401


async def test_certificate_of_another_authority_ends_the_handshake(
    files: TlsFiles, tmp_path: Path
) -> None:
    foe = write(tmp_path / "foe", root("foes").issue("eve", "ACME", extensions=[CLIENT]))
    async with listening(files) as site:
        with pytest.raises(aiohttp.ClientError):
            await site.status(foe)


async def test_renewed_certificate_is_shown(
    files: TlsFiles, caplog: pytest.LogCaptureFixture
) -> None:
    async with listening(files) as site:
        before = await site.serial()
        files.key.write_text("half of a renewal")
        await site.tls.refresh()
        assert await site.serial() == before
        assert "not taken over: the certificate, its key" in caplog.text
        renewed = SERVERS.issue("toys.com", extensions=[NAME])
        write(files.key.parent, renewed)
        await site.tls.refresh()
        assert await site.serial() == renewed.certificate.serial_number


async def test_authority_that_is_gone_is_not_trusted(files: TlsFiles, tmp_path: Path) -> None:
    friend = write(tmp_path / "friend", CLIENTS.issue("ann", "ACME", extensions=[CLIENT]))
    async with listening(files) as site:
        assert await site.status(friend) == 200
        assert files.client_ca is not None
        files.client_ca.write_text(root("others").pem)
        await site.tls.refresh()
        with pytest.raises(aiohttp.ClientError):
            await site.status(friend)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("tls.key", None, "No such file"),
        ("tls.key", "no key", "no PEM that goes together"),
        ("tls.crt", "no certificate", "no PEM that goes together"),
        (
            "tls.key",
            ec.generate_private_key(ec.SECP256R1())
            .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            .decode(),
            "no PEM that goes together",
        ),
        ("clients.crt", "no CA", "no PEM that goes together"),
    ],
)
async def test_unusable_files_end_the_start(
    files: TlsFiles, name: str, text: str | None, told: str
) -> None:
    path = files.key.parent / name
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(StartError, match=told):
        await ServerTls(files).start()


def told(*arguments: str) -> TlsSettings:
    settings = cli.parse(["serve", *arguments], {})
    assert isinstance(settings, ServeSettings)
    return settings.tls


def test_flags_name_the_files() -> None:
    assert (told().authz_http, told().oidc) == (None, None)
    check = "--authz-http-certificate-file", "c", "--authz-http-key-file", "k"
    assert told(*check).authz_http == TlsFiles(Path("c"), Path("k"))
    with_ca = told(*check, "--authz-http-client-ca-file", "a")
    assert with_ca.authz_http == TlsFiles(Path("c"), Path("k"), Path("a"))
    grpc = told("--authz-certificate-file", "c", "--authz-key-file", "k")
    assert (grpc.authz, grpc.authz_http) == (TlsFiles(Path("c"), Path("k")), None)
    oidc = told("--oidc-certificate-file", "c", "--oidc-key-file", "k")
    assert oidc.oidc == TlsFiles(Path("c"), Path("k"))


@pytest.mark.parametrize(
    "arguments",
    [
        ("--authz-certificate-file", "c"),
        ("--authz-http-certificate-file", "c"),
        ("--authz-http-key-file", "k"),
        ("--oidc-certificate-file", "c"),
        ("--authz-http-client-ca-file", "a"),
    ],
)
def test_flags_that_do_not_go_together_are_refused(arguments: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        told(*arguments)
