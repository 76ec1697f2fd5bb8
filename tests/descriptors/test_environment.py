"""The environment of `tollhouse ratelimit`: what is read, refused and told to have no effect."""

from pathlib import Path

import pytest

from ratelimit.descriptors.options import DescriptorOptions, HeaderNames
from tollhouse.address import Address
from tollhouse.errors import UsageError
from tollhouse.log import Format, Level
from tollhouse.ratelimit_environment import parse
from tollhouse.ratelimit_settings import Backend, ConfigType, RatelimitSettings, RedisType
from tollhouse.ratelimit_variables import IGNORED, VARIABLES


def test_defaults_are_those_of_the_original() -> None:
    settings = parse([], {})
    assert settings == RatelimitSettings()
    assert str(settings.grpc_listen) == "0.0.0.0:8081"
    assert settings.files.folder == Path("/srv/runtime_data/current")
    assert settings.backend is Backend.REDIS
    assert settings.redis.socket_type == "unix"
    assert settings.options == DescriptorOptions()


def test_what_is_read() -> None:
    settings = parse(
        [],
        {
            "GRPC_PORT": "1", "GRPC_HOST": "::1", "PORT": "2", "DEBUG_PORT": "3", "HOST": "h",
            "USE_PROMETHEUS": "t", "PROMETHEUS_ADDR": ":9", "PROMETHEUS_PATH": "/m",
            "LOG_LEVEL": "WARN", "LOG_FORMAT": "json", "CONFIG_TYPE": "GRPC_XDS_SOTW",
            "RUNTIME_ROOT": "/r", "RUNTIME_SUBDIRECTORY": "s", "RUNTIME_APPDIRECTORY": "a",
            "RUNTIME_WATCH_ROOT": "false", "BACKEND_TYPE": "memory", "REDIS_TYPE": "sentinel",
            "SHADOW_MODE": "true", "QUOTA_MODE": "1", "NEAR_LIMIT_RATIO": "0.5",
            "STOP_CACHE_KEY_INCREMENT_WHEN_OVERLIMIT": "True",
            "LIMIT_RESPONSE_HEADERS_ENABLED": "true", "LIMIT_LIMIT_HEADER": "L",
            "RESPONSE_DYNAMIC_METADATA": "true", "MERGE_DOMAIN_CONFIG": "true",
            "CONFIG_GRPC_XDS_NODE_METADATA": "a=1,b=c=d",
            "CONFIG_GRPC_XDS_CLIENT_ADDITIONAL_HEADERS": "authorization:x",
            "XDS_CLIENT_BACKOFF_INITIAL_INTERVAL": "1m30.5s", "REDIS_TIMEOUT": "500ms",
        },
    )  # fmt: skip
    assert settings.grpc_listen == Address("::1", 1)
    assert settings.http_listen == Address("h", 2)
    assert settings.debug_listen == Address("0.0.0.0", 3)
    assert settings.prometheus_listen == Address("0.0.0.0", 9)
    assert settings.prometheus_path == "/m"
    assert (settings.log_level, settings.log_format) == (Level.WARNING, Format.JSON)
    assert settings.config_type is ConfigType.GRPC_XDS_SOTW
    assert settings.files.folder == Path("/r/s/a")
    assert settings.backend is Backend.MEMORY
    assert settings.redis.type is RedisType.SENTINEL
    assert settings.redis.timeout == 0.5
    assert settings.options == DescriptorOptions(
        HeaderNames(limit="L"), shadow=True, quota=True, metadata=True, stop_when_over=True,
        near_ratio=0.5,
    )  # fmt: skip
    assert settings.merge_domains
    assert settings.xds.node_metadata == {"a": "1", "b": "c=d"}
    assert settings.xds.headers == {"authorization": "x"}
    assert settings.xds.backoff_initial == 90.5


def test_grpc_on_a_unix_socket() -> None:
    assert parse([], {"GRPC_UDS": "/run/r.sock"}).grpc_listen == Address(path="/run/r.sock")


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("PORT", "http", "'http' is no whole number from 0 to 65535"),
        ("SHADOW_MODE", "maybe", "'maybe' is neither true nor false"),
        ("REDIS_TIMEOUT", "5", "'5' is no duration, as 500ms or 1m30s"),
        ("NEAR_LIMIT_RATIO", "2", "'2' is no number from 0 to 1"),
        ("LIMIT_RESET_HEADER", "no name", "'no name' is no header name"),
        ("CONFIG_TYPE", "XML", "'XML' is none of FILE, GRPC_XDS_SOTW"),
        ("LOG_LEVEL", "loud", "'loud' is none of"),
        ("BACKEND_TYPE", "memcache", "'memcache' is not offered"),
        ("GRPC_SERVER_USE_TLS", "true", "TLS is not offered here"),
        ("CONFIG_GRPC_XDS_NODE_METADATA", "a:b", "'a:b' is no key=value"),
    ],
)
def test_what_is_refused(name: str, text: str, complaint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse([], {name: text})
    assert str(caught.value).startswith(f"{name}: {complaint}")


def test_what_has_no_effect_is_told() -> None:
    environment = {
        "USE_STATSD": "false",
        "REDIS_POOL_SIZE": "10",
        "REDIS_PERSECOND_URL": "x",
        "LOCAL_CACHE_SIZE_IN_BYTES": "",
        "HOME": "/root",
    }
    assert parse([], environment).ignored == (
        "REDIS_PERSECOND_URL has no effect: one Redis holds all counters",
        "REDIS_POOL_SIZE has no effect:"
        " one pipelined connection per node takes the place of the pool",
    )


def test_no_variable_is_both_read_and_without_effect() -> None:
    assert not VARIABLES.keys() & IGNORED.keys()


def test_secrets_do_not_show() -> None:
    environment = {
        "REDIS_AUTH": "geheim",
        "REDIS_URL": "redis://u:geheim@h",
        "CONFIG_GRPC_XDS_CLIENT_ADDITIONAL_HEADERS": "authorization:geheim",
    }
    assert "geheim" not in repr(parse([], environment))


def test_help_lists_every_variable(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--help"], {})
    told = capsys.readouterr().out
    assert all(name in told for name in VARIABLES)
