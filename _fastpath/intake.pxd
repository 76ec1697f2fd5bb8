"""Accounts of received bytes: held ones count against the bounds, consumed ones open windows."""
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t

from _fastpath.http2 cimport nghttp2_session_consume_connection
from _fastpath.transport cimport Stream

cdef enum:
    MESSAGE_PREFIX = 5      # compression flag, u32 size


cdef inline size_t message_size(const uint8_t *frame) noexcept nogil:
    return ((<size_t> frame[1] << 24) | (<size_t> frame[2] << 16)
            | (<size_t> frame[3] << 8) | frame[4])


cdef inline void await_deadline(Stream *stream) noexcept nogil:
    if stream.deadline_ns and not stream.timed:
        stream.connection.thread.time(stream)


cdef inline void let_go(Stream *stream, size_t size) noexcept nogil:
    """Give `size` of the held bytes back to the bounds."""
    stream.held -= size
    stream.connection.held -= size
    stream.connection.thread.server.held.fetch_sub(size)


cdef inline void consume(Stream *stream, size_t size) noexcept nogil:
    """Open the connection's window again for `size` received bytes."""
    if size > stream.unconsumed:
        size = stream.unconsumed
    if size:
        stream.unconsumed -= size
        nghttp2_session_consume_connection(stream.connection.session, size)
