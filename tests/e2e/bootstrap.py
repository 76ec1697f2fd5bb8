"""Envoy bootstraps for tests: ext_authz and ratelimit in front of one upstream."""

from collections.abc import Callable
from typing import Any

TYPE = "type.googleapis.com/envoy"
MANAGER = f"{TYPE}.extensions.filters.network.http_connection_manager.v3"
FILTERS = f"{TYPE}.extensions.filters.http"
Json = dict[str, Any]


def cluster(name: str, ports: list[int], *, grpc: bool) -> Json:
    """A static cluster on 127.0.0.1, over HTTP/2 with health checks when it speaks gRPC."""
    endpoints = [{"endpoint": {"address": address(port)}} for port in ports]
    built: Json = {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
    }
    if grpc:
        built["typed_extension_protocol_options"] = {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": f"{TYPE}.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        }
        built["health_checks"] = [
            {
                "timeout": "1s",
                "interval": "0.2s",
                "no_traffic_interval": "0.2s",
                "unhealthy_threshold": 1,
                "healthy_threshold": 1,
                "grpc_health_check": {},
            }
        ]
    return built


def address(port: int) -> Json:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def grpc_service(name: str, timeout_s: float, *, retry: bool) -> Json:
    service: Json = {"envoy_grpc": {"cluster_name": name}, "timeout": f"{timeout_s}s"}
    if retry:
        service["retry_policy"] = {
            "retry_on": "refused-stream,reset,connect-failure",
            "num_retries": 3,
            "retry_back_off": {"base_interval": "0.005s", "max_interval": "0.02s"},
        }
    return service


def ext_authz(
    *, timeout_s: float = 2, failure_mode_allow: bool = False, retry: bool = False
) -> Json:
    return {
        "name": "envoy.filters.http.ext_authz",
        "typed_config": {
            "@type": f"{FILTERS}.ext_authz.v3.ExtAuthz",
            "transport_api_version": "V3",
            "grpc_service": grpc_service("authz", timeout_s, retry=retry),
            "failure_mode_allow": failure_mode_allow,
            "failure_mode_allow_header_add": True,
            "status_on_error": {"code": "ServiceUnavailable"},
        },
    }


def ratelimit(
    domain: str,
    *,
    timeout_s: float = 2,
    failure_mode_deny: bool = False,
    retry: bool = False,
    **options: Any,
) -> Json:
    return {
        "name": "envoy.filters.http.ratelimit",
        "typed_config": {
            "@type": f"{FILTERS}.ratelimit.v3.RateLimit",
            "domain": domain,
            "timeout": f"{timeout_s}s",
            "failure_mode_deny": failure_mode_deny,
            "status_on_error": {"code": "BadGateway"},
            "enable_x_ratelimit_headers": "DRAFT_VERSION_03",
            "rate_limit_service": {
                "transport_api_version": "V3",
                "grpc_service": grpc_service("rls", timeout_s, retry=retry),
            },
            **options,
        },
    }


def route(
    prefix: str, *, rate_limits: list[Json] | None = None, per_filter: Json | None = None
) -> Json:
    built: Json = {"match": {"prefix": prefix}, "route": {"cluster": "upstream"}}
    if rate_limits:
        built["route"]["rate_limits"] = rate_limits
    if per_filter:
        built["typed_per_filter_config"] = {
            f"envoy.filters.http.{name}": settings for name, settings in per_filter.items()
        }
    return built


def descriptor(*actions: Json) -> Json:
    return {"actions": list(actions)}


def header(name: str, key: str) -> Json:
    return {"request_headers": {"header_name": name, "descriptor_key": key}}


def constant(key: str, value: str) -> Json:
    return {"generic_key": {"descriptor_key": key, "descriptor_value": value}}


def authz_metadata(key: str, *path: str) -> Json:
    """An entry from what the ext_authz answer left as dynamic metadata."""
    steps = [{"key": step} for step in path]
    where = {"key": "envoy.filters.http.ext_authz", "path": steps}
    return {"metadata": {"descriptor_key": key, "metadata_key": where}}


def bootstrap(
    front: int,
    admin: int,
    *,
    filters: list[Json],
    routes: list[Json],
    clusters: list[Json],
) -> Json:
    router = {
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": f"{FILTERS}.router.v3.Router"},
    }
    manager = {
        "@type": f"{MANAGER}.HttpConnectionManager",
        "stat_prefix": "front",
        "use_remote_address": True,
        "http_filters": [*filters, router],
        "route_config": {
            "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}],
        },
    }
    chain = {
        "filters": [
            {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}
        ]
    }
    return {
        "admin": {"address": address(admin)},
        "static_resources": {
            "listeners": [{"name": "front", "address": address(front), "filter_chains": [chain]}],
            "clusters": clusters,
        },
    }


def authorized(upstream: int, authz: int) -> Callable[[int, int], Json]:
    """A bootstrap by the ports of Envoy: every request is authorized and sent to the upstream."""

    def configure(front: int, admin: int) -> Json:
        clusters = [
            cluster("upstream", [upstream], grpc=False),
            cluster("authz", [authz], grpc=True),
        ]
        return bootstrap(
            front, admin, filters=[ext_authz()], routes=[route("/")], clusters=clusters
        )

    return configure
