"""The `tollhouse` command."""

import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module

from tollhouse import cli
from tollhouse.authorino_settings import AuthorinoSettings, AuthorinoVersion
from tollhouse.errors import ProgramError, UsageError
from tollhouse.explain_flags import ExplainSettings
from tollhouse.limitador_flags import LimitadorSettings
from tollhouse.ratelimit_settings import RatelimitSettings
from tollhouse.replay_flags import ReplaySettings
from tollhouse.settings import CheckSettings, CountersSettings, ServeSettings
from tollhouse.top_flags import TopSettings

# By name, so that a command imports what it needs and no more: its start is a second quicker.
MODULES: dict[type[object], str] = {
    AuthorinoSettings: "authorino_command",
    AuthorinoVersion: "authorino_command",
    CheckSettings: "check",
    CountersSettings: "counters_command",
    ExplainSettings: "explain_command",
    LimitadorSettings: "limitador_command",
    RatelimitSettings: "ratelimit_command",
    ReplaySettings: "replay_command",
    ServeSettings: "serve",
    TopSettings: "top",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code. SystemExit comes out of --help and --version."""
    try:
        settings = cli.parse(sys.argv[1:] if arguments is None else arguments)
        return int(import_module(f"tollhouse.{MODULES[type(settings)]}").run(settings))
    except UsageError as error:
        print(f"tollhouse: {error}\nTry 'tollhouse --help'.", file=sys.stderr)
        return error.exit_code
    except ProgramError as error:
        print(f"tollhouse: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        # Who read the output is gone, as `head` is; what Python still holds goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE


if __name__ == "__main__":
    sys.exit(main())
