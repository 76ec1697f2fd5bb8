"""What ends the program before it serves.

ProgramError
├── UsageError    the command line or an environment variable cannot be used; exit code 2
└── StartError    unreadable input or a failed bind; exit code 1
"""


class ProgramError(Exception):
    """Base; the message is what the operator reads, without a traceback."""

    exit_code = 1


class UsageError(ProgramError):
    """The message names the flag or the environment variable."""

    exit_code = 2


class StartError(ProgramError):
    """The message names the file or the address."""
