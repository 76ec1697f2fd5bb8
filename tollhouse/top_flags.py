"""The command line of `tollhouse top`."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tollhouse import flags
from tollhouse.counters_flags import SERVER_FLAGS, server_access
from tollhouse.errors import UsageError
from tollhouse.flags import Flag
from tollhouse.settings import ServerAccess


@dataclass(frozen=True, slots=True)
class TopSettings:
    """One run of `tollhouse top`."""

    access: ServerAccess = field(default_factory=ServerAccess)
    interval: float = 2.0
    """Seconds that rates are taken over, at least 0.1."""
    once: bool = False
    json: bool = False


def _interval(text: str) -> float:
    seconds = flags.seconds(3600)(text)
    if seconds < 0.1:
        raise UsageError(f"{text!r} is less than 0.1 seconds")
    return seconds


TOP_FLAGS = (
    Flag("interval", _interval, "SECONDS", "that rates are taken over", "output"),
    Flag("once", flags.switch, "", "show one view and end", "output", switch=True),
    Flag("json", flags.switch, "", "print views as lines of JSON", "output", switch=True),
)

DESCRIPTION = """\
Watch the rate limits of a running server: the busiest limits, keys near their limit, what is
refused, and how lanes and counters are. Reads /metrics, /limits and /counters of its HTTP side."""

EPILOG = """\
keys:
  q, Ctrl-C   end

Where the output is no terminal one view is printed, as with --once. Keys near their limit are shown
for the ten busiest limits; the server's admin token is needed for them when it has one.

exit codes:
  0  ended     1  unreachable     2  unusable command line"""


def add(commands: Any, defaults: Mapping[str, Any]) -> None:
    """Declare the command among `commands`, argparse's subparsers."""
    parser = commands.add_parser(
        "top",
        help="watch the limits of a running server",
        usage="tollhouse top [FLAG ...]",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    flags.add(parser, SERVER_FLAGS, defaults)
    flags.add(parser, TOP_FLAGS, defaults)


def read(given: Mapping[str, Any], environment: Mapping[str, str]) -> TopSettings:
    """Raises UsageError."""
    # How to show it is for one call, so it comes from no environment.
    return TopSettings(
        access=server_access(given, environment), **flags.values(TOP_FLAGS, given, {})
    )
