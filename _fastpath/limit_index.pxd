from libc.stdint cimport int32_t, uint8_t, uint32_t
from libcpp cimport bool as cbool
from libcpp.memory cimport unique_ptr
from libcpp.string cimport string
from libcpp.vector cimport vector

from _fastpath.arena cimport Arena
from _fastpath.counted cimport Counted
from _fastpath.counters cimport Quota
from _fastpath.rate_limit_headers cimport HeaderText, RefusalReply
from _fastpath.rls_codec cimport DescriptorView, RequestView
from _fastpath.value cimport Value
from _fastpath.wire cimport TextView


cdef extern from "limit_index.hpp" namespace "tollhouse" nogil:
    ctypedef enum ErrorPolicy:
        ON_ERROR_SKIP, ON_ERROR_APPLY, ON_ERROR_REFUSE

    cdef cppclass EqualityTest:
        uint32_t descriptor
        string key
        string value

    cdef cppclass Limit:
        char digest[16]
        Quota quota
        string name
        cbool named
        string id
        cbool has_id
        vector[EqualityTest] tests
        vector[Counted *] conditions
        vector[Counted *] variables
        uint32_t descriptor
        ErrorPolicy on_error
        vector[Counted *] cost
        cbool shadow
        cbool unlimited
        cbool always
        cbool headers
        int32_t priority
        uint8_t fail
        uint32_t limited_series
        uint32_t error_series
        uint32_t shadow_series
        uint32_t call_series
        uint32_t refused_series
        string current_limit
        HeaderText header_text
        RefusalReply refusal
        Value root
        void seal() except +
        cbool binding()

    cdef cppclass LimitSet(Counted):
        string name
        char tag[16]
        vector[unique_ptr[Limit]] limits
        uint32_t authorized_calls
        uint32_t authorized_hits
        uint32_t reports
        Counted *tree
        void seal() except +
        bint collect(const RequestView &request, Arena *arena, const Limit ***found,
                     uint32_t *count)

    cdef cppclass LimitIndex(Counted):
        LimitIndex(const LimitIndex *previous) except +
        const LimitSet *find(TextView domain)
        void change(TextView name, LimitSet *set) except +

    bint seal_request(RequestView *request, Arena *arena)
