"""What the compiled core raises at its Python edge.

CoreError
├── BindError            a listener could not be opened
├── CountersUnavailable  a counter store did not answer, and a limit lets the call fail then
├── IdentityTableFull    the bound on API keys is reached
└── WireError            bytes that protobuf would refuse, or a message past a bound
"""


class CoreError(Exception):
    """Base of all errors of the core."""


class BindError(CoreError):
    """A listen address is malformed, taken or not permitted; the message names the address."""


class CountersUnavailable(CoreError):
    """The counter store did not answer, and a limit of the decision has `Fail.ERROR`."""


class IdentityTableFull(CoreError):
    """One more API key would pass the table's bound."""


class WireError(CoreError):
    """A message that cannot be decoded.

    too_large: well-formed, but past a bound on its parts: RESOURCE_EXHAUSTED rather than INTERNAL.
    """

    def __init__(self, message: str, *, too_large: bool = False) -> None:
        super().__init__(message)
        self.too_large = too_large
