"""A native handler that always gives the same answer: what the transport costs by itself."""
from libc.stdint cimport uint8_t, uint32_t

from _fastpath.handler cimport OUTCOME_ANSWER, Call, NativeHandler, Outcome


cdef struct Constant:
    const uint8_t *message
    size_t size


cdef Outcome give(void *state, Call *call) noexcept nogil:
    call.reply.message = (<Constant *> state).message
    call.reply.message_size = (<Constant *> state).size
    return OUTCOME_ANSWER


cdef class ConstantAnswer(NativeHandler):
    """Answers every request with `message`."""
    cdef Constant constant
    cdef bytes message

    def __init__(self, bytes message, uint32_t python_thread):
        self.message = message
        self.constant.message = <const uint8_t *> <char *> message
        self.constant.size = len(message)
        self.function = give
        self.state = &self.constant
        self.python_thread = python_thread
