"""Authorino's flags that change nothing here, each with the reason.

They are read as strictly as the others, so that a mistake shows.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from tollhouse import flags
from tollhouse.authorino_tls import IDLE_FLAGS
from tollhouse.errors import UsageError
from tollhouse.flags import Flag

GROUP = "read, without effect"

_CLUSTER = "objects are not read from a cluster"
_TRACES = "traces are not sent, Envoy's own spans show every call"
_LOGGED = "headers, bodies, credentials and identities are not logged"
_CALLS = "calls to the API server have the bounds of all outgoing calls"


def _items(text: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split(",") if item.strip())


def _tag(text: str) -> tuple[str]:
    name, sign, _ = text.partition("=")
    if not (name and sign):
        raise UsageError(f"{text!r} is not NAME=VALUE")
    return (text,)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"{text!r} is no number") from None


_PORT = flags.count(0, 65535)
_COUNT = flags.count(0, (1 << 31) - 1)


def _flag(
    field: str, read: Callable[[str], Any], metavar: str, help_text: str, environment: str = ""
) -> Flag:
    return Flag(field, read, metavar, help_text, GROUP, environment=environment)


def _switch(field: str, help_text: str) -> Flag:
    made = _flag(field, flags.switch, "BOOL", help_text)
    return replace(made, switch=True, optional=True)


def _list(field: str, read: Callable[[str], Any], help_text: str) -> Flag:
    return replace(_flag(field, read, "LIST", help_text), repeatable=True)


UNUSED = (
    _flag(
        "evaluator_cache_size",
        _COUNT,
        "MB",
        "all results are remembered in one bounded table",
        "EVALUATOR_CACHE_SIZE",
    ),
    _flag("kube_client_qps", _number, "N", _CALLS, "KUBE_CLIENT_QPS"),
    _flag("kube_client_burst", _COUNT, "N", _CALLS, "KUBE_CLIENT_BURST"),
    _flag("webhook_service_port", _PORT, "PORT", _CLUSTER),
    _switch("enable_leader_election", _CLUSTER),
    _flag("pprof_bind_address", str, "ADDRESS", "there is no profiler"),
    _list("log_redact_add_field", _items, _LOGGED),
    _list("log_redact_remove_field", _items, _LOGGED),
    _list("log_redact_add_header", _items, _LOGGED),
    _list("log_redact_remove_header", _items, _LOGGED),
    _flag("tracing_service_endpoint", str, "URL", _TRACES),
    _switch("tracing_service_insecure", _TRACES),
    _list("tracing_service_tag", _tag, _TRACES),
)
# What an installation says that wants nothing else than what happens anyway.
NEEDLESS = {
    "evaluator_cache_size": 1,
    "kube_client_qps": 20.0,
    "kube_client_burst": 30,
    "webhook_service_port": 9443,
    "enable_leader_election": False,
    "tracing_service_insecure": False,
    "tracing_service_endpoint": "",
    "pprof_bind_address": ":8084",
}


def unused(given: Mapping[str, Any]) -> tuple[str, ...]:
    """A line for each of these flags that is given and has no effect."""
    return tuple(
        f"{flag.name} has no effect: {flag.help}"
        for flag in (*UNUSED, *IDLE_FLAGS)
        if flag.field in given and given[flag.field] != NEEDLESS.get(flag.field)
    )
