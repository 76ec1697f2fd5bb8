from _fastpath.http2 cimport nghttp2_session_callbacks
from _fastpath.transport cimport Connection, Stream

cdef void listen_to_requests(nghttp2_session_callbacks *callbacks) noexcept nogil
cdef void release_stream(Stream *stream) noexcept nogil
cdef void say_last(Connection *connection) noexcept nogil
cdef void look_after(Connection *connection) noexcept nogil
