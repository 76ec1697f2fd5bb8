from libc.stddef cimport size_t
from libc.stdint cimport uint8_t

from _fastpath.counters cimport HitMode
from _fastpath.handler cimport Call
from _fastpath.rls_work cimport Decider, Work


ctypedef enum Asked:
    ASKED_DECIDED       # the hits are filled
    ASKED_WAITS         # the call is suspended with its work kept
    ASKED_DEFERRED      # only the full lane can ask; nothing has happened
    ASKED_FAILED        # the counters cannot be reached or held

# Asks the store for the hits of `work`, or the process itself without one.
cdef Asked ask_counters(Work *work) noexcept nogil

# Fills `work` as it was when its call was suspended, with the result that came, and frees `kept`'s
# hold on the store. False when the call has to fail. `kept` is to be freed with `discard_work`
# once the work is done with.
cdef bint take_up(Work *work, Decider *decider, Call *call, void *kept, const uint8_t *result,
                  size_t result_size) noexcept nogil
cdef void discard_work(void *kept) noexcept nogil
