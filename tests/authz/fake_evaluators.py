"""AuthConfigs whose evaluators do what a test says, run by the real pipeline."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from _fastpath.check_codec import decode_check_request
from _fastpath.rpc import Status
from _fastpath.rule_spec import Credential, Target
from authz.config import (
    AuthConfig,
    Authentication,
    Authorization,
    Callback,
    Denial,
    Entry,
    Metadata,
    SuccessItem,
)
from authz.evaluator import (
    AuthorizationEvaluator,
    CallbackEvaluator,
    IdentityEvaluator,
    MetadataEvaluator,
    ResponseEvaluator,
    Turn,
)
from authz.kind import Kind
from authz.open_config import OpenConfig, Opener
from authz.pipeline import Pipeline
from authz.services import Services
from authz.step import Step
from tests.authz.lanes import NOW, Answer, check_request, parse

Behavior = Callable[[Turn], Awaitable[object]]


class Fake(
    IdentityEvaluator,
    MetadataEvaluator,
    AuthorizationEvaluator,
    ResponseEvaluator,
    CallbackEvaluator,
):
    """An evaluator of every phase that does one thing."""

    def __init__(self, behavior: Behavior) -> None:
        self.behavior = behavior

    async def identify(self, turn: Turn, credential: bytes | None) -> object:
        return await self.behavior(turn)

    async def fetch(self, turn: Turn) -> object:
        return await self.behavior(turn)

    async def authorize(self, turn: Turn) -> object:
        return await self.behavior(turn)

    async def produce(self, turn: Turn) -> object:
        return await self.behavior(turn)

    async def call(self, turn: Turn) -> None:
        await self.behavior(turn)


def kind(*, local: bool = False) -> Kind:
    """Its spec is the behavior."""
    return Kind("FAKE", local, lambda fields, reading: None, lambda spec, opening: Fake(spec))


def entry(
    make: Callable[..., Any], name: str, behavior: Behavior, *, local: bool = False, **more: Any
) -> Any:
    if make is Authentication:
        more = {"credential": Credential(), "challenge": "Bearer", **more}
    if make is SuccessItem:
        more = {"key": name, "target": Target.DYNAMIC_METADATA, **more}
    return make(name=name, kind=kind(local=local), spec=behavior, **more)


@dataclass
class Trial:
    """One AuthConfig of fakes; `steps` is what the last request noted."""

    services: Services = field(default_factory=Services)
    entries: list[Entry] = field(default_factory=list)
    more: dict[str, Any] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    wall_ns: int = NOW
    _opener: Opener | None = None
    _opened: OpenConfig | None = None

    def add(self, make: Callable[..., Any], name: str, behavior: Behavior, **more: Any) -> "Trial":
        self.entries.append(entry(make, name, behavior, **more))
        return self

    def reload(self) -> None:
        """Open the AuthConfig anew, then close the earlier one, as a configuration does."""
        before, self._opener = self._opened, self._opener or Opener(self.services)
        self._opened = self._opener.open(self.config())
        if before is not None:
            self._opener.close(before)

    def config(self) -> AuthConfig:
        def some(kind_of_entry: type) -> tuple[Any, ...]:
            return tuple(e for e in self.entries if isinstance(e, kind_of_entry))

        parts: dict[str, Any] = {
            "namespace": "shop",
            "name": "toys",
            "hosts": ("toys.com",),
            "when": (),
            "authentication": some(Authentication)
            or (entry(Authentication, "anyone", gives({"anonymous": True}), local=True),),
            "metadata": some(Metadata),
            "authorization": some(Authorization),
            "unauthenticated": Denial(),
            "unauthorized": Denial(),
            "success": some(SuccessItem),
            "callbacks": some(Callback),
        }
        return AuthConfig(**{**parts, **self.more})

    async def ask(self, *, dry_run: bool = False, **headers: str) -> Answer:
        if self._opened is None:
            self.reload()
        assert self._opened is not None
        self.steps = []
        data = check_request(**headers).SerializeToString()
        pipeline = Pipeline(
            self._opened,
            self.services,
            decode_check_request(data, 1_000, self.wall_ns),
            mono_ns=1_000,
            wall_ns=self.wall_ns,
            note=self.steps.append,
            dry_run=dry_run,
        )
        verdict = await pipeline.run()
        answer = parse(verdict.answer, native=False)
        assert answer.code == (0 if verdict.status is Status.OK else int(verdict.status))
        return answer

    def outcomes(self) -> dict[str, str]:
        return {step.entry.name: str(step.outcome) for step in self.steps}


def gives(value: object) -> Behavior:
    async def behavior(turn: Turn) -> object:
        return value

    return behavior


def fails(error: Exception) -> Behavior:
    async def behavior(turn: Turn) -> object:
        raise error

    return behavior


async def hangs(turn: Turn) -> object:
    await asyncio.Event().wait()
    return None


class Counted:
    """Gives 1, 2, 3 … or what `answers` say, in turn."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.calls = 0

    async def __call__(self, turn: Turn) -> object:
        self.calls += 1
        answer = self.answers.pop(0) if self.answers else {"n": self.calls}
        if isinstance(answer, Exception):
            raise answer
        return answer
