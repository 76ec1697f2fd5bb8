"""What the transport and native handlers agree on; the Python edge of a native handler."""
import asyncio

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

from _fastpath.counted cimport drop
from _fastpath.suspension cimport expect, forget


cdef class Unit:
    def __dealloc__(self):
        drop(self.pointer)


cdef class NativeHandler:
    """A decision that runs without the interpreter; made by the module that owns its state."""

    def __cinit__(self):
        self.arena = new Arena()

    def __dealloc__(self):
        del self.arena

    cdef void prepare(self, Call *call, bytes request, int64_t mono_ns, int64_t wall_ns):
        call.request = <const uint8_t *> PyBytes_AS_STRING(request)
        call.request_size = <size_t> PyBytes_GET_SIZE(request)
        call.clock.mono_ns = mono_ns
        call.clock.wall_ns = wall_ns
        call.thread = self.python_thread
        call.arena = self.arena
        call.generation = 0
        call.ticket = Ticket(0, 0, 0, 0, 0)
        self.clear(call)

    cdef void clear(self, Call *call):
        call.resume = NULL
        call.kept = NULL
        call.discard = NULL
        call.reply.message = NULL
        call.reply.message_size = 0
        call.reply.status = 0
        call.reply.detail = NULL
        call.reply.detail_size = 0

    cdef tuple report(self, Call *call, Outcome outcome):
        message = detail = b""
        if outcome == OUTCOME_ANSWER:
            if call.reply.status == 0:
                message = PyBytes_FromStringAndSize(
                    <const char *> call.reply.message, call.reply.message_size)
            elif call.reply.detail != NULL:
                detail = call.reply.detail[:call.reply.detail_size]
        self.arena.reset()
        return (
            ("answer", "deferred", "suspended")[<int> outcome],
            message, call.reply.status, detail.decode("utf-8", "replace"), call.generation,
        )

    def __call__(self, bytes request, int64_t mono_ns, int64_t wall_ns):
        """Decide `request` under the interpreter lock, on the given clocks.

        Returns (outcome, message, status, detail, generation): outcome is "answer", "deferred" or
        "suspended", message the encoded answer (b"" unless answered with status 0). A suspended
        call is given up: use `decide` where one may occur.
        """
        cdef Call call
        self.prepare(&call, request, mono_ns, wall_ns)
        cdef Outcome outcome = self.function(self.state, &call)
        if outcome == OUTCOME_SUSPEND and call.discard != NULL:
            call.discard(call.kept)
        return self.report(&call, outcome)

    async def decide(self, bytes request, int64_t mono_ns, int64_t wall_ns):
        """Decide like a call, and wait for the results that a suspended decision asks for.

        Returns the same tuple; outcome is "answer" or "deferred". Runs on an event loop;
        cancelling it gives the suspended decision up.
        """
        cdef Call call
        cdef Outcome outcome
        cdef bytes result
        self.prepare(&call, request, mono_ns, wall_ns)
        future = asyncio.get_running_loop().create_future()
        expect(&call.ticket, future)
        try:
            outcome = self.function(self.state, &call)
            while outcome == OUTCOME_SUSPEND:
                self.arena.reset()
                try:
                    result = await future
                except asyncio.CancelledError:
                    if call.discard != NULL:
                        call.discard(call.kept)
                    raise
                forget(call.ticket.call)
                future = asyncio.get_running_loop().create_future()
                expect(&call.ticket, future)
                outcome = self.resume(&call, result)
        finally:
            forget(call.ticket.call)
        return self.report(&call, outcome)

    cdef Outcome resume(self, Call *call, bytes result):
        cdef resume_function function = call.resume
        cdef void *kept = call.kept
        self.clear(call)
        return function(
            self.state, call, kept, <const uint8_t *> PyBytes_AS_STRING(result),
            <size_t> PyBytes_GET_SIZE(result))
