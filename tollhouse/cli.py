"""The command line: one parser of all commands; each has its flags in a module of its own."""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from _fastpath.bounds import Bounds
from tollhouse import (
    __version__,
    authorino_flags,
    counters_flags,
    explain_flags,
    flags,
    limitador_flags,
    outgoing_flags,
    ratelimit_environment,
    rego_flags,
    replay_flags,
    storage_flags,
    tls_flags,
    top_flags,
)
from tollhouse.authorino_settings import AuthorinoSettings, AuthorinoVersion
from tollhouse.explain_flags import ExplainSettings
from tollhouse.flags import Flag
from tollhouse.limitador_flags import LimitadorSettings
from tollhouse.outgoing_flags import OUTGOING_FLAGS
from tollhouse.ratelimit_settings import RatelimitSettings
from tollhouse.rego_flags import REGO_FLAGS
from tollhouse.replay_flags import ReplaySettings
from tollhouse.serve_flags import (
    BOUND,
    BOUND_FLAGS,
    SERVE_DESCRIPTION,
    SERVE_EPILOG,
    SERVE_FLAGS,
    read_bounds,
)
from tollhouse.settings import (
    CheckSettings,
    CountersSettings,
    ServerAccess,
    ServeSettings,
    StorageSettings,
    TlsSettings,
)
from tollhouse.storage_flags import STORAGE_FLAGS
from tollhouse.tls_flags import TLS_FLAGS
from tollhouse.top_flags import TopSettings

Settings = (
    ServeSettings
    | AuthorinoSettings
    | AuthorinoVersion
    | CheckSettings
    | CountersSettings
    | ExplainSettings
    | LimitadorSettings
    | RatelimitSettings
    | ReplaySettings
    | TopSettings
)

CHECK_FLAGS = (
    Flag("strict", flags.switch, "", "exit with 1 for warnings too", "options", switch=True),
)

DESCRIPTION = """\
Decides for Envoy who may call and how often: rate limits (RLS) and authorization (ext_authz)
over gRPC, from a Limitador limits file and a directory of Kubernetes manifests."""

CHECK_DESCRIPTION = """\
Validate limits files, domain files and manifests without serving them. Prints one line per finding,
`file:line: field: what is wrong`."""

CHECK_EPILOG = """\
exit codes:
  0  everything is usable     1  something is not     2  unusable command line"""


def parser() -> argparse.ArgumentParser:
    top = flags.Parser(
        prog="tollhouse",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"tollhouse {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    serve = commands.add_parser(
        "serve",
        help="answer Envoy",
        usage="tollhouse serve [DIR ...] [FLAG ...]",
        description=SERVE_DESCRIPTION,
        epilog=SERVE_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    serve.add_argument("dirs", nargs="*", metavar="DIR", help="manifests")
    flags.add(serve, SERVE_FLAGS, defaults(ServeSettings))
    flags.add(serve, STORAGE_FLAGS, defaults(StorageSettings))
    flags.add(serve, TLS_FLAGS, defaults(TlsSettings))
    flags.add(serve, OUTGOING_FLAGS, outgoing_flags.defaults())
    flags.add(serve, REGO_FLAGS, rego_flags.DEFAULTS)
    flags.add(serve, BOUND_FLAGS, {BOUND + key: v for key, v in defaults(Bounds).items()})
    check = commands.add_parser(
        "check",
        help="validate limits files and manifests",
        usage="tollhouse check [--strict] PATH ...",
        description=CHECK_DESCRIPTION,
        epilog=CHECK_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    check.add_argument("paths", nargs="+", metavar="PATH", help="a limits file, or manifests")
    flags.add(check, CHECK_FLAGS, defaults(CheckSettings, paths=()))
    commands.add_parser("authorino", help="answer in the place of Authorino")
    commands.add_parser("explain", help="run one request and tell every evaluator")
    commands.add_parser("limitador", help="answer in the place of limitador-server")
    commands.add_parser("ratelimit", help="answer in the place of envoyproxy/ratelimit")
    top_flags.add(commands, defaults(TopSettings) | defaults(ServerAccess))
    commands.add_parser("replay", help="try limits on recorded traffic")
    counters_flags.add(
        commands, defaults(CountersSettings, action="", namespace="") | defaults(ServerAccess)
    )
    return top


def defaults(settings: type[Any], **required: Any) -> dict[str, Any]:
    made = settings(**required)
    return {field.name: getattr(made, field.name) for field in fields(settings)}


def parse(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> Settings:
    """Settings of the subcommand; raises UsageError, and SystemExit for --help and --version."""
    if arguments[:1] == ["authorino"]:
        return authorino_flags.parse(arguments[1:], environment)
    if arguments[:1] == ["explain"]:
        return explain_flags.parse(arguments[1:], environment)
    if arguments[:1] == ["limitador"]:
        return limitador_flags.parse(arguments[1:], environment)
    if arguments[:1] == ["ratelimit"]:
        return ratelimit_environment.parse(arguments[1:], environment)
    if arguments[:1] == ["replay"]:
        return replay_flags.parse(arguments[1:])
    given = vars(parser().parse_args(arguments))
    if given["command"] == "check":
        paths = tuple(Path(text) for text in given["paths"])
        return CheckSettings(paths=paths, **flags.values(CHECK_FLAGS, given, environment))
    if given["command"] == "counters":
        return counters_flags.read(given, environment)
    if given["command"] == "top":
        return top_flags.read(given, environment)
    found = flags.values(SERVE_FLAGS, given, environment)
    dirs = given["dirs"] or [d for d in environment.get("TOLLHOUSE_DIR", "").split(":") if d]
    return ServeSettings(
        manifests=tuple(Path(text) for text in dirs),
        admin_token=environment.get(counters_flags.TOKEN_VARIABLE) or None,
        counters=storage_flags.read(given, environment),
        tls=tls_flags.read(given, environment),
        outgoing=outgoing_flags.read(given, environment),
        rego=rego_flags.read(given, environment),
        bounds=read_bounds(given, environment),
        **found,
    )
