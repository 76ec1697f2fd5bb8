"""The full lane of Check: the reference for what an AuthConfig means.

The steps, orders and reasons are those of `_fastpath/rule.pyi`; the native lane gives the same
bytes. Inside a priority group the local evaluators have their turn first, in order of declaration,
then what is remembered of the others, then the others all at once.
"""

import logging
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from itertools import groupby
from types import MappingProxyType
from typing import Literal

from _fastpath.check_codec import CheckRequest
from _fastpath.clock import Clock
from _fastpath.rpc import Status
from _fastpath.rule import CONDITION_FAILED
from authz import answers
from authz.answers import Verdict
from authz.condition import holds
from authz.config import Authorization, Entry, Metadata
from authz.errors import Unauthenticated
from authz.evaluation import Call, Evaluation, Item, Note, Result
from authz.evaluator import Identified, Turn
from authz.identity_extension import extended
from authz.open_config import OpenConfig
from authz.race import race
from authz.services import Services
from authz.throttling import Attempts
from expressions.errors import EvaluationError

logger = logging.getLogger("tollhouse.authz")

DRY_RUN = "dry run"


class Pipeline:
    """One request against one AuthConfig. Used once, on the event loop.

    deadline: time of the event loop at which the caller gives up; evaluators are told, the caller
    of `run` ends it. note: told of every evaluator once it is over. dry_run: no callbacks. refused:
    authentication entries, by name, that are known to refuse this request.
    """

    def __init__(
        self,
        opened: OpenConfig,
        services: Services,
        request: CheckRequest,
        *,
        mono_ns: int,
        wall_ns: int,
        deadline: float | None = None,
        note: Note | None = None,
        dry_run: bool = False,
        refused: Mapping[str, Unauthenticated] = MappingProxyType({}),
    ) -> None:
        self._opened = opened
        self._config = opened.config
        self._services = services
        self._request = request
        self._mono_ns, self._wall_ns = mono_ns, wall_ns
        self._deadline = deadline
        self._dry_run = dry_run
        self._refused = refused
        self._evaluation = Evaluation(services, wall_ns, note)
        self._identified: Identified | None = None
        self._auth: Mapping[str, object] = {}
        attributes = request.attributes()
        self._document: Mapping[str, object] = {**attributes, "auth": self._auth}
        clock = Clock(mono_ns, wall_ns)
        self._attempts = Attempts(services.throttle, self._config, request, attributes, clock)

    @property
    def document(self) -> Mapping[str, object]:
        """The authorization document as of now."""
        return self._document

    async def run(self) -> Verdict:
        """Raises errors.Overloaded, and what a defect raises; the caller makes both a denial."""
        verdict = await self._decide()
        if not verdict.skipped and not verdict.throttled:
            await self._call_back()
        return verdict

    async def _decide(self) -> Verdict:
        try:
            if not holds(self._config.when, self._document):
                return answers.skipped()
        except EvaluationError:
            if self._config.skip_failed_conditions:
                return answers.skipped()
            return self._forbid(CONDITION_FAILED)
        refused = self._attempts.refused()
        if refused is not None:
            return refused
        failures = await self._authenticate()
        if failures is not None:
            config = self._config
            if not self._dry_run:
                self._attempts.failed()
            return answers.unauthenticated(
                config.authentication, failures, config.unauthenticated, self._document
            )
        reason = await self._gather_metadata()
        if reason is None:
            reason = await self._authorize()
        return await self._succeed() if reason is None else self._forbid(reason)

    def _forbid(self, reason: str) -> Verdict:
        return answers.denied(
            Status.PERMISSION_DENIED, 403, reason, (), self._config.unauthorized, self._document
        )

    # ---- the phases

    async def _authenticate(self) -> dict[str, str] | None:
        """Reasons by entry, or None once an entry has succeeded and set the identity."""
        failures: dict[str, str] = {}
        for group in _groups(self._opened.authentication):
            calls = [self._identity_call(at, item) for at, item in group]
            async with aclosing(self._results(calls)) as results:
                async for call, result in results:
                    entry = call.item.entry
                    if result.reason is None:
                        self._identified = Identified(entry, call.item.evaluator, call.credential)
                        self._extend({"identity": result.value})
                        return None
                    failures[entry.name] = result.reason
        return failures

    def _identity_call(self, at: int, item: Item) -> Call:
        turn = self._turn()
        place = item.entry.credential
        credential = self._request.credential(place.place, place.name)
        return Call(
            "authentication",
            at,
            item,
            lambda: self._identify(item, turn, credential),
            lambda identity: extended(item.entry, identity, self._document),
            credential,
        )

    async def _identify(self, item: Item, turn: Turn, credential: bytes | None) -> object:
        known = self._refused.get(item.entry.name)
        if known is not None:
            raise known
        return await item.evaluator.identify(turn, credential)

    async def _gather_metadata(self) -> str | None:
        """The reason of a refusal, when an entry that is required has no result."""
        for group in _groups(self._opened.metadata):
            turn = self._turn()
            calls = [
                Call("metadata", at, item, partial(item.evaluator.fetch, turn))
                for at, item in group
            ]
            found: dict[str, object] = {}
            async with aclosing(self._results(calls)) as results:
                async for call, result in results:
                    entry = call.item.entry
                    if result.reason is None:
                        found[entry.name] = result.value
                    elif entry.required:
                        return f"metadata {entry.name!r} is required and missing"
            self._extend_phase("metadata", found)
        return None

    async def _authorize(self) -> str | None:
        """The reason of a refusal, or None."""
        for group in _groups(self._opened.authorization):
            turn = self._turn()
            calls = [
                Call("authorization", at, item, partial(item.evaluator.authorize, turn))
                for at, item in group
            ]
            granted: dict[str, object] = {}
            async with aclosing(self._results(calls)) as results:
                async for call, result in results:
                    if result.reason is not None:
                        return result.reason
                    granted[call.item.entry.name] = result.value
            self._extend_phase("authorization", granted)
        return None

    async def _succeed(self) -> Verdict:
        values: dict[int, object] = {}
        entries = self._config.success
        for group in _groups(self._opened.success):
            turn = self._turn()
            calls = [
                Call("response", at, item, partial(item.evaluator.produce, turn))
                for at, item in group
            ]
            found: dict[int, object] = {}
            async with aclosing(self._results(calls)) as results:
                async for call, result in results:
                    if result.reason is None:
                        found[call.at] = result.value
            self._extend_phase("response", {entries[at].name: found[at] for at in sorted(found)})
            values |= found
        return answers.succeeded([(entries[at], values[at]) for at in sorted(values)])

    async def _call_back(self) -> None:
        """Nothing that happens here changes the verdict."""
        for group in _groups(self._opened.callbacks):
            if self._dry_run:
                for _, item in group:
                    self._evaluation.ignore("callbacks", item, DRY_RUN)
                continue
            turn = self._turn()
            calls = [
                Call("callbacks", at, item, partial(item.evaluator.call, turn))
                for at, item in group
            ]
            answered: dict[str, object] = {}
            try:
                async with aclosing(self._results(calls)) as results:
                    async for call, result in results:
                        if result.reason is None:
                            answered[call.item.entry.name] = result.value
            except Exception:  # whatever a callback does, the verdict stands
                logger.exception("callbacks of AuthConfig %s failed", self._config.id)
            self._extend_phase("callbacks", answered)

    # ---- the evaluators of one priority group

    async def _results(self, calls: Sequence[Call]) -> AsyncGenerator[tuple[Call, Result], None]:
        """Results as they come; whoever stops listening cancels what still runs."""
        others: list[Call] = []
        for call in calls:
            if call.item.entry.cache is not None or not call.item.entry.kind.local:
                others.append(call)
                continue
            refused = self._left_out(call)
            if refused is None:
                yield call, await self._evaluation.ask(call, self._document)
            elif refused:
                yield call, refused
        waiting: list[Call] = []
        for call in others:
            refused = self._left_out(call)
            if refused is False:
                continue
            result = refused or self._evaluation.recall(call, self._document)
            if result is None:
                waiting.append(call)
            else:
                yield call, result
        asked = [self._evaluation.ask(call, self._document) for call in waiting]
        async with aclosing(race(asked)) as results:
            async for number, result in results:
                yield waiting[number], result

    def _left_out(self, call: Call) -> Result | Literal[False] | None:
        """None for an evaluator that has its turn, False for one that is skipped."""
        try:
            return None if self._evaluation.applies(call, self._document) else False
        except EvaluationError:
            if self._config.skip_failed_conditions or not _decides(call.item.entry):
                return False
            return Result(reason=CONDITION_FAILED)

    def _turn(self) -> Turn:
        return Turn(
            self._request, self._document, self._mono_ns, self._wall_ns, self._deadline,
            self._identified, self._services.workers,
        )  # fmt: skip

    def _extend(self, members: Mapping[str, object]) -> None:
        """A new document: evaluators may still hold the old one, which must not change."""
        self._auth = {**self._auth, **members}
        self._document = {**self._document, "auth": self._auth}

    def _extend_phase(self, phase: str, results: Mapping[str, object]) -> None:
        if results:
            before = self._auth.get(phase)
            self._extend({phase: {**before, **results} if isinstance(before, dict) else results})


def _decides(entry: Entry) -> bool:
    """Whether the request must not go on without it; any other entry that is left out grants
    nothing."""
    return isinstance(entry, Authorization) or (isinstance(entry, Metadata) and entry.required)


def _groups(items: Sequence[Item]) -> Iterator[list[tuple[int, Item]]]:
    """By ascending priority, each item with its place in the declaration."""
    numbered = sorted(enumerate(items), key=_priority)
    for _, group in groupby(numbered, key=_priority):
        yield list(group)


def _priority(numbered: tuple[int, Item]) -> int:
    priority: int = numbered[1].entry.priority
    return priority
