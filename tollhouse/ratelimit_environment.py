"""The environment of envoyproxy/ratelimit as settings of ours.

There are no arguments, as in the original. A variable that is set but empty counts as not set.
"""

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from ratelimit.descriptors.options import DescriptorOptions, HeaderNames
from tollhouse import __version__, flags
from tollhouse.address import Address
from tollhouse.errors import UsageError
from tollhouse.ratelimit_settings import (
    DEBUG_LISTEN,
    GRPC_LISTEN,
    HTTP_LISTEN,
    PROMETHEUS_LISTEN,
    FileSettings,
    RatelimitSettings,
    RedisVariables,
    XdsSettings,
)
from tollhouse.ratelimit_variables import VARIABLES, ignored

DESCRIPTION = """\
Answer in the place of envoyproxy/ratelimit: its files or xDS source, ports, headers, statistics.
Settings are environment variables; those of the original that are not listed are told at the start
and have no effect."""


def parse(arguments: Sequence[str], environment: Mapping[str, str]) -> RatelimitSettings:
    """Raises UsageError, and SystemExit for --help and --version."""
    parser = flags.Parser(
        prog="tollhouse ratelimit",
        usage="tollhouse ratelimit",
        description=DESCRIPTION,
        epilog=_listed(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    version = f"tollhouse {__version__}"
    parser.add_argument("-V", "--version", action="version", version=version)
    parser.parse_args(arguments)
    return _settings(_Values(environment), ignored(environment))


def _listed() -> str:
    width = max(map(len, VARIABLES)) + 2
    lines = [f"  {name:<{width}}{variable.help}" for name, variable in VARIABLES.items()]
    return "\n".join(("environment:", *lines))


class _Values:
    """What the environment says; fields that it does not are left to their defaults."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def get(self, name: str, default: Any = None) -> Any:
        text = self._environment.get(name)
        if not text:
            return default
        try:
            return VARIABLES[name].read(text)
        except UsageError as error:
            raise UsageError(f"{name}: {error}") from None

    def fields(self, **variables: str) -> dict[str, Any]:
        """Field → variable, read where it is set."""
        read = {field: self.get(name) for field, name in variables.items()}
        return {field: value for field, value in read.items() if value is not None}


def _settings(values: _Values, complaints: tuple[str, ...]) -> RatelimitSettings:
    values.get("GRPC_SERVER_USE_TLS")  # refuses true
    prometheus = values.get("PROMETHEUS_ADDR", PROMETHEUS_LISTEN)
    return RatelimitSettings(
        grpc_listen=_grpc(values),
        http_listen=_address(values, "HOST", "PORT", HTTP_LISTEN),
        debug_listen=_address(values, "DEBUG_HOST", "DEBUG_PORT", DEBUG_LISTEN),
        prometheus_listen=prometheus if values.get("USE_PROMETHEUS") else None,
        files=_files(values),
        xds=_xds(values),
        redis=_redis(values),
        options=_options(values),
        ignored=complaints,
        **values.fields(
            prometheus_path="PROMETHEUS_PATH",
            config_type="CONFIG_TYPE",
            backend="BACKEND_TYPE",
            merge_domains="MERGE_DOMAIN_CONFIG",
            force_start="FORCE_START_WITHOUT_INITIAL_CONFIG",
            healthy_with_config="HEALTHY_WITH_AT_LEAST_ONE_CONFIG_LOADED",
            log_level="LOG_LEVEL",
            log_format="LOG_FORMAT",
            threads="TOLLHOUSE_THREADS",
            max_counters="TOLLHOUSE_MAX_COUNTERS",
            grace_seconds="TOLLHOUSE_GRACE_SECONDS",
        ),
    )


def _grpc(values: _Values) -> Address:
    path = values.get("GRPC_UDS")
    if path is not None:
        return Address(path=path)
    return _address(values, "GRPC_HOST", "GRPC_PORT", GRPC_LISTEN)


def _address(values: _Values, host: str, port: str, default: Address) -> Address:
    return Address(values.get(host, default.host), values.get(port, default.port))


def _files(values: _Values) -> FileSettings:
    return FileSettings(
        **values.fields(
            root="RUNTIME_ROOT",
            subdirectory="RUNTIME_SUBDIRECTORY",
            appdirectory="RUNTIME_APPDIRECTORY",
            watch_root="RUNTIME_WATCH_ROOT",
            ignore_dot_files="RUNTIME_IGNOREDOTFILES",
        )
    )


def _xds(values: _Values) -> XdsSettings:
    return XdsSettings(
        **values.fields(
            server="CONFIG_GRPC_XDS_SERVER_URL",
            node_id="CONFIG_GRPC_XDS_NODE_ID",
            node_metadata="CONFIG_GRPC_XDS_NODE_METADATA",
            headers="CONFIG_GRPC_XDS_CLIENT_ADDITIONAL_HEADERS",
            backoff_initial="XDS_CLIENT_BACKOFF_INITIAL_INTERVAL",
            backoff_max="XDS_CLIENT_BACKOFF_MAX_INTERVAL",
            backoff_jitter="XDS_CLIENT_BACKOFF_JITTER",
            max_message_bytes="XDS_CLIENT_MAX_MSG_SIZE_IN_BYTES",
            tls="CONFIG_GRPC_XDS_SERVER_USE_TLS",
            certificate="CONFIG_GRPC_XDS_CLIENT_TLS_CERT",
            key="CONFIG_GRPC_XDS_CLIENT_TLS_KEY",
            authority="CONFIG_GRPC_XDS_SERVER_TLS_CACERT",
            server_name="CONFIG_GRPC_XDS_SERVER_TLS_SAN",
        )
    )


def _redis(values: _Values) -> RedisVariables:
    return RedisVariables(
        **values.fields(
            socket_type="REDIS_SOCKET_TYPE",
            type="REDIS_TYPE",
            url="REDIS_URL",
            auth="REDIS_AUTH",
            sentinel_auth="REDIS_SENTINEL_AUTH",
            tls="REDIS_TLS",
            certificate="REDIS_TLS_CLIENT_CERT",
            key="REDIS_TLS_CLIENT_KEY",
            authority="REDIS_TLS_CACERT",
            timeout="REDIS_TIMEOUT",
            health_by_connection="REDIS_HEALTH_CHECK_ACTIVE_CONNECTION",
        )
    )


def _options(values: _Values) -> DescriptorOptions:
    names = HeaderNames(
        **values.fields(
            limit="LIMIT_LIMIT_HEADER",
            remaining="LIMIT_REMAINING_HEADER",
            reset="LIMIT_RESET_HEADER",
        )
    )
    return DescriptorOptions(
        headers=names if values.get("LIMIT_RESPONSE_HEADERS_ENABLED") else None,
        **values.fields(
            shadow="SHADOW_MODE",
            quota="QUOTA_MODE",
            metadata="RESPONSE_DYNAMIC_METADATA",
            stop_when_over="STOP_CACHE_KEY_INCREMENT_WHEN_OVERLIMIT",
            near_ratio="NEAR_LIMIT_RATIO",
        ),
    )
