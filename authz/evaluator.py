"""What the pipeline asks of evaluators, and what it tells them of a request."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from _fastpath.check_codec import CheckRequest

if TYPE_CHECKING:
    from authz.config import Authentication
    from authz.workers import Workers

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Identified:
    """The authentication entry that succeeded, and the credential it took, if it takes one."""

    entry: "Authentication"
    evaluator: "IdentityEvaluator"
    credential: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Turn:
    """One request as the evaluators of one priority group see it; nothing changes it.

    document: the authorization document (context, metadata, request, source, destination, auth).
    mono_ns, wall_ns: the clocks of the request. deadline: time of the event loop at which the
    caller gives up. identified: None until authentication has succeeded.
    """

    request: CheckRequest
    document: Mapping[str, object] = field(repr=False)
    mono_ns: int
    wall_ns: int
    deadline: float | None
    identified: Identified | None
    workers: "Workers"

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Compute on the worker threads; raises errors.Overloaded when too much waits there."""
        return await self.workers.run(function, *args, **kwargs)


class Evaluator:
    """Made for one entry of one AuthConfig, from its spec, by the row of authz/kinds.py."""

    def start(self) -> None:
        """The AuthConfig is in force; called on the event loop, once."""

    def close(self) -> None:
        """It is not any more, and no request uses it; called once, also when never started."""


class IdentityEvaluator(Evaluator, ABC):
    """scope: of the remembered table, where identities stand by the credential that proved them;
    None for those who keep none there. The native lane looks there."""

    scope: int | None = None

    @abstractmethod
    async def identify(self, turn: Turn, credential: bytes | None) -> object:
        """The identity in JSON form. Raises errors.Unauthenticated. `credential` is None when the
        request has none where the entry says."""


class MetadataEvaluator(Evaluator, ABC):
    @abstractmethod
    async def fetch(self, turn: Turn) -> object:
        """In JSON form. Raises errors.EvaluatorFailed."""


class AuthorizationEvaluator(Evaluator, ABC):
    @abstractmethod
    async def authorize(self, turn: Turn) -> object:
        """The result that later entries see. Raises errors.Denied."""


class ResponseEvaluator(Evaluator, ABC):
    @abstractmethod
    async def produce(self, turn: Turn) -> object:
        """The item's value in JSON form. Raises errors.EvaluatorFailed."""


class CallbackEvaluator(Evaluator, ABC):
    @abstractmethod
    async def call(self, turn: Turn) -> object:
        """What the other side answered, None if nobody waits. Raises errors.EvaluatorFailed."""
