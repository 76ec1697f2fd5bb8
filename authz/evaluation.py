"""One evaluator in one request: its condition, what is remembered, its deadline, its outcome."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from _fastpath.document import NativeDocument
from _fastpath.remembered import result_key
from authz.condition import holds
from authz.config import Entry
from authz.errors import Refusal
from authz.open_config import OpenEntry
from authz.services import Services
from authz.step import Outcome, Step
from expressions.errors import EvaluationError

TIMED_OUT = "timed out"
Item = OpenEntry[Any, Any]
Note = Callable[[Step], None]


@dataclass(frozen=True, slots=True)
class Result:
    """`reason` is None when the evaluator succeeded with `value`."""

    value: object = field(default=None, repr=False)
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """An evaluator about to be asked. at: its place in the declaration. begin: makes the call.
    finish: what is done to its value, remembered or not; raises Refusal. credential: the one of an
    authentication entry; it belongs to the key of what is remembered."""

    phase: str
    at: int
    item: Item
    begin: Callable[[], Awaitable[object]]
    finish: Callable[[object], object] | None = None
    credential: bytes | None = field(default=None, repr=False)


class Evaluation:
    """Carries out the calls of one request. note: told of every evaluator, once it is over."""

    def __init__(self, services: Services, wall_ns: int, note: Note | None) -> None:
        self._services = services
        self._wall_ns = wall_ns
        self._note = note

    def applies(self, call: Call, document: Mapping[str, object]) -> bool:
        """Whether `when` holds. Raises EvaluationError."""
        phase, item = call.phase, call.item
        began_ns = time.monotonic_ns() if self._note else 0
        try:
            if holds(item.entry.when, document):
                return True
        except EvaluationError:
            self._tell(phase, item, Outcome.DENIED, began_ns, reason="the condition failed")
            raise
        self._tell(phase, item, Outcome.IGNORED, began_ns)
        return False

    def ignore(self, phase: str, item: Item, reason: str) -> None:
        """Leave an evaluator out."""
        self._tell(phase, item, Outcome.IGNORED, time.monotonic_ns(), reason=reason)

    def recall(self, call: Call, document: Mapping[str, object]) -> Result | None:
        """What an earlier request found out, if it is remembered."""
        key = self._key(call, document)
        scopes = call.item.scopes
        if key is None or scopes is None:
            return None
        began_ns = time.monotonic_ns() if self._note else 0
        found = self._services.remembered.find(scopes.results, key, self._wall_ns)
        if found is not None:
            return self._finished(call, found.to_python(), began_ns, remembered=True)
        failed = self._services.remembered.find(scopes.failures, key, self._wall_ns)
        if failed is None:
            return None
        reason = str(failed.to_python())
        self._tell(call.phase, call.item, Outcome.DENIED, began_ns, reason=reason, remembered=True)
        return Result(reason=reason)

    async def ask(self, call: Call, document: Mapping[str, object]) -> Result:
        """The evaluator's answer. Raises what is no Refusal."""
        began_ns = time.monotonic_ns() if self._note else 0
        key = self._key(call, document)
        try:
            async with asyncio.timeout(call.item.entry.deadline_s):
                value = await self._begun(call, key)
        except asyncio.CancelledError:
            self._tell(call.phase, call.item, Outcome.CANCELLED, began_ns)
            raise
        except (Refusal, TimeoutError) as error:
            reason = str(error) if isinstance(error, Refusal) else TIMED_OUT
            self._remember_failure(call.item, key, reason)
            self._tell(call.phase, call.item, Outcome.DENIED, began_ns, reason=reason)
            return Result(reason=reason)
        self._remember(call, key, value)
        return self._finished(call, value, began_ns)

    async def _begun(self, call: Call, key: bytes | None) -> object:
        """Requests that would remember the same at the same time ask once."""
        scopes = call.item.scopes
        if key is None or scopes is None:
            return await call.begin()
        return await self._services.outgoing.shared((scopes.results, key), call.begin)

    def _finished(
        self, call: Call, value: object, began_ns: int, *, remembered: bool = False
    ) -> Result:
        try:
            result = Result(value if call.finish is None else call.finish(value))
        except Refusal as error:
            result = Result(reason=str(error))
        outcome = Outcome.SUCCEEDED if result.reason is None else Outcome.DENIED
        self._tell(
            call.phase, call.item, outcome, began_ns,
            result=result.value, reason=result.reason or "", remembered=remembered,
        )  # fmt: skip
        return result

    def _key(self, call: Call, document: Mapping[str, object]) -> bytes | None:
        """None when nothing is remembered: no `cache`, or a key that is null or fails."""
        cache = call.item.entry.cache
        if cache is None:
            return None
        try:
            return result_key(cache.key.resolve(document), call.credential)
        except (EvaluationError, ValueError):
            return None

    def _remember(self, call: Call, key: bytes | None, value: object) -> None:
        scopes = call.item.scopes
        if key is None or value is None or scopes is None:
            return
        expires_ns = self._wall_ns + call.item.entry.cache.ttl_s * 10**9
        if call.phase == "authentication":
            expires_ns = min(expires_ns, _own_expiry_ns(value, expires_ns))
        document = NativeDocument(value, numbers_as_double=True)
        self._services.remembered.put(scopes.results, key, document, expires_ns)

    def _remember_failure(self, item: Item, key: bytes | None, reason: str) -> None:
        if key is None or item.scopes is None or not item.entry.cache.failure_ttl_s:
            return
        expires_ns = self._wall_ns + item.entry.cache.failure_ttl_s * 10**9
        self._services.remembered.put(item.scopes.failures, key, NativeDocument(reason), expires_ns)

    def _tell(
        self,
        phase: str,
        item: OpenEntry[Entry, Any],
        outcome: Outcome,
        began_ns: int,
        *,
        result: object = None,
        reason: str = "",
        remembered: bool = False,
    ) -> None:
        if self._note is not None:
            ended_ns = time.monotonic_ns()
            self._note(
                Step(phase, item.entry, outcome, began_ns, ended_ns, result, reason, remembered)
            )


def _own_expiry_ns(identity: object, otherwise: int) -> int:
    """When the identity itself says that it ends (`exp`, RFC 7519 §4.1.4, RFC 7662 §2.2); some
    servers write the number as text."""
    ends = identity.get("exp") if isinstance(identity, dict) else None
    if isinstance(ends, str) and ends.isascii() and ends.isdigit():
        ends = float(ends)
    if isinstance(ends, bool) or not isinstance(ends, int | float):
        return otherwise
    return int(min(ends, otherwise / 1e9)) * 10**9
