"""The `tollhouse` command."""

import sys
from collections.abc import Sequence

from tollhouse import (
    check,
    cli,
    counters_command,
    limitador_command,
    ratelimit_command,
    replay_command,
    top,
)
from tollhouse.errors import ProgramError, UsageError
from tollhouse.limitador_flags import LimitadorSettings
from tollhouse.ratelimit_settings import RatelimitSettings
from tollhouse.replay_flags import ReplaySettings
from tollhouse.serve import run
from tollhouse.settings import CountersSettings, ServeSettings
from tollhouse.top_flags import TopSettings


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code. SystemExit comes out of --help and --version."""
    try:
        settings = cli.parse(sys.argv[1:] if arguments is None else arguments)
        if isinstance(settings, ServeSettings):
            return run(settings)
        if isinstance(settings, LimitadorSettings):
            return limitador_command.run(settings)
        if isinstance(settings, RatelimitSettings):
            return ratelimit_command.run(settings)
        if isinstance(settings, ReplaySettings):
            return replay_command.run(settings)
        if isinstance(settings, CountersSettings):
            return counters_command.run(settings)
        if isinstance(settings, TopSettings):
            return top.run(settings)
        return check.run(settings)
    except UsageError as error:
        print(f"tollhouse: {error}\nTry 'tollhouse --help'.", file=sys.stderr)
        return error.exit_code
    except ProgramError as error:
        print(f"tollhouse: {error}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
