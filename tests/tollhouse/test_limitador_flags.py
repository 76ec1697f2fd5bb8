"""limitador-server's command line: how it is cut, its variables, and what is refused."""

from pathlib import Path

import pytest

from _fastpath.limit_spec import Fail
from tollhouse import cli
from tollhouse.__main__ import main
from tollhouse.address import Address
from tollhouse.errors import UsageError
from tollhouse.limitador_flags import FLAGS, STORAGES, LimitadorSettings, parse
from tollhouse.log import Format, Level
from tollhouse.settings import (
    RateLimitHeaders,
    RateLimitStatuses,
    RetryAfter,
    ServeSettings,
    StorageSettings,
)


def serve(*arguments: str, **environment: str) -> ServeSettings:
    return parse(arguments, environment).serve


def test_defaults_are_limitadors() -> None:
    assert parse(["l.yaml"], {}) == LimitadorSettings(
        limits=Path("l.yaml"),
        serve=ServeSettings(
            limits=Path("l.yaml"),
            rls_listen=Address("0.0.0.0", 8081),
            authz_listen=None,
            http_listen=Address("0.0.0.0", 8080),
            rate_limit_headers=RateLimitHeaders.NONE,
            retry_after=RetryAfter.NEVER,
            rate_limit_statuses=RateLimitStatuses.NONE,
            grpc_reflection=False,
            counter_changes=False,
            http_log=True,
            log_level=Level.ERROR,
            log_format=Format.TEXT,
            counters=StorageSettings(fail=Fail.ERROR),
        ),
    )


def test_command_is_reached_through_the_program() -> None:
    assert isinstance(cli.parse(["limitador", "l.yaml"], {}), LimitadorSettings)


def test_options_may_stand_on_either_side_of_the_file() -> None:
    before = parse(["-p", "1", "--validate", "l.yaml"], {})
    assert before == parse(["l.yaml", "--validate", "--rls-port=1"], {})
    assert before.validate


def test_short_options_may_be_grouped() -> None:
    settings = serve("-lvvp", "1", "l.yaml")
    assert settings.limit_name_in_labels
    assert settings.log_level is Level.INFO
    assert settings.rls_listen == Address("0.0.0.0", 1)


def test_value_of_an_option_is_never_the_storage() -> None:
    assert serve("-b", "memory", "l.yaml").rls_listen == Address("memory", 8081)


@pytest.mark.parametrize(
    ("variable", "text", "field", "value"),
    [
        ("ENVOY_RLS_HOST", "::1", "rls_listen", Address("::1", 8081)),
        ("ENVOY_RLS_PORT", "5", "rls_listen", Address("0.0.0.0", 5)),
        ("HTTP_API_HOST", "127.0.0.1", "http_listen", Address("127.0.0.1", 8080)),
        ("HTTP_API_PORT", "6", "http_listen", Address("0.0.0.0", 6)),
        ("RATE_LIMIT_HEADERS", "DRAFT_VERSION_03", "rate_limit_headers", "DRAFT_VERSION_03"),
        ("LIMIT_NAME_IN_PROMETHEUS_LABELS", "1", "limit_name_in_labels", True),
        ("LIMIT_NAME_IN_PROMETHEUS_LABELS", "true", "limit_name_in_labels", False),
        ("LIMITS_FILE", "other.yaml", "limits", Path("l.yaml")),
        ("RUST_LOG", "limitador=debug,info", "log_level", Level.DEBUG),
        ("RUST_LOG", "off", "log_level", Level.ERROR),
    ],
)
def test_variables_are_limitadors(variable: str, text: str, field: str, value: object) -> None:
    assert getattr(serve("l.yaml", **{variable: text}), field) == value


def test_flag_beats_its_variable() -> None:
    settings = serve("-H", "NONE", "-v", "l.yaml", RATE_LIMIT_HEADERS="DRAFT_VERSION_03")
    assert settings.rate_limit_headers is RateLimitHeaders.NONE
    assert serve("-v", "l.yaml", RUST_LOG="trace").log_level is Level.WARNING


def test_tracing_endpoint_does_not_end_the_start() -> None:
    assert parse(["l.yaml", "--tracing-endpoint", "http://collector:4317"], {}).traced
    assert parse(["l.yaml"], {"TRACING_ENDPOINT": "http://collector:4317"}).traced
    assert not parse(["l.yaml"], {"TRACING_ENDPOINT": ""}).traced


def test_file_may_come_from_the_environment() -> None:
    assert parse(["memory", "-c", "7"], {"LIMITS_FILE": "l.yaml"}).serve.max_counters == 7


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ([], "LIMITS_FILE"),
        (["-vvvvv", "l.yaml"], "-v"),
        (["l.yaml", "cupboard"], "cupboard"),
        (["l.yaml", "memory", "-c", "x"], "--cache: 'x'"),
        (["l.yaml", "memory", "--validate"], "--validate"),
        (["l.yaml", "distributed", "a", "127.0.0.1:1"], "redis_cached"),
        (["-p"], "-p"),
    ],
)
def test_unusable_line_is_named(
    words: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["limitador", *words]) == 2
    told = capsys.readouterr()
    assert named in told.err
    assert told.out == ""


def test_unusable_variable_is_named() -> None:
    with pytest.raises(UsageError, match="ENVOY_RLS_PORT: 'x'"):
        parse(["l.yaml"], {"ENVOY_RLS_PORT": "x"})


def test_help_tells_every_flag_and_storage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--help"], {})
    told = capsys.readouterr().out
    assert all(f"{flag.name} " in told or f"{flag.name}\n" in told for flag in FLAGS)
    assert all(f"  {name} " in told for name in STORAGES if name != "distributed")


def test_documentation_names_every_flag_and_variable() -> None:
    text = (Path(__file__).parents[2] / "docs" / "limitador.md").read_text()
    for flag in FLAGS:
        assert f"`{flag.name}" in text, flag.name
        assert f"`{flag.environment}`" in text or not flag.environment, flag.environment
