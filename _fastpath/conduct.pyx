"""What a peer may make us do per second, and the end of a connection that asks for more.

Budgets grow with the work that justifies the frames: resets with the streams opened, PINGs with
the DATA frames exchanged. An Envoy whose calls all time out keeps its connection; a rapid reset
does not.
"""
from libc.stdint cimport uint32_t

from _fastpath.http2 cimport NGHTTP2_ENHANCE_YOUR_CALM, nghttp2_session_terminate_session
from _fastpath.transport cimport *

cdef enum:
    YOUNG_NS = 5000000      # a reset earlier than this, and before the deadline, is no timeout


cdef void call_calm(Connection *connection) noexcept nogil:
    """End an abusive connection: GOAWAY with ENHANCE_YOUR_CALM, then close."""
    if connection.abusive:
        return
    connection.abusive = True
    count(connection.thread.stats.abusive)
    nghttp2_session_terminate_session(connection.session, NGHTTP2_ENHANCE_YOUR_CALM)


cdef void note_stream(Connection *connection) noexcept nogil:
    connection.conduct.turn(connection.thread.now_ns)
    connection.conduct.streams += 1


cdef void note_reset(Connection *connection) noexcept nogil:
    """A reset that no timeout explains, by the peer or by us because of the peer."""
    cdef Conduct *conduct = &connection.conduct
    conduct.turn(connection.thread.now_ns)
    conduct.resets += 1
    cdef uint32_t allowed = connection.thread.server.bounds.resets_per_second
    if conduct.resets > allowed + (conduct.streams + conduct.earlier_streams) // 2:
        call_calm(connection)


cdef void note_peer_reset(Connection *connection, Stream *stream) noexcept nogil:
    """A reset of an open stream; one after the call's deadline, or after a while, is a timeout."""
    stream.peer_reset = True
    if stream.deadline_ns and connection.thread.now_ns >= stream.deadline_ns:
        return
    if connection.thread.now_ns - stream.opened_ns < YOUNG_NS:
        note_reset(connection)


cdef void note_empty(Connection *connection) noexcept nogil:
    connection.conduct.turn(connection.thread.now_ns)
    connection.conduct.empty += 1
    if connection.conduct.empty > connection.thread.server.bounds.empty_frames_per_second:
        call_calm(connection)


cdef void note_ping(Connection *connection) noexcept nogil:
    cdef Conduct *conduct = &connection.conduct
    conduct.turn(connection.thread.now_ns)
    conduct.pings += 1
    cdef uint32_t allowed = connection.thread.server.bounds.pings_per_second
    if conduct.pings > allowed + conduct.messages + conduct.earlier_messages:
        call_calm(connection)


cdef void note_settings(Connection *connection) noexcept nogil:
    connection.conduct.turn(connection.thread.now_ns)
    connection.conduct.settings += 1
    if connection.conduct.settings > connection.thread.server.bounds.settings_per_second:
        call_calm(connection)
