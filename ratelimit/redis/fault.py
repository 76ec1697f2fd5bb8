"""What can go wrong between us and a Redis, each under one word; redis-py's errors end here."""

from enum import Enum

from redis import exceptions


class Fault(Enum):
    """Why a batch was not decided. The value is a metric label and stands in the log."""

    TIMEOUT = "timeout"
    CONNECTION = "connection"
    DOWN = "down"
    """Not sent: Redis could not be reached a moment ago."""
    AUTH = "auth"
    READONLY = "readonly"
    OOM = "oom"
    LOADING = "loading"
    CLUSTER = "cluster"
    VERSION = "version"
    OVERLOADED = "overloaded"
    """Not sent: too much was waiting for this node."""
    SCRIPT = "script"
    """The server refused the script, or its reply made no sense."""


class RedisFault(Exception):
    """A fault with what the server or the system said, free of secrets."""

    def __init__(self, fault: Fault, detail: str) -> None:
        super().__init__(detail)
        self.fault = fault
        self.detail = detail


_FAULTS: tuple[tuple[type[BaseException], Fault], ...] = (
    (exceptions.TimeoutError, Fault.TIMEOUT),
    (TimeoutError, Fault.TIMEOUT),
    (exceptions.AuthenticationError, Fault.AUTH),
    (exceptions.AuthorizationError, Fault.AUTH),
    (exceptions.AuthenticationWrongNumberOfArgsError, Fault.AUTH),
    (exceptions.NoPermissionError, Fault.AUTH),
    (exceptions.BusyLoadingError, Fault.LOADING),
    (exceptions.ReadOnlyError, Fault.READONLY),
    (exceptions.OutOfMemoryError, Fault.OOM),
    (exceptions.MasterDownError, Fault.READONLY),
    (exceptions.ClusterError, Fault.CLUSTER),
    (exceptions.AskError, Fault.CLUSTER),
    (exceptions.TryAgainError, Fault.CLUSTER),
    (exceptions.ClusterCrossSlotError, Fault.CLUSTER),
    (exceptions.RedisClusterException, Fault.CLUSTER),
    (exceptions.ResponseError, Fault.SCRIPT),
    (exceptions.InvalidResponse, Fault.CONNECTION),
    (exceptions.RedisError, Fault.CONNECTION),
    (OSError, Fault.CONNECTION),
)

_BY_PREFIX = {
    "NOAUTH": Fault.AUTH,
    "WRONGPASS": Fault.AUTH,
    "NOPERM": Fault.AUTH,
    "OOM": Fault.OOM,
    "READONLY": Fault.READONLY,
    "MASTERDOWN": Fault.READONLY,
    "NOREPLICAS": Fault.READONLY,
    "MISCONF": Fault.READONLY,
    "LOADING": Fault.LOADING,
    "BUSY": Fault.TIMEOUT,
    "CLUSTERDOWN": Fault.CLUSTER,
}
"""Errors that reach us as text, from inside a script or without a class of their own."""

SERVED = frozenset({Fault.OOM, Fault.SCRIPT, Fault.CLUSTER, Fault.OVERLOADED})
"""Faults after which the connection is still good."""


def fault_of(error: BaseException) -> RedisFault:
    """Raises TypeError for an error that no server and no network makes: a defect of ours."""
    if isinstance(error, RedisFault):
        return error
    detail = _told(error)
    word = detail.removeprefix("-").split(" ", 1)[0]
    if word in _BY_PREFIX:
        return RedisFault(_BY_PREFIX[word], detail)
    for kind, fault in _FAULTS:
        if isinstance(error, kind):
            return RedisFault(fault, detail)
    raise TypeError(f"{type(error).__name__} is no fault of Redis") from error


def _told(error: BaseException) -> str:
    """One line, of a length that a log can take."""
    silent = "no answer in time" if isinstance(error, TimeoutError) else type(error).__name__
    text = " ".join(str(error).split()) or silent
    return text if len(text) <= 200 else text[:197] + "…"
