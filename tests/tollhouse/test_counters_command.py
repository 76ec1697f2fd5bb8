"""`tollhouse counters` against a real HTTP side, and the token it needs."""

import asyncio
import json
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from ratelimit import counters_api
from tests.ratelimit.host import Host
from tollhouse import cli, counters_command
from tollhouse.__main__ import main
from tollhouse.address import Address
from tollhouse.admin_access import AdminAccess
from tollhouse.errors import StartError
from tollhouse.http_side import HttpSide
from tollhouse.settings import CountersSettings

LIMITS = """
- {namespace: toy/store, max_value: 10, seconds: 60, name: per user, conditions: [],
   variables: ["descriptors[0].u"]}
- {namespace: toy/store, max_value: 100, seconds: 60, conditions: [], variables: []}
"""
NS = "toy/store"
ANN = ("--limit", "per user", "--var", "descriptors[0].u=ann")


class Served:
    """A host behind an HTTP side that lives as long as one command."""

    def __init__(self, token_file: Path | None) -> None:
        self.host = Host(native=True)
        self.host.load(LIMITS)
        self.token_file = token_file

    def run(self, *arguments: str, environment: dict[str, str] | None = None) -> int:
        """Runs the command; a ProgramError comes out."""
        return asyncio.run(self._run(arguments, environment or {}))

    async def _run(self, arguments: tuple[str, ...], environment: dict[str, str]) -> int:
        access = AdminAccess(self.token_file, None)
        side = HttpSide(counters_api.routes(self.host.service, access))
        address = await side.start(Address("127.0.0.1", 0))
        try:
            words = ["counters", *arguments, "--server", f"http://{address}"]
            settings = cli.parse(words, environment)
            assert isinstance(settings, CountersSettings)
            return await asyncio.to_thread(counters_command.run, settings)
        finally:
            await side.stop()


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("sesame\n")
    return path


@pytest.fixture
def served(token: Path) -> Served:
    served = Served(token)
    served.host.report(NS, {"u": "ann"}, hits=4)
    served.host.report(NS, {"u": "bob\x1b[31m"}, hits=1)
    return served


def test_list_is_a_table_that_cannot_steer_the_terminal(
    served: Served, token: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert served.run("list", NS, "--token-file", str(token)) == 0
    told = capsys.readouterr().out
    lines = [line.split() for line in told.splitlines()]
    assert ["per", "user", "descriptors[0].u=ann", "4", "10", "6", "60", "s"] in lines
    assert ["-", "-", "5", "100", "95", "60", "s"] in lines
    assert "\x1b" not in told
    assert "bob\\x1b[31m" in told


def test_get_prints_one_counter_as_json(
    served: Served, token: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert served.run("get", NS, *ANN, "--json", "--token-file", str(token)) == 0
    counter = json.loads(capsys.readouterr().out)
    assert (counter["value"], counter["remaining"]) == (4, 6)
    assert served.run("get", NS, "--limit", "none such", "--token-file", str(token)) == 1
    assert capsys.readouterr().err == "no such counter\n"


def test_get_of_several_is_refused(served: Served, token: Path) -> None:
    with pytest.raises(Exception, match="several counters"):
        served.run("get", NS, "--token-file", str(token))


def test_set_and_reset_change_counters(
    served: Served, token: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    access = ("--token-file", str(token))
    assert served.run("set", NS, "9", *ANN, *access) == 0
    assert capsys.readouterr().out == "set to 9 of 10\n"
    assert served.run("reset", NS, *ANN, *access) == 0
    assert capsys.readouterr().out == "1 counter reset\n"
    assert served.run("reset", NS, "--yes", *access) == 0
    assert capsys.readouterr().out == "2 counters reset\n"
    assert served.host.listed() == []


def test_resetting_everything_asks_first(
    served: Served,
    token: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    access = ("--token-file", str(token))
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    with pytest.raises(Exception, match="--yes"):
        served.run("reset", NS, *access)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda _: "n")
    assert served.run("reset", NS, *access) == 1
    assert len(served.host.listed()) == 3
    monkeypatch.setattr("builtins.input", lambda _: "y")
    assert served.run("reset", NS, *access) == 0
    assert served.host.listed() == []


def test_without_the_token_nothing_is_told(served: Served, tmp_path: Path, token: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("open")
    for words in ((), ("--token-file", str(wrong))):
        with pytest.raises(Exception, match=r"401: .*--token-file") as caught:
            served.run("list", NS, *words)
        assert "sesame" not in str(caught.value)
    assert served.run("list", NS, environment={"TOLLHOUSE_ADMIN_TOKEN": "sesame"}) == 0
    token.write_text("another")
    with pytest.raises(Exception, match="401"):
        served.run("list", NS, environment={"TOLLHOUSE_ADMIN_TOKEN": "sesame"})


def test_server_without_a_token_shows_and_changes_nothing(token: Path) -> None:
    served = Served(None)
    assert served.run("list", NS) == 0
    with pytest.raises(Exception, match=r"403: .*--admin-token-file"):
        served.run("reset", NS, "--yes", "--token-file", str(token))


def test_unreachable_server_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["counters", "list", NS, "--server", "http://127.0.0.1:1"]) == 1
    assert "cannot reach http://127.0.0.1:1" in capsys.readouterr().err
    assert main(["counters", "list", NS, "--server", "unix:/no/such/socket"]) == 1
    assert "cannot reach unix:/no/such/socket" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b" \n", b"two words", b"\xff", b"x" * 5000, b"a\nb"])
def test_unusable_token_file_ends_the_start(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "token"
    path.write_bytes(content)
    with pytest.raises(StartError, match=str(path)):
        AdminAccess(path, None)
    with pytest.raises(StartError, match="missing"):
        AdminAccess(tmp_path / "missing", None)


async def test_environment_token_serves_without_a_file() -> None:
    access = AdminAccess(None, "sesame")
    for header, passes in (("Bearer sesame", True), ("bearer sesame", True), ("sesame", False)):
        request = _request(header)
        if passes:
            await access(request, changes=True)
        else:
            with pytest.raises(web.HTTPUnauthorized) as caught:
                await access(request, changes=True)
            assert caught.value.headers["WWW-Authenticate"].startswith("Bearer")


def test_token_file_that_goes_lets_nobody_in(token: Path) -> None:
    access = AdminAccess(token, None)
    asyncio.run(access(_request("Bearer sesame"), changes=True))
    token.unlink()
    with pytest.raises(web.HTTPUnauthorized):
        asyncio.run(access(_request("Bearer sesame"), changes=True))


def _request(authorization: str) -> web.Request:
    return make_mocked_request("GET", "/counters/ns", headers={"Authorization": authorization})


def test_settings_do_not_show_the_token() -> None:
    settings = cli.parse(["counters", "list", NS], {"TOLLHOUSE_ADMIN_TOKEN": "sesame"})
    assert "sesame" not in repr(settings)
