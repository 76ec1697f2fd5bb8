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
MOST_RUNS = 8  # of a policy for one input, each with the answers that the one before asked for
COMPILE_S = 10.0
TOO_LONG = "the policy took too long"


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
        self._lock = threading.Lock()
        self._checker: Child | None = None
        self._known: dict[Policy, _Known] = {}
        self._numbers = 0
        self._turns = asyncio.Semaphore(children)
        self._waiting = 0
        self._free: list[Child] = []
        self._tasks: set[asyncio.Task[Answer]] = set()
        self._closed = False
        self.replaced = 0

    def open(self, rego: str, version: str) -> "EmbeddedPolicy":
        policy = prepare(rego, version)
        with self._lock:
            known = self._known.get(policy)
            if known is None:
                self._numbers += 1
                names = self._checked(policy, self._numbers)
                known = self._known[policy] = _Known(self._numbers, names, 0)
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
        # A caller that gives up leaves the child its work: it would cost more to replace it.
        task = asyncio.create_task(self._work(policy, number, body))
        self._tasks.add(task)
        task.add_done_callback(self._worked)
        answer = await asyncio.shield(task)
        if answer.status == b"-":
            raise EvaluationFailed(answer.body.decode())
        return answer

    def _worked(self, task: asyncio.Task[Answer]) -> None:
        self._tasks.discard(task)
        self._turns.release()
        if not task.cancelled():
            task.exception()  # the caller may be gone

    async def _work(self, policy: Policy, number: int, body: bytes) -> Answer:
        child = self._free.pop() if self._free else Child()
        try:
            if number not in child.defined:
                await self._define(child, policy, number)
            async with asyncio.timeout(self._limit_s):
                answer = await child.ask(b"E", number, body)
        except BaseException as error:
            child.kill()
            self.replaced += 1
            if isinstance(error, TimeoutError):
                raise EvaluationFailed(TOO_LONG) from error
            raise
        if self._closed:
            child.kill()
        else:
            self._free.append(child)
        return answer

    async def _define(self, child: Child, policy: Policy, number: int) -> None:
        """Also forgets what is not in use any more."""
        async with asyncio.timeout(COMPILE_S):
            used = {known.number for known in self._known.values()}
            for gone in child.defined - used:
                await child.ask(b"F", gone, b"")
            child.defined &= used
            answer = await child.ask(b"D", number, policy.module.encode())
        if not answer.succeeded:
            raise EngineUnavailable(answer.body.decode())
        child.defined.add(number)

    async def close(self) -> None:
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with self._lock:
            children = [*self._free, *([self._checker] if self._checker else [])]
            self._free, self._checker = [], None
        for child in children:
            child.kill()


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
        value = json.loads(answer, parse_int=float)
        return value if isinstance(value, dict) else {}

    async def _evaluated(self, document: Mapping[str, object], wall_ns: int) -> bytes:
        """The JSON text of the package's value."""
        answers = Answers(self._policy, document, wall_ns, self._engine.send)
        given = json_of_value(self._policy.input_of(document))
        for _ in range(MOST_RUNS):
            static, asked = json.dumps(answers.static), json.dumps(answers.asked)
            body = f'{{"input":{given},"static":{static},"answers":{asked}}}'.encode()
            answer = await self._engine.run(self._policy, self.number, body)
            if answer.succeeded:
                return answer.body
            await answers.answer(json.loads(answer.body))
        raise EvaluationFailed("the policy calls too many built-ins")

    def close(self) -> None:
        self._engine.release(self._policy)
