"""The command line of `tollhouse counters`."""

import argparse
import re
from collections.abc import Mapping
from typing import Any

from tollhouse import flags
from tollhouse.errors import UsageError
from tollhouse.flags import Flag
from tollhouse.settings import CountersSettings, ServerAccess

U64_MAX = (1 << 64) - 1
ACTIONS = ("list", "get", "reset", "set")
TOKEN_VARIABLE = "TOLLHOUSE_ADMIN_TOKEN"
# An "=" that belongs to no comparison, as variables are expressions.
_ASSIGNMENT = re.compile(r"(?<![=!<>])=(?!=)")

SERVER_FLAGS = (
    Flag("server", str, "URL", "HTTP side of the server: a URL or unix:PATH", "server"),
    Flag("token_file", flags.path, "FILE", "holds the admin token", "server"),
)
COUNTERS_FLAGS = (
    Flag("limit", str, "NAME", "counters of limits of this name only", "selection"),
    Flag(
        "value_over",
        flags.count(0, U64_MAX),
        "N",
        "counters with more hits than this only",
        "selection",
    ),
    Flag("json", flags.switch, "", "print JSON instead of a table", "output", switch=True),
    Flag("yes", flags.switch, "", "reset a whole namespace without asking", "output", switch=True),
)

DESCRIPTION = """\
Look at the counters of a running server and change them. Changing needs the server's admin token
(`tollhouse serve --admin-token-file`), looking needs it when there is one."""

EPILOG = f"""\
actions:
  list    every counter that is meant
  get     the one counter that is meant
  reset   delete the counters that are meant: their windows begin again
  set     let the one counter that is meant have counted VALUE hits

environment:
  --server and --token-file are TOLLHOUSE_SERVER and TOLLHOUSE_TOKEN_FILE as well; {TOKEN_VARIABLE}
  may hold the token itself.

exit codes:
  0  done     1  no such counter, unreachable or refused     2  unusable command line

examples:
  tollhouse counters list toystore --limit "per user" --value-over 90
  tollhouse counters get toystore --var "descriptors[0].user_id=ann"
  tollhouse counters reset toystore --var "descriptors[0].user_id=ann"
  tollhouse counters set toystore 5 --limit "per user" --var "descriptors[0].user_id=ann\""""


def add(commands: Any, defaults: Mapping[str, Any]) -> None:
    """Declare the command among `commands`, argparse's subparsers."""
    parser = commands.add_parser(
        "counters",
        help="look at counters and change them",
        usage="tollhouse counters list|get|reset|set NAMESPACE [VALUE] [FLAG ...]",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("action", choices=ACTIONS, metavar="ACTION", help="see below")
    parser.add_argument("namespace", metavar="NAMESPACE", help="the domain of the limits")
    parser.add_argument("value", nargs="?", metavar="VALUE", help="with set")
    flags.add(parser, SERVER_FLAGS, defaults)
    flags.add(parser, COUNTERS_FLAGS, defaults)
    parser.add_argument(
        "--var",
        action="append",
        default=[],
        metavar="VARIABLE=VALUE",
        help="counters with this value of a variable only; may be given several times",
    )


def read(given: Mapping[str, Any], environment: Mapping[str, str]) -> CountersSettings:
    """Raises UsageError."""
    # Selections are for one call, so they come from no environment.
    found = flags.values(COUNTERS_FLAGS, given, {})
    action, value = given["action"], given["value"]
    if (value is not None) != (action == "set"):
        raise UsageError("VALUE: set takes one" if action == "set" else "VALUE: only for set")
    if action == "set":
        try:
            found["value"] = flags.count(0, U64_MAX)(value)
        except UsageError as error:
            raise UsageError(f"VALUE: {error}") from None
        if "value_over" in found:
            raise UsageError("--value-over: not for set")
    return CountersSettings(
        action=action,
        namespace=given["namespace"],
        access=server_access(given, environment),
        variables=tuple(_variable(text) for text in given["var"]),
        **found,
    )


def server_access(given: Mapping[str, Any], environment: Mapping[str, str]) -> ServerAccess:
    """What SERVER_FLAGS and the environment say."""
    token = environment.get(TOKEN_VARIABLE) or None
    return ServerAccess(token=token, **flags.values(SERVER_FLAGS, given, environment))


def _variable(text: str) -> tuple[str, str]:
    """Raises UsageError."""
    name, *value = _ASSIGNMENT.split(text, maxsplit=1)
    if not name or not value:
        raise UsageError(f"--var: {text!r} is no VARIABLE=VALUE")
    return name, value[0]
