"""Why an outgoing call has no answer.

OutgoingError
├── BadRequest           the URL, or a header, is none that may be sent
├── DestinationRefused   the lists of allowed and denied destinations refuse it
├── CircuitOpen          the destination failed too often just now
├── DestinationBusy      too many calls to the destination wait already
├── TimedOut             no complete answer in time
├── ResponseTooLarge     the answer is longer than is read
├── RedirectRefused      redirects go on and on, or from https to http
└── ConnectionFailed     no connection, or it broke, or what came is no HTTP

The texts may be shown to callers: they name neither addresses nor paths, headers or bodies.
"""

from typing import ClassVar

from authz.errors import AuthzError


class OutgoingError(AuthzError):
    """Base of them all. `outcome` is what the call is counted under."""

    outcome: ClassVar[str]


class BadRequest(OutgoingError):
    """Its text says what is wrong, without quoting it."""

    outcome = "bad_request"


class DestinationRefused(OutgoingError):
    outcome = "destination_refused"

    def __init__(self) -> None:
        super().__init__("the destination is not allowed")


class CircuitOpen(OutgoingError):
    outcome = "circuit_open"

    def __init__(self) -> None:
        super().__init__("the destination failed too often")


class DestinationBusy(OutgoingError):
    outcome = "destination_busy"

    def __init__(self) -> None:
        super().__init__("too many calls to the destination wait")


class TimedOut(OutgoingError):
    outcome = "timed_out"

    def __init__(self) -> None:
        super().__init__("no answer in time")


class ResponseTooLarge(OutgoingError):
    outcome = "response_too_large"

    def __init__(self) -> None:
        super().__init__("the answer is too large")


class RedirectRefused(OutgoingError):
    outcome = "redirect_refused"

    def __init__(self) -> None:
        super().__init__("the redirect is not followed")


class ConnectionFailed(OutgoingError):
    outcome = "connection_failed"

    def __init__(self) -> None:
        super().__init__("the connection failed")
