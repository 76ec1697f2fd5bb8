"""The messages of a request while they arrive: prefix, bounds, windows, the way to the handler."""
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t

from _fastpath.answer cimport fail
from _fastpath.handover cimport tell, tell_message
from _fastpath.http2 cimport nghttp2_session_consume_stream
from _fastpath.intake cimport MESSAGE_PREFIX, await_deadline, message_size
from _fastpath.transport cimport *

cdef enum:
    STATUS_RESOURCE_EXHAUSTED = 8
    STATUS_UNIMPLEMENTED = 12
    STATUS_INTERNAL = 13
    QUEUED_MESSAGES = 64    # arbitrary: of one stream with the interpreter, the rest stays raw


cdef void receive_part(Stream *stream, size_t size) noexcept nogil:
    """Part of a unary request: its stream's window stays open as long as memory is not short."""
    cdef Connection *connection = stream.connection
    cdef ServerState *server = connection.thread.server
    if not check_prefix(stream, stream.body.data, stream.body.size):
        return
    hold(stream, size)
    if stream.phase != RECEIVING:
        return
    await_deadline(stream)
    if server.held.load() > server.bounds.process_request_bytes // 4 * 3:
        stream.withheld += size
        connection.short_of_memory = True
    else:
        nghttp2_session_consume_stream(connection.session, stream.id, size)


cdef void hold(Stream *stream, size_t size) noexcept nogil:
    """Count buffered request bytes; at a bound the stream that grew is refused."""
    cdef Connection *connection = stream.connection
    cdef ServerState *server = connection.thread.server
    stream.held += size
    connection.held += size
    cdef size_t everywhere = server.held.fetch_add(size) + size
    # The window equals the bound, so waiting for the last byte of it would wait for ever.
    if connection.held + INPUT_BYTES > server.bounds.connection_request_bytes:
        fail(stream, STATUS_RESOURCE_EXHAUSTED, b"too many request bytes on this connection")
    elif everywhere > server.bounds.process_request_bytes:
        fail(stream, STATUS_RESOURCE_EXHAUSTED, b"too many request bytes")


cdef bint check_prefix(Stream *stream, const uint8_t *frame, size_t size) noexcept nogil:
    """Refuse by a message's first five bytes; False when the stream was refused."""
    if size < MESSAGE_PREFIX:
        return True
    if frame[0] == 1:
        fail(stream, STATUS_UNIMPLEMENTED, b"compressed messages are not supported")
    elif frame[0] != 0:
        fail(stream, STATUS_INTERNAL, b"malformed message frame")
    elif message_size(frame) > stream.connection.thread.server.bounds.message_bytes:
        fail(stream, STATUS_RESOURCE_EXHAUSTED, b"message is too large")
    else:
        return True
    return False


cdef void take_messages(Stream *stream) noexcept nogil:
    """Post whole messages of a streaming call; windows open as the handler takes them.

    At most QUEUED_MESSAGES wait with the interpreter, so that many tiny messages cost no more
    memory than their windows allow.
    """
    cdef const uint8_t *frame
    cdef size_t start = 0, left, size
    while stream.queued < QUEUED_MESSAGES:
        frame = stream.body.data + start
        left = stream.body.size - start
        if not check_prefix(stream, frame, left):
            return
        if left < MESSAGE_PREFIX:
            break
        size = MESSAGE_PREFIX + message_size(frame)
        if left < size:
            break
        tell_message(stream, <const char *> frame + MESSAGE_PREFIX, size - MESSAGE_PREFIX)
        stream.queued += 1
        start += size
        stream.advanced -= size if size < stream.advanced else stream.advanced
    stream.body.drop(start)
    if stream.half_closed:
        end_messages(stream)
    elif stream.queued == 0:
        advance_window(stream)


cdef void end_messages(Stream *stream) noexcept nogil:
    if stream.body.size == 0:
        if not stream.end_told:
            stream.end_told = True
            tell(stream, STREAM_END, 0)
    elif stream.queued < QUEUED_MESSAGES:
        fail(stream, STATUS_INTERNAL, b"request ends inside a message")


cdef void advance_window(Stream *stream) noexcept nogil:
    """Let a message larger than the stream's window arrive: nobody can take a part of it."""
    cdef size_t size
    if stream.body.size < MESSAGE_PREFIX:
        return
    size = MESSAGE_PREFIX + message_size(stream.body.data)
    if size <= stream.connection.thread.server.bounds.stream_window_bytes:
        return
    size = stream.body.size - stream.advanced
    stream.advanced += size
    stream.credit += size
    nghttp2_session_consume_stream(stream.connection.session, stream.id, size)
