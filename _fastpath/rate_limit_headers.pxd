from libc.stdint cimport int64_t, uint32_t, uint64_t
from libcpp cimport bool as cbool
from libcpp.string cimport string
from libcpp.utility cimport pair
from libcpp.vector cimport vector

from _fastpath.arena cimport Arena
from _fastpath.rls_codec cimport HeaderView, ResponseView


cdef extern from "rate_limit_headers.hpp" namespace "tollhouse" nogil:
    const uint32_t MOST_HEADERS

    ctypedef enum HeaderFamily:
        pass

    cdef cppclass HeaderSettings:
        HeaderFamily family
        cbool retry_after

    cdef cppclass HeaderText:
        pass

    cdef struct ShownLimit:
        const HeaderText *text
        uint64_t remaining
        int64_t reset_ns
        int64_t retry_ns
        cbool refuses

    bint write_headers(const HeaderSettings &settings, const ShownLimit *shown, uint32_t count,
                       Arena *arena, HeaderView *out, uint32_t *written)


cdef extern from "refusal.hpp" namespace "tollhouse" nogil:
    cdef cppclass RefusalReply:
        string body
        vector[pair[string, string]] headers
        cbool has_metadata
        string metadata

    bint add_refusal(const RefusalReply &reply, Arena *arena, ResponseView *response)


# spec: a HeaderSpec.
cdef int fill_header_settings(HeaderSettings *settings, spec) except -1

# spec: a Refusal.
cdef int fill_refusal(RefusalReply *reply, spec) except -1
