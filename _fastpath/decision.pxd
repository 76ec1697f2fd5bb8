from _fastpath.transport cimport Command, Stream

cdef void request_complete(Stream *stream) noexcept nogil
cdef void open_streaming(Stream *stream) noexcept nogil
cdef void resume(Stream *stream, Command *command) noexcept nogil
