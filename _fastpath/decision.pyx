"""The decision of a complete request: natively, suspended and resumed, or handed to Python."""
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t

from _fastpath.answer cimport answer, fail, finish_with, refuse, time_out
from _fastpath.handler cimport (
    OUTCOME_ANSWER, OUTCOME_DEFER, OUTCOME_SUSPEND, Call, Outcome, native_function,
    resume_function,
)
from _fastpath.handover cimport address, introduce
from _fastpath.intake cimport MESSAGE_PREFIX, await_deadline, consume, let_go, message_size
from _fastpath.message cimport check_prefix, hold, take_messages
from _fastpath.transport cimport *

cdef enum:
    STATUS_INTERNAL = 13
    STATUS_UNAVAILABLE = 14


cdef void request_complete(Stream *stream) noexcept nogil:
    cdef size_t size
    stream.half_closed = True
    if stream.phase == STREAMING:
        take_messages(stream)
        return
    if stream.phase != RECEIVING:
        return
    if stream.refusal or stream.http_status:
        refuse(stream)
        return
    if not check_prefix(stream, stream.body.data, stream.body.size):
        return
    if stream.body.size < MESSAGE_PREFIX:
        fail(stream, STATUS_INTERNAL, b"request message is missing")
        return
    size = message_size(stream.body.data)
    if stream.body.size != MESSAGE_PREFIX + size:
        fail(stream, STATUS_INTERNAL, b"request is not one whole message")
        return
    consume(stream, stream.unconsumed)
    stream.connection.served = True
    count(stream.connection.thread.stats.calls)
    decide(stream)


cdef void read_clocks(Stream *stream) noexcept nogil:
    stream.mono_ns = monotonic_ns()
    stream.wall_ns = wall_ns()


cdef void prepare_call(Stream *stream, Call *call) noexcept nogil:
    cdef IoThread *thread = stream.connection.thread
    call.request = stream.body.data + MESSAGE_PREFIX
    call.request_size = stream.body.size - MESSAGE_PREFIX
    call.clock.mono_ns = stream.mono_ns
    call.clock.wall_ns = stream.wall_ns
    call.thread = thread.number
    call.arena = &thread.arena
    call.generation = stream.generation
    call.reply.message = NULL
    call.reply.message_size = 0
    call.reply.status = 0
    call.reply.detail = NULL
    call.reply.detail_size = 0
    call.ticket.server = thread.server.number
    call.ticket.thread = thread.number
    call.ticket.connection = stream.connection.id
    call.ticket.stream = stream.id
    call.ticket.call = stream.call
    call.resume = NULL
    call.kept = NULL
    call.discard = NULL


cdef void decide(Stream *stream) noexcept nogil:
    cdef Call call
    cdef Outcome outcome = OUTCOME_DEFER
    read_clocks(stream)
    if stream.deadline_ns and stream.mono_ns >= stream.deadline_ns:
        time_out(stream)
        return
    prepare_call(stream, &call)
    if stream.method.function != NULL:
        outcome = (<native_function> stream.method.function)(stream.method.state, &call)
    settle(stream, &call, outcome)
    call.arena.reset()


cdef void settle(Stream *stream, Call *call, Outcome outcome) noexcept nogil:
    cdef IoThread *thread = stream.connection.thread
    if outcome == OUTCOME_ANSWER:
        count(thread.stats.answered_native)
        if call.reply.status == 0:
            answer(stream, call.reply.message, call.reply.message_size)
        else:
            percent_encode(call.reply.detail, call.reply.detail_size, stream.detail)
            finish_with(stream, call.reply.status)
    elif outcome == OUTCOME_SUSPEND:
        count(thread.stats.suspended)
        stream.phase = WAITING
        stream.generation = call.generation
        stream.resume = <void *> call.resume
        stream.kept = call.kept
        stream.discard = call.discard
        if stream.held == 0:
            hold(stream, stream.body.size)
        await_deadline(stream)
    else:
        hand_over(stream, call)


cdef void resume(Stream *stream, Command *command) noexcept nogil:
    """Continue a suspended call with its result."""
    cdef Call call
    cdef Outcome outcome
    cdef resume_function function = <resume_function> stream.resume
    if function == NULL:
        return
    stream.resume = NULL
    prepare_call(stream, &call)
    outcome = function(
        stream.method.state, &call, stream.kept, <const uint8_t *> command.payload.data(),
        command.payload.size())
    settle(stream, &call, outcome)
    call.arena.reset()


cdef void hand_over(Stream *stream, Call *call) noexcept nogil:
    cdef Event event
    address(&event, stream, CALL)
    event.generation = call.generation
    event.mono_ns = call.clock.mono_ns
    event.wall_ns = call.clock.wall_ns
    event.payload.assign(<const char *> call.request, call.request_size)
    if introduce(stream, &event):
        stream.phase = WAITING
        stream.body.reset()
        if stream.held:
            let_go(stream, stream.held)
        await_deadline(stream)
    elif stream.method.overload.size():
        answer(stream, <const uint8_t *> stream.method.overload.data(),
               stream.method.overload.size())
    else:
        # Nothing runs for this call, so nothing is to be cancelled.
        stream.phase = RECEIVING
        fail(stream, STATUS_UNAVAILABLE, b"too many calls are waiting")


cdef void open_streaming(Stream *stream) noexcept nogil:
    cdef Event event
    read_clocks(stream)
    address(&event, stream, STREAM_OPEN)
    event.mono_ns = stream.mono_ns
    event.wall_ns = stream.wall_ns
    stream.connection.served = True
    count(stream.connection.thread.stats.calls)
    if introduce(stream, &event):
        stream.phase = STREAMING
        await_deadline(stream)
    else:
        # Refused once the frame is handled, like what its headers object to.
        stream.refusal = STATUS_UNAVAILABLE
        stream.refusal_text = b"too many calls are waiting"
