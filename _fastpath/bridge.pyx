"""Calls in the interpreter: events become tasks and messages, answers become commands.

Everything here runs on the event loop. Events are taken in batches, commands collected and posted
once per turn of the loop. A call is named by its thread and number; whatever arrives for one that
is over is dropped, here and on the I/O thread.
"""
import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator

from libc.stddef cimport size_t
from libc.stdint cimport uint32_t
from libcpp.string cimport string
from libcpp.vector cimport vector

from _fastpath.transport cimport *

from _fastpath.metadata import decode_metadata, encode_metadata
from _fastpath.rpc import RpcError, Status

cdef enum:
    MESSAGE_PREFIX = 5

logger = logging.getLogger("tollhouse.server")

HALF_CLOSED = object()      # ends a request stream


class CallContext:
    """The Context of a call on the native transport."""

    __slots__ = ("metadata", "deadline_ns", "mono_ns", "wall_ns", "generation", "peer", "trailing")

    def __init__(self, metadata, deadline_ns, mono_ns, wall_ns, generation, peer):
        self.metadata = metadata
        self.deadline_ns = deadline_ns
        self.mono_ns = mono_ns
        self.wall_ns = wall_ns
        self.generation = generation
        self.peer = peer
        self.trailing = b""

    def set_trailing_metadata(self, metadata):
        """Raises ValueError for a name or value that HTTP/2 cannot carry."""
        self.trailing = encode_metadata(metadata)


class ConnectionOutput:
    """Answer bytes of all streaming calls of one connection that the peer has not taken."""

    __slots__ = ("calls", "outstanding", "waiting")

    def __init__(self):
        self.calls = 0
        self.outstanding = 0
        self.waiting = []       # futures of handlers


class RunningCall:
    """One call with the interpreter: its address, its task, and a stream's flow."""

    __slots__ = ("thread", "connection", "stream", "call", "task", "size", "requests", "waiter",
                 "outstanding", "writable", "output")

    def __init__(self, thread, connection, stream, call, size):
        self.thread = thread
        self.connection = connection
        self.stream = stream
        self.call = call
        self.size = size            # of the request, as the hand-over counts it
        self.task = None
        self.requests = deque()
        self.waiter = None          # of a handler that waits for the next request
        self.outstanding = 0        # answer bytes not yet framed
        self.writable = None        # of a handler that waits for the peer to read
        self.output = None


class RequestStream:
    """The peer's messages; taking one opens the windows for its bytes.

    No generator: one that a handler never asks for anything would be reported as not awaited.
    """

    __slots__ = ("bridge", "running")

    def __init__(self, bridge, running):
        self.bridge = bridge
        self.running = running

    def __aiter__(self):
        return self

    async def __anext__(self):
        running = self.running
        while not running.requests:
            running.waiter = self.bridge.future()
            await running.waiter
        message = running.requests[0]
        if message is HALF_CLOSED:
            raise StopAsyncIteration
        running.requests.popleft()
        self.bridge.consumed(running, len(message) + MESSAGE_PREFIX)
        return message


cdef class Bridge:
    """Runs the Python handlers of `methods`."""

    def __cinit__(self, methods, bounds):
        self.methods = methods
        self.bounds = bounds
        self.calls = {}
        self.outputs = {}

    cdef connect(self, ServerState *state):
        self.state = state
        self.outbox.resize(state.threads.size())

    cdef start(self, loop):
        self.loop = loop
        loop.add_reader(self.state.handover.descriptor(), self.take_events)

    cdef stop(self):
        self.loop.remove_reader(self.state.handover.descriptor())

    def running(self):
        """The tasks of all open calls."""
        return [running.task for running in self.calls.values()]

    # ---- from I/O threads

    def take_events(self):
        cdef vector[Event] events
        cdef size_t i
        self.state.handover.take(events)
        now = time.monotonic_ns()
        for i in range(events.size()):
            self.take_event(&events[i], now)

    cdef take_event(self, Event *event, now):
        key = (event.thread, event.call)
        if event.kind == CALL or event.kind == STREAM_OPEN:
            self.open_call(event, key, now)
            return
        running = self.calls.get(key)
        if running is None:
            return
        if event.kind == CANCELLED:
            running.task.cancel()
        elif event.kind == STREAM_MESSAGE:
            running.requests.append(<bytes> event.payload)
            wake(running.waiter)
        elif event.kind == STREAM_END:
            running.requests.append(HALF_CLOSED)
            wake(running.waiter)
        elif event.kind == SENT:
            self.release_output(running, event.amount)

    cdef open_call(self, Event *event, key, now):
        running = RunningCall(
            event.thread, event.connection, event.stream, event.call, event.payload.size())
        if now - event.mono_ns > self.bounds.handover_age_seconds * 1e9:
            self.state.handover.done(event.payload.size())
            self.refuse_stale(running, event.method)
            return
        context = CallContext(
            decode_metadata(<bytes> event.metadata), event.deadline_ns or None, event.mono_ns,
            event.wall_ns, event.generation, event.peer.decode())
        method = self.methods[event.method]
        self.calls[key] = running
        if event.kind == STREAM_OPEN:
            running.output = self.outputs.setdefault(
                (running.thread, running.connection), ConnectionOutput())
            running.output.calls += 1
            work = self.run_stream(method, running, context)
        else:
            work = self.run_unary(method, running, context, <bytes> event.payload)
        running.task = self.loop.create_task(work)
        running.task.add_done_callback(lambda _: self.close_call(key, running))

    def refuse_stale(self, running, method):
        overload = getattr(self.methods[method], "overload", b"")
        if overload:
            self.command(running, ANSWER, Status.OK, "", overload, b"", 0)
        else:
            self.command(running, FINISH, Status.UNAVAILABLE, "the call waited too long", b"", b"",
                         0)

    cdef close_call(self, key, running):
        del self.calls[key]
        self.state.handover.done(<size_t> running.size)
        if running.output is not None:
            self.release_output(running, running.outstanding)
            running.output.calls -= 1
            if running.output.calls == 0:
                del self.outputs[running.thread, running.connection]

    # ---- handlers

    async def run_unary(self, method, running, context, request):
        try:
            message = await method.handler(request, context)
            self.command(running, ANSWER, 0, "", message, context.trailing, 0)
        except RpcError as error:
            self.command(running, ANSWER, error.status, error.message, b"", context.trailing, 0)
        except asyncio.CancelledError:
            self.command(running, ANSWER, Status.CANCELLED, "cancelled", b"", b"", 0)
            raise
        except Exception:       # the RPC edge: a handler's fault must not take the server along
            logger.exception("handler of %s failed", method.path)
            self.command(running, ANSWER, Status.INTERNAL, "internal error", b"", b"", 0)

    async def run_stream(self, method, running, context):
        answers = method.handler(RequestStream(self, running), context)
        try:
            async for message in answers:
                try:
                    await self.send(running, message)
                except asyncio.CancelledError as error:
                    await throw_in(answers, error)
                    raise
            self.command(running, FINISH, 0, "", b"", context.trailing, 0)
        except RpcError as error:
            self.command(running, FINISH, error.status, error.message, b"", context.trailing, 0)
        except asyncio.CancelledError:
            self.command(running, FINISH, Status.UNAVAILABLE, "server is shutting down", b"", b"",
                         0)
            raise
        except Exception:       # the RPC edge, as above
            logger.exception("handler of %s failed", method.path)
            self.command(running, FINISH, Status.INTERNAL, "internal error", b"", b"", 0)

    async def send(self, running, message):
        """Queue one answer, once the stream and its connection have room."""
        output = running.output
        while running.outstanding >= self.bounds.stream_output_bytes:
            running.writable = self.loop.create_future()
            await running.writable
        while output.outstanding >= self.bounds.connection_output_bytes // 2:
            room = self.loop.create_future()
            output.waiting.append(room)
            await room
        self.command(running, MESSAGE, 0, "", message, b"", 0)
        running.outstanding += len(message) + MESSAGE_PREFIX
        output.outstanding += len(message) + MESSAGE_PREFIX

    def release_output(self, running, amount):
        output = running.output
        running.outstanding -= amount
        output.outstanding -= amount
        if running.outstanding < self.bounds.stream_output_bytes:
            wake(running.writable)
        if output.waiting and output.outstanding < self.bounds.connection_output_bytes // 2:
            for waiting in output.waiting:
                wake(waiting)
            output.waiting.clear()

    def future(self):
        return self.loop.create_future()

    def consumed(self, running, size_t amount):
        """A handler took a message of so many bytes."""
        self.command(running, CONSUMED, 0, "", b"", b"", amount)

    # ---- to I/O threads

    cdef command(self, running, int kind, int status, str detail, bytes message, trailing,
                 size_t amount):
        cdef Command command
        cdef string encoded
        command.kind = <CommandKind> kind
        command.connection = running.connection
        command.stream = running.stream
        command.call = running.call
        command.status = status
        command.amount = amount
        if message is None:
            raise TypeError("a handler's answer must be bytes")
        if message:
            command.payload = message
        if detail:
            encoded = detail.encode("utf-8", "replace")
            percent_encode(encoded.data(), encoded.size(), command.detail)
        if trailing:
            command.trailer = trailing
        self.outbox[<uint32_t> running.thread].push_back(command)
        if not self.posting:
            self.posting = True
            self.loop.call_soon(self.post)

    def post(self):
        """Hand the collected commands to their threads."""
        cdef size_t i
        self.posting = False
        for i in range(self.outbox.size()):
            if self.outbox[i].size():
                self.state.threads[i].mailbox.put_all(self.outbox[i])


async def throw_in(answers, error):
    """Let a handler that waits in a `yield` see the cancellation there."""
    if isinstance(answers, AsyncGenerator):
        try:
            await answers.athrow(error)
        except StopAsyncIteration:
            return
        await answers.aclose()


cdef wake(future):
    if future is not None and not future.done():
        future.set_result(None)
