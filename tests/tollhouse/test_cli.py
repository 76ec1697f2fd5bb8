"""The command line: every flag, its variable, its default, and what is refused."""

import subprocess
import sys
from dataclasses import fields
from itertools import chain
from pathlib import Path

import pytest

from _fastpath.bounds import Bounds
from tollhouse import __version__, cli
from tollhouse.__main__ import main
from tollhouse.address import Address
from tollhouse.cli import CHECK_FLAGS
from tollhouse.counters_flags import COUNTERS_FLAGS, SERVER_FLAGS
from tollhouse.errors import UsageError
from tollhouse.flags import Flag
from tollhouse.log import Format, Level
from tollhouse.outgoing_flags import OUTGOING_FLAGS
from tollhouse.rego_flags import REGO_FLAGS
from tollhouse.serve_flags import BOUND_FLAGS, SERVE_FLAGS
from tollhouse.settings import (
    CheckSettings,
    RateLimitHeaders,
    RateLimitStatuses,
    RetryAfter,
    ServeSettings,
    Transport,
)
from tollhouse.storage_flags import STORAGE_FLAGS
from tollhouse.tls_flags import TLS_FLAGS
from tollhouse.top_flags import TOP_FLAGS

EXAMPLES = {
    "limits": ("l.yaml", Path("l.yaml")),
    "rate_limit_headers": ("draft_version_03", RateLimitHeaders.DRAFT_VERSION_03),
    "retry_after": ("always", RetryAfter.ALWAYS),
    "rate_limit_statuses": ("none", RateLimitStatuses.NONE),
    "limit_name_in_labels": ("true", True),
    "custom_metric_labels": ("m.yaml", Path("m.yaml")),
    "metric_labels_default": ("descriptors[0]", "descriptors[0]"),
    "rls_listen": ("unix:/run/x", Address(path="/run/x")),
    "authz_listen": ("[::1]:7", Address("::1", 7)),
    "http_listen": ("none", None),
    "authz_http_listen": ("none", None),
    "oidc_listen": ("none", None),
    "grpc_reflection": ("false", False),
    "threads": ("3", 3),
    "transport": ("grpcio", Transport.GRPCIO),
    "grace_seconds": ("2.5", 2.5),
    "disable_reservations": ("true", True),
    "max_reservation_fraction": ("0.25", 0.25),
    "max_reservation_ttl": ("9", 9.0),
    "max_reservations": ("5", 5),
    "max_counters": ("7", 7),
    "admin_token_file": ("t", Path("t")),
    "max_api_keys": ("8", 8),
    "check_timeout_seconds": ("0.5", 0.5),
    "evaluator_metrics": ("true", True),
    "max_failures_per_source": ("20", 20),
    "max_failures_per_credential": ("10", 10),
    "failure_window_seconds": ("90", 90.0),
    "max_http_body_bytes": ("1KiB", 1024),
    "log_level": ("DEBUG", Level.DEBUG),
    "log_format": ("json", Format.JSON),
    "request_log": ("true", True),
    "http_log": ("true", True),
}


def serve(*arguments: str, **environment: str) -> ServeSettings:
    settings = cli.parse(["serve", *arguments], environment)
    assert isinstance(settings, ServeSettings)
    return settings


def test_defaults_are_those_promised() -> None:
    assert serve() == ServeSettings(
        manifests=(),
        limits=None,
        rls_listen=Address("0.0.0.0", 8081),
        authz_listen=Address("0.0.0.0", 50051),
        http_listen=Address("0.0.0.0", 8080),
        authz_http_listen=Address("0.0.0.0", 5001),
        oidc_listen=Address("0.0.0.0", 8083),
        threads=0,
        transport=Transport.NATIVE,
        rate_limit_headers=RateLimitHeaders.NONE,
        retry_after=RetryAfter.WITH_HEADERS,
        rate_limit_statuses=RateLimitStatuses.DESCRIPTORS,
        limit_name_in_labels=False,
        custom_metric_labels=None,
        metric_labels_default=None,
        grpc_reflection=True,
        http_log=False,
        disable_reservations=False,
        max_reservation_fraction=0.5,
        max_reservation_ttl=60.0,
        max_reservations=100_000,
        max_counters=1_000_000,
        admin_token_file=None,
        max_api_keys=1_000_000,
        max_http_body_bytes=8192,
        grace_seconds=10.0,
        log_level=Level.INFO,
        log_format=Format.TEXT,
        bounds=Bounds(),
    )


def test_every_setting_has_a_flag() -> None:
    settings = {field.name for field in fields(ServeSettings)} - {
        "manifests",
        "bounds",
        "counters",
        "outgoing",
        "rego",
        "counter_changes",
        "admin_token",
        "watched",
        "tls",
    }
    assert settings == {flag.field for flag in SERVE_FLAGS} == EXAMPLES.keys()
    assert {f"bound_{field.name}" for field in fields(Bounds)} == {f.field for f in BOUND_FLAGS}


@pytest.mark.parametrize("flag", SERVE_FLAGS, ids=lambda flag: flag.name)
def test_flag_and_variable_set_the_same(flag: Flag) -> None:
    text, value = EXAMPLES[flag.field]
    words = [flag.name] if flag.switch else [flag.name, text]
    assert getattr(serve(*words), flag.field) == value
    assert getattr(serve(**{flag.variable: text}), flag.field) == value
    default = getattr(ServeSettings(), flag.field)
    assert default != value
    assert getattr(serve(**{flag.variable: ""}), flag.field) == default


@pytest.mark.parametrize("flag", BOUND_FLAGS, ids=lambda flag: flag.name)
def test_every_bound_can_be_set(flag: Flag) -> None:
    field = flag.field.removeprefix("bound_")
    assert getattr(serve(flag.name, "77").bounds, field) == 77
    assert getattr(serve(**{flag.variable: "78"}).bounds, field) == 78


def test_flag_beats_variable() -> None:
    assert serve("--threads", "2", TOLLHOUSE_THREADS="3").threads == 2


def test_short_flag_sets_the_headers() -> None:
    assert serve("-H", "DRAFT_VERSION_03").rate_limit_headers is RateLimitHeaders.DRAFT_VERSION_03


def test_admin_token_comes_from_the_environment_and_is_not_shown() -> None:
    settings = serve(TOLLHOUSE_ADMIN_TOKEN="sesame")
    assert settings.admin_token == "sesame"
    assert "sesame" not in repr(settings)


def test_directories_come_from_arguments_or_variable() -> None:
    assert serve("a", "b").manifests == (Path("a"), Path("b"))
    assert serve(TOLLHOUSE_DIR="a:b").manifests == (Path("a"), Path("b"))
    assert serve("c", TOLLHOUSE_DIR="a:b").manifests == (Path("c"),)


@pytest.mark.parametrize(
    ("text", "size"), [("4096", 4096), ("4KiB", 4096), ("3 MiB", 3 << 20), ("1GiB", 1 << 30)]
)
def test_sizes_may_carry_a_unit(text: str, size: int) -> None:
    assert serve("--bound-message-bytes", text).bounds.message_bytes == size


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["serve", "--threads", "-1"], "--threads"),
        (["serve", "--threads", "257"], "--threads"),
        (["serve", "--threads", "٣"], "--threads"),
        (["serve", "--transport", "quic"], "--transport"),
        (["serve", "-H", "DRAFT_VERSION_04"], "--rate-limit-headers"),
        (["serve", "--rls-listen", "8081"], "--rls-listen"),
        (["serve", "--grace-seconds", "nan"], "--grace-seconds"),
        (["serve", "--bound-connections", "0"], "--bound-connections"),
        (["serve", "--bound-message-bytes", "4MB"], "--bound-message-bytes"),
        (["serve", "--limits", ""], "--limits"),
        (["serve", "--max-reservation-fraction", "0"], "--max-reservation-fraction"),
        (["serve", "--metric-labels-default", "((("], "--metric-labels-default"),
        (["serve", "--thread", "1"], "--thread"),
        (["serve", "--no-such-flag"], "--no-such-flag"),
        (["surf"], "surf"),
        ([], "COMMAND"),
        (["check"], "PATH"),
        (["counters", "drop", "ns"], "drop"),
        (["counters", "list"], "NAMESPACE"),
        (["counters", "list", "ns", "5"], "VALUE"),
        (["top", "--interval", "0.01"], "--interval"),
        (["counters", "set", "ns"], "VALUE"),
        (["counters", "set", "ns", "-1"], "VALUE"),
        (["counters", "set", "ns", "1", "--value-over", "1"], "--value-over"),
        (["counters", "list", "ns", "--var", "x"], "--var"),
        (["counters", "list", "ns", "--server", "localhost:8080"], "--server"),
        (["counters", "list", "ns", "--token-file", "/no/such/file"], "/no/such/file"),
    ],
)
def test_unusable_command_line_exits_with_two(
    arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    told = capsys.readouterr()
    assert named in told.err
    assert "Traceback" not in told.err
    assert told.out == ""


def test_unusable_variable_is_named() -> None:
    with pytest.raises(UsageError, match="TOLLHOUSE_THREADS: 'many'"):
        serve(TOLLHOUSE_THREADS="many")


def test_check_takes_paths_and_strictness() -> None:
    assert cli.parse(["check", "a", "b"], {}) == CheckSettings((Path("a"), Path("b")))
    assert cli.parse(["check", "--strict", "a"], {}) == CheckSettings((Path("a"),), strict=True)
    strict = cli.parse(["check", "a"], {"TOLLHOUSE_STRICT": "true"})
    assert strict == CheckSettings((Path("a"),), strict=True)


@pytest.mark.parametrize(
    ("command", "flags"),
    [
        (
            "serve",
            SERVE_FLAGS + STORAGE_FLAGS + TLS_FLAGS + OUTGOING_FLAGS + REGO_FLAGS + BOUND_FLAGS,
        ),
        ("check", CHECK_FLAGS),
        ("counters", SERVER_FLAGS + COUNTERS_FLAGS),
        ("top", SERVER_FLAGS + TOP_FLAGS),
    ],
)
def test_help_tells_every_flag(
    command: str, flags: tuple[Flag, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.parse([command, "--help"], {})
    assert caught.value.code == 0
    told = capsys.readouterr().out
    assert all(f"{flag.name} " in told or f"{flag.name}\n" in told for flag in flags)
    assert "exit codes" in told


def test_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.parse(["--version"], {})
    assert capsys.readouterr().out == f"tollhouse {__version__}\n"
    project = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    assert f'\nversion = "{__version__}"\n' in project


def test_reader_that_goes_away_ends_the_command_quietly(tmp_path: Path) -> None:
    limits = tmp_path / "limits.yaml"
    limits.write_text("- 1\n" * 20_000)
    command = subprocess.Popen(
        [sys.executable, "-m", "tollhouse", "check", str(limits)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert command.stdout is not None
    assert command.stderr is not None
    command.stdout.close()
    assert (command.wait(30), command.stderr.read()) == (141, b"")
    command.stderr.close()


def test_documentation_names_every_flag() -> None:
    text = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
    serving = SERVE_FLAGS, STORAGE_FLAGS, OUTGOING_FLAGS, REGO_FLAGS, BOUND_FLAGS
    for flag in chain(*serving, CHECK_FLAGS, SERVER_FLAGS, COUNTERS_FLAGS, TOP_FLAGS):
        assert f"`{flag.name}" in text, flag.name
