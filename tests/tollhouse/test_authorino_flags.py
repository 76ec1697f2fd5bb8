"""Authorino's command line: its variables, what is refused, and what is told to have no effect."""

from dataclasses import replace
from pathlib import Path

import pytest

from authz.selector_match import EVERYTHING
from authz.selector_text import parse_selector
from tollhouse import cli
from tollhouse.__main__ import main
from tollhouse.address import Address
from tollhouse.authorino_flags import DEFAULTS, FLAGS, parse
from tollhouse.authorino_settings import AuthorinoSettings, AuthorinoVersion
from tollhouse.authorino_tls import FILE_FLAGS, IDLE_FLAGS
from tollhouse.authorino_unused import UNUSED
from tollhouse.errors import UsageError
from tollhouse.flags import Flag
from tollhouse.log import Format, Level
from tollhouse.settings import ServeSettings, TlsFiles, WatchSettings


def settings(*arguments: str, **environment: str) -> AuthorinoSettings:
    parsed = parse(["server", "--manifests", "m", *arguments], environment)
    assert isinstance(parsed, AuthorinoSettings)
    return parsed


def test_defaults_are_authorinos() -> None:
    assert settings() == AuthorinoSettings(
        serve=ServeSettings(
            manifests=(Path("m"),),
            rls_listen=None,
            authz_listen=Address("0.0.0.0", 50051),
            http_listen=None,
            check_timeout_seconds=0,
            log_level=Level.INFO,
            log_format=Format.ZAP,
        ),
        metrics_listen=Address("0.0.0.0", 8080),
        probes_listen=Address("0.0.0.0", 8081),
    )


def test_command_is_reached_through_the_program(capsys: pytest.CaptureFixture[str]) -> None:
    assert isinstance(cli.parse(["authorino", "server", "--manifests", "m"], {}), AuthorinoSettings)
    assert isinstance(cli.parse(["authorino", "version"], {}), AuthorinoVersion)
    assert main(["authorino", "version"]) == 0
    assert capsys.readouterr().out.startswith("Authorino v")


def test_webhooks_have_nothing_to_do() -> None:
    with pytest.raises(UsageError, match="no versions of AuthConfig left"):
        parse(["webhooks", "--port", "9443"], {})


SELECTOR = parse_selector("shard=one")
WATCHED = [
    ("--watch-namespace", "WATCH_NAMESPACE", "shop", WatchSettings(namespace="shop")),
    (
        "--auth-config-label-selector",
        "AUTH_CONFIG_LABEL_SELECTOR",
        "shard=one",
        WatchSettings(auth_configs=SELECTOR),
    ),
    (
        "--secret-label-selector",
        "SECRET_LABEL_SELECTOR",
        "shard=one",
        WatchSettings(secrets=SELECTOR),
    ),
]


@pytest.mark.parametrize(("flag", "variable", "text", "expected"), WATCHED)
def test_what_is_watched(flag: str, variable: str, text: str, expected: WatchSettings) -> None:
    assert settings(flag, text).serve.watched == expected
    assert settings(f"{flag}={text}").serve.watched == expected
    assert settings(**{variable: text}).serve.watched == expected


def test_flag_beats_its_variable() -> None:
    given = settings("--watch-namespace", "one", WATCH_NAMESPACE="two")
    assert given.serve.watched.namespace == "one"


def test_empty_secret_selector_selects_everything() -> None:
    assert settings(SECRET_LABEL_SELECTOR="").serve.watched.secrets == EVERYTHING
    assert settings("--secret-label-selector", "").serve.watched.secrets == EVERYTHING
    chosen = settings("--secret-label-selector", "shard=one", SECRET_LABEL_SELECTOR="")
    assert chosen.serve.watched.secrets == SELECTOR


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), False),
        (("--allow-superseding-host-subsets",), True),
        (("--allow-superseding-host-subsets=true",), True),
        (("--allow-superseding-host-subsets=false",), False),
    ],
)
def test_switches_may_have_values(words: tuple[str, ...], expected: bool) -> None:
    assert settings(*words).serve.watched.allow_host_subsets is expected


def test_listeners_may_be_closed() -> None:
    closed = settings(
        *("--ext-auth-grpc-port", "0", "--ext-auth-http-port", "0", "--oidc-http-port", "0"),
        *("--metrics-addr", "0", "--health-probe-addr", "0"),
    )
    assert closed.serve.authz_listen is None
    assert closed.serve.authz_http_listen is None
    assert closed.serve.oidc_listen is None
    assert closed.metrics_listen is None
    assert closed.probes_listen is None
    assert settings(EXT_AUTH_GRPC_PORT="7").serve.authz_listen == Address("0.0.0.0", 7)
    assert settings("--metrics-addr", "[::1]:7").metrics_listen == Address("::1", 7)


def test_check_over_http() -> None:
    given = settings(EXT_AUTH_HTTP_PORT="7", MAX_HTTP_REQUEST_BODY_SIZE="1024").serve
    assert given.authz_http_listen == Address("0.0.0.0", 7)
    assert given.max_http_body_bytes == 1024


def test_wristband_discovery() -> None:
    assert settings().serve.oidc_listen == Address("0.0.0.0", 8083)
    assert settings(OIDC_HTTP_PORT="7").serve.oidc_listen == Address("0.0.0.0", 7)


def test_checks() -> None:
    given = settings(TIMEOUT="500", DEEP_METRICS_ENABLED="true").serve
    assert (given.check_timeout_seconds, given.evaluator_metrics) == (0.5, True)
    assert not settings("--deep-metrics-enabled=false").serve.evaluator_metrics


def test_variables_of_ours() -> None:
    given = settings(
        TOLLHOUSE_THREADS="2",
        TOLLHOUSE_MAX_API_KEYS="3",
        TOLLHOUSE_BOUND_CONNECTIONS="4",
        TOLLHOUSE_LOG_LEVEL="error",
    ).serve
    assert (given.threads, given.max_api_keys, given.bounds.connections) == (2, 3, 4)
    assert given.log_level is Level.INFO
    with pytest.raises(UsageError, match=r"^TOLLHOUSE_THREADS: "):
        settings(TOLLHOUSE_THREADS="many")


def test_log() -> None:
    told = settings(LOG_LEVEL="debug", LOG_MODE="development").serve
    assert (told.log_level, told.log_format, told.request_log) == (Level.DEBUG, Format.TEXT, True)
    assert settings("--request-log").serve.request_log
    assert settings(TOLLHOUSE_REQUEST_LOG="true").serve.request_log


def test_manifests_may_be_given_several_times() -> None:
    assert settings("--manifests", "n").serve.manifests == (Path("m"), Path("n"))


def test_manifests_are_asked_for() -> None:
    with pytest.raises(UsageError, match=r"^--manifests: expected"):
        parse(["server"], {})


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("EXT_AUTH_GRPC_PORT", "5005x"),
        ("EXT_AUTH_GRPC_PORT", "65536"),
        ("LOG_LEVEL", "trace"),
        ("LOG_MODE", "staging"),
        ("AUTH_CONFIG_LABEL_SELECTOR", "a=b=c"),
        ("EVALUATOR_CACHE_SIZE", "1MB"),
        ("KUBE_CLIENT_QPS", "many"),
    ],
)
def test_variable_that_cannot_be_read_ends_the_start(variable: str, text: str) -> None:
    with pytest.raises(UsageError, match=f"^{variable}: "):
        settings(**{variable: text})


@pytest.mark.parametrize(
    "words",
    [
        ("--tracing-service-tag", "name"),
        ("--metrics-addr", "8080"),
        ("--unknown",),
        ("extra",),
        ("--allow-superseding-host-subsets=perhaps",),
    ],
)
def test_flag_that_cannot_be_read_ends_the_start(words: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        settings(*words)


EXAMPLES = {
    "evaluator_cache_size": "64",
    "kube_client_qps": "50.5",
    "kube_client_burst": "60",
    "webhook_service_port": "9444",
    "enable_leader_election": "true",
    "pprof_bind_address": ":1",
    "log_redact_add_field": "a,b",
    "log_redact_remove_field": "a",
    "log_redact_add_header": "a",
    "log_redact_remove_header": "a",
    "tracing_service_endpoint": "rpc://collector:4317",
    "tracing_service_insecure": "true",
    "tracing_service_tag": "a=b",
}


@pytest.mark.parametrize("flag", UNUSED, ids=lambda flag: flag.name)
def test_flag_without_effect_is_told(flag: Flag) -> None:
    name, field = flag.name, flag.field
    (told,) = settings(f"{name}={EXAMPLES[field]}").ignored
    assert told.startswith(f"{name} has no effect: ")


def test_what_says_the_default_is_not_told() -> None:
    given = settings(
        "--enable-leader-election=false", EVALUATOR_CACHE_SIZE="1", KUBE_CLIENT_QPS="20"
    )
    assert given.ignored == ()
    assert replace(given, ignored=()) == settings()


def test_certificates() -> None:
    files = TlsFiles(Path("c"), Path("k"))
    oidc = settings(OIDC_TLS_CERT="c", OIDC_TLS_CERT_KEY="k").serve.tls
    assert (oidc.authz, oidc.authz_http, oidc.oidc) == (None, None, files)
    check = settings("--tls-cert", "c", "--tls-cert-key", "k").serve.tls
    assert (check.authz, check.authz_http, check.oidc) == (files, files, None)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--tls-cert", "c"), "--tls-cert and --tls-cert-key go together"),
        (("--oidc-tls-cert-key", "k"), "--oidc-tls-cert and --oidc-tls-cert-key go together"),
        (("--oidc-tls-min-version", "1.3"), "TLS 1.2 cannot be shut off"),
        (("--tls-max-version", "2"), "expected one of 1.0, 1.1, 1.2, 1.3"),
    ],
)
def test_less_tls_than_is_asked_for_ends_the_start(words: tuple[str, ...], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        settings(*words)


def test_help_and_page_tell_every_flag(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(["server", "--help"], {})
    assert caught.value.code == 0
    told = capsys.readouterr().out
    page = (Path(__file__).parents[2] / "docs" / "authorino.md").read_text()
    for flag in (*FLAGS, *FILE_FLAGS, *UNUSED, *IDLE_FLAGS):
        assert flag.name in told
        assert f"`{flag.name}" in page, flag.name
        if flag.environment:
            assert f"`{flag.environment}`" in page, flag.environment
    assert {flag.field for flag in FLAGS} == {"manifests", *DEFAULTS}
