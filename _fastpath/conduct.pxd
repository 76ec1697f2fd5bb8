from _fastpath.http2 cimport nghttp2_frame
from _fastpath.transport cimport Connection, Stream

cdef void note_stream(Connection *connection) noexcept nogil
cdef void note_reset(Connection *connection) noexcept nogil
cdef void note_empty(Connection *connection) noexcept nogil
cdef void note_ping(Connection *connection) noexcept nogil
cdef void note_settings(Connection *connection) noexcept nogil
cdef void note_peer_reset(Connection *connection, Stream *stream) noexcept nogil
