"""Authorino's command line and environment, read into settings of ours.

A flag beats its variable, and that the default. What cannot be read ends the start; Authorino makes
a number that it cannot read 0, which closes a listener, and a selector "everything".
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from authz.selector_match import EVERYTHING, LabelSelector
from authz.selector_text import parse_selector
from tollhouse import __version__, flags, outgoing_flags, rego_flags
from tollhouse.address import Address
from tollhouse.authorino_settings import AuthorinoSettings, AuthorinoVersion
from tollhouse.authorino_tls import FILE_FLAGS, IDLE_FLAGS, read_tls
from tollhouse.authorino_unused import UNUSED, unused
from tollhouse.errors import UsageError
from tollhouse.flags import Flag
from tollhouse.log import Format, Level
from tollhouse.serve_flags import PROCESS_FLAGS, read_bounds
from tollhouse.settings import ServeSettings, WatchSettings

PROGRAM = "tollhouse authorino"
VERSION = "0.27.0"
"""Of the Authorino whose command line this is."""
BANNER = f"Authorino v{VERSION} (tollhouse {__version__})"
SECRET_SELECTOR = "SECRET_LABEL_SELECTOR"

DESCRIPTION = """\
Answer in the place of Authorino: its flags, environment, ports, probes and metrics. AuthConfigs and
Secrets are read from --manifests, which is ours: they are not read from a cluster."""

EPILOG = """\
exit codes:
  0  ended by SIGTERM or SIGINT
  1  unreadable manifests, or a failed bind
  2  unusable command line or environment

examples:
  tollhouse authorino server --manifests manifests/
  tollhouse authorino server --manifests manifests/ --log-mode development --log-level debug"""

COMMANDS = """\
commands:
  server    decide requests
  version   print the version and end

tollhouse authorino server --help tells the flags."""

LEVELS = {"debug": Level.DEBUG, "info": Level.INFO, "error": Level.ERROR}
MODES = {"production": Format.ZAP, "development": Format.TEXT}


def _selector(text: str) -> LabelSelector:
    try:
        return parse_selector(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is no label selector: {error}") from error


def _go_address(text: str) -> Address | None:
    """Go's: without a host all interfaces; 0 is none."""
    return None if text == "0" else Address.parse(text)


def _flag(field: str, read: Callable[[str], Any], metavar: str, text: str, group: str) -> Flag:
    return Flag(field, read, metavar, text, group, environment=field.upper())


def _address(field: str, text: str) -> Flag:
    return Flag(field, _go_address, "HOST:PORT", text, LISTENERS, environment="")


_PORT = flags.count(0, 65535)
OBJECTS = "objects"
LISTENERS = "listeners"
CHECKS = "checks"
LOG = "log"
FLAGS = (
    Flag(
        "manifests",
        lambda text: (flags.path(text),),
        "PATH",
        "a directory or file of manifests; watched; may be given several times",
        "not in Authorino",
        environment="",
        repeatable=True,
    ),
    Flag(
        "request_log",
        flags.switch,
        "BOOL",
        "log every check and its answer; all go to the full lane; on with --log-level debug",
        "not in Authorino",
        switch=True,
        optional=True,
    ),
    _flag("watch_namespace", str, "NAME", "take objects of this namespace only", OBJECTS),
    _flag(
        "auth_config_label_selector",
        _selector,
        "SELECTOR",
        "take AuthConfigs with these labels only",
        OBJECTS,
    ),
    _flag(
        "secret_label_selector",
        _selector,
        "SELECTOR",
        "the key of a Secret that loses these labels is revoked",
        OBJECTS,
    ),
    Flag(
        "allow_superseding_host_subsets",
        flags.switch,
        "BOOL",
        "let an AuthConfig take a host below the wildcard of another",
        OBJECTS,
        switch=True,
        environment="",
        optional=True,
    ),
    _flag("ext_auth_grpc_port", _PORT, "PORT", "gRPC; 0: none", LISTENERS),
    _flag("ext_auth_http_port", _PORT, "PORT", "HTTP, /check; 0: none", LISTENERS),
    _flag(
        "max_http_request_body_size",
        flags.count(1, 1 << 30),
        "BYTES",
        "a larger body of /check is answered with 413",
        LISTENERS,
    ),
    _flag("oidc_http_port", _PORT, "PORT", "HTTP, keys of wristbands; 0: none", LISTENERS),
    _address("metrics_addr", "/metrics and /server-metrics; 0: none"),
    _address("health_probe_addr", "/healthz and /readyz; 0: none"),
    _flag(
        "timeout",
        flags.count(0, 86_400_000),
        "MILLISECONDS",
        "time a whole check has, beside the caller's deadline; 0: no more than that",
        CHECKS,
    ),
    Flag(
        "deep_metrics_enabled",
        flags.switch,
        "BOOL",
        "count and time every evaluator, not only those with metrics: true",
        CHECKS,
        switch=True,
        environment="DEEP_METRICS_ENABLED",
        optional=True,
    ),
    _flag("log_level", flags.choice(LEVELS), "LEVEL", "debug, info or error", LOG),
    _flag(
        "log_mode",
        flags.choice(MODES),
        "MODE",
        "production: one JSON object per line; development: text",
        LOG,
    ),
)
DEFAULTS = {
    "request_log": "false",
    "watch_namespace": "",
    "auth_config_label_selector": "",
    "secret_label_selector": "authorino.kuadrant.io/managed-by=authorino",
    "allow_superseding_host_subsets": "false",
    "ext_auth_grpc_port": "50051",
    "ext_auth_http_port": "5001",
    "max_http_request_body_size": "8192",
    "oidc_http_port": "8083",
    "metrics_addr": ":8080",
    "health_probe_addr": ":8081",
    "timeout": "0",
    "deep_metrics_enabled": "false",
    "log_level": "info",
    "log_mode": "production",
}
"""As texts; `manifests` has none."""


def parse(
    arguments: Sequence[str], environment: Mapping[str, str]
) -> AuthorinoSettings | AuthorinoVersion:
    """Raises UsageError, and SystemExit for --help."""
    if arguments[:1] == ["webhooks"]:
        raise UsageError("webhooks: there are no versions of AuthConfig left to convert")
    if arguments[:1] == ["server"]:
        return _server(arguments[1:], environment)
    front = flags.Parser(
        prog=PROGRAM,
        usage=f"{PROGRAM} server|version",
        description=DESCRIPTION,
        epilog=COMMANDS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    front.add_argument("command", choices=("server", "version"), help=argparse.SUPPRESS)
    front.parse_args(arguments)
    return AuthorinoVersion()


def _server(arguments: Sequence[str], environment: Mapping[str, str]) -> AuthorinoSettings:
    parser = flags.Parser(
        prog=f"{PROGRAM} server",
        usage=f"{PROGRAM} server --manifests PATH [FLAG ...]",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    flags.add(parser, FLAGS, {"manifests": (), **DEFAULTS})
    idle = (*UNUSED, *IDLE_FLAGS)
    flags.add(parser, (*FILE_FLAGS, *idle), dict.fromkeys(f.field for f in (*FILE_FLAGS, *idle)))
    words = vars(parser.parse_args(arguments))
    given = {
        flag.field: flag.read(DEFAULTS[flag.field]) for flag in FLAGS if flag.field in DEFAULTS
    }
    if SECRET_SELECTOR in environment:
        # Set but empty, it selects everything, which is not the default.
        given["secret_label_selector"] = EVERYTHING
    given |= flags.values((*FLAGS, *FILE_FLAGS), words, environment)
    without_effect = flags.values(idle, words, environment)
    tls = read_tls({**without_effect, **given})
    if not given.get("manifests"):
        raise UsageError("--manifests: expected, as objects are not read from a cluster")
    ours = {
        "tls": tls,
        "outgoing": outgoing_flags.read({}, environment),
        "rego": rego_flags.read({}, environment),
        "bounds": read_bounds({}, environment),
        **flags.values(PROCESS_FLAGS, {}, environment),
    }
    return _settings(given, ours, unused(without_effect))


def _settings(
    given: Mapping[str, Any], ours: Mapping[str, Any], ignored: tuple[str, ...]
) -> AuthorinoSettings:
    """ours: fields of ServeSettings that Authorino's flags say nothing of."""
    grpc, http = given["ext_auth_grpc_port"], given["ext_auth_http_port"]
    oidc = given["oidc_http_port"]
    return AuthorinoSettings(
        serve=ServeSettings(
            manifests=given["manifests"],
            rls_listen=None,
            authz_listen=Address("0.0.0.0", grpc) if grpc else None,
            authz_http_listen=Address("0.0.0.0", http) if http else None,
            oidc_listen=Address("0.0.0.0", oidc) if oidc else None,
            max_http_body_bytes=given["max_http_request_body_size"],
            http_listen=None,
            check_timeout_seconds=given["timeout"] / 1000,
            evaluator_metrics=given["deep_metrics_enabled"],
            watched=WatchSettings(
                namespace=given["watch_namespace"],
                auth_configs=given["auth_config_label_selector"],
                secrets=given["secret_label_selector"],
                allow_host_subsets=given["allow_superseding_host_subsets"],
            ),
            request_log=given["request_log"] or given["log_level"] is Level.DEBUG,
            log_level=given["log_level"],
            log_format=given["log_mode"],
            **ours,
        ),
        metrics_listen=given["metrics_addr"],
        probes_listen=given["health_probe_addr"],
        ignored=ignored,
    )
