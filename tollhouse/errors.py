"""What ends the program before it serves.

ProgramError
├── UsageError    the command line or an environment variable cannot be used; exit code 2
└── StartError    unreadable input or a failed bind; exit code 1
    └── RedisUnreachable
"""


class ProgramError(Exception):
    """Base; the message is what the operator reads, without a traceback."""

    exit_code = 1


class UsageError(ProgramError):
    """The message names the flag or the environment variable."""

    exit_code = 2


class StartError(ProgramError):
    """The message names the file or the address."""


class RedisUnreachable(StartError):
    """A Redis that has to be there at the start is not; the message says why, not where."""
