"""The embedded engine: rego-cpp in child processes.

A child has one evaluation at a time and a limit for it; one that overruns or ends is replaced, and
the request it was asked for is refused. Equal policies are compiled once per child.
"""

import asyncio
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from _fastpath.text import json_of_value
from authz.errors import Overloaded
from authz.opa.answering import Answers
from authz.opa.builtins import ADVICE
from authz.opa.child import Answer, Child
from authz.opa.errors import (
    EngineUnavailable,
    EvaluationFailed,
    PolicyRefused,
    Unsupported,
)
from authz.opa.http_send import Send
from authz.opa.policy import Policy, prepare

CHILDREN = 2
WAITING = 1024
LIMIT_S = 1.0
_RESULT = json.JSONDecoder(parse_int=float)
MOST_RUNS = 8  # of a policy for one input, each with the answers that the one before asked for
COMPILE_S = 10.0


@dataclass(slots=True)
class _Known:
    number: int
    names: tuple[str, ...]
    users: int


class EmbeddedEngine:
    """open: from any thread; the rest on the event loop. send: makes the calls of http.send().
    replaced: children that were killed or ended."""

    def __init__(
        self,
        send: Send,
        children: int = CHILDREN,
        waiting: int = WAITING,
        limit_s: float = LIMIT_S,
    ) -> None:
        self.send = send
        self._children = children
        self._most_waiting = waiting
        self._limit_s = limit_s
        self._checking = threading.Lock()  # may be held for seconds
        self._lock = threading.Lock()
        self._checker: Child | None = None
        self._known: dict[Policy, _Known] = {}
        self._numbers = 0
        self._turns = asyncio.Semaphore(children)
        self._waiting = 0
        self._free: list[Child] = []
        self._busy: set[Child] = set()
        self._closed = False
        self.replaced = 0

    def open(self, rego: str, version: str) -> "EmbeddedPolicy":
        policy = prepare(rego, version)
        with self._checking:
            known = self._known.get(policy)
            if known is None:
                self._numbers += 1
                known = _Known(self._numbers, self._checked(policy, self._numbers), 0)
            with self._lock:
                known = self._known.setdefault(policy, known)
                known.users += 1
        return EmbeddedPolicy(self, policy, known.number, known.names)

    def _checked(self, policy: Policy, number: int) -> tuple[str, ...]:
        """The names of its rules, by a child that is for nothing else."""
        if self._checker is None:
            self._checker = Child()
        try:
            module = policy.module.encode()
            answer = self._checker.ask_now(b"D", number, module, COMPILE_S)
            self._checker.ask_now(b"F", number, b"", COMPILE_S)
        except EngineUnavailable as error:
            self._checker.kill()
            self._checker = None
            raise PolicyRefused("rego-cpp cannot compile it") from error
        if not answer.succeeded:
            raise PolicyRefused(answer.body.decode())
        return tuple(json.loads(answer.body))

    @property
    def idle(self) -> tuple[Child, ...]:
        """Children without work."""
        return tuple(self._free)

    def release(self, policy: Policy) -> None:
        with self._lock:
            known = self._known[policy]
            known.users -= 1
            if not known.users:
                del self._known[policy]

    async def run(self, policy: Policy, number: int, body: bytes) -> Answer:
        """One run of a policy. Raises EvaluationFailed, EngineUnavailable and Overloaded."""
        if self._waiting >= self._most_waiting:
            raise Overloaded
        self._waiting += 1
        try:
            await self._turns.acquire()
        finally:
            self._waiting -= 1
        child = self._free.pop() if self._free else Child()
        self._busy.add(child)
        if number not in child.defined:
            try:
                await self._define(child, policy, number)
            except BaseException:
                child.fail(EngineUnavailable("the policy could not be prepared"))
                self._finished(child)
                raise
        # A caller that gives up leaves the child its work: it would cost more to replace it.
        answer = await child.ask(b"E", number, body, self._limit_s, self._finished)
        if answer.status == b"-":
            raise EvaluationFailed(answer.body.decode())
        return answer

    def _finished(self, child: Child) -> None:
        self._busy.discard(child)
        self._turns.release()
        if child.ended:
            child.kill()
            self.replaced += 1
        elif self._closed:
            child.kill()
        else:
            self._free.append(child)

    async def _define(self, child: Child, policy: Policy, number: int) -> None:
        """Also forgets what is not in use any more."""
        with self._lock:
            used = {known.number for known in self._known.values()}
        for gone in child.defined - used:
            await child.ask(b"F", gone, b"", COMPILE_S, _go_on)
        child.defined &= used
        module = policy.module.encode()
        answer = await child.ask(b"D", number, module, COMPILE_S, _go_on)
        if not answer.succeeded:
            raise EngineUnavailable(answer.body.decode())
        child.defined.add(number)

    async def close(self) -> None:
        self._closed = True
        for child in tuple(self._busy):
            child.fail(EngineUnavailable("the engine is closed"))
        with self._lock:
            children = [*self._free, *([self._checker] if self._checker else [])]
            self._free, self._checker = [], None
        for child in children:
            child.kill()


def _go_on(child: Child) -> None:
    """There is more to ask this child."""


class EmbeddedPolicy:
    """Implements authz.opa.engine.OpenPolicy."""

    def __init__(
        self, engine: EmbeddedEngine, policy: Policy, number: int, names: tuple[str, ...]
    ) -> None:
        self._engine = engine
        self._policy = policy
        self.number = number
        self.names = names

    async def evaluate(self, document: Mapping[str, object], wall_ns: int) -> Mapping[str, object]:
        try:
            answer = await self._evaluated(document, wall_ns)
        except ValueError as error:
            raise EvaluationFailed("the input cannot be given to the policy") from error
        except Unsupported as error:
            raise EvaluationFailed(f"the embedded engine has no {error}; {ADVICE}") from error
        value = _RESULT.decode(answer.decode())
        return value if isinstance(value, dict) else {}

    async def _evaluated(self, document: Mapping[str, object], wall_ns: int) -> bytes:
        """The JSON text of the package's value."""
        answers = Answers(self._policy, document, wall_ns, self._engine.send)
        given = json_of_value(self._policy.input_of(document))
        for _ in range(MOST_RUNS):
            static = json.dumps(answers.static) if answers.static else "{}"
            asked = json.dumps(answers.asked) if answers.asked else "[]"
            body = f'{{"input":{given},"static":{static},"answers":{asked}}}'.encode()
            answer = await self._engine.run(self._policy, self.number, body)
            if answer.succeeded:
                return answer.body
            await answers.answer(json.loads(answer.body))
        raise EvaluationFailed("the policy calls too many built-ins")

    def close(self) -> None:
        self._engine.release(self._policy)
