from libc.stdint cimport uint32_t
from libcpp.string cimport string

from _fastpath.arena cimport Arena
from _fastpath.counted cimport Counted
from _fastpath.handler cimport Unit
from _fastpath.wire cimport TextView


cdef extern from "<string_view>" namespace "std" nogil:
    cdef cppclass string_view:
        string_view()
        string_view(const char *text, size_t size)


cdef extern from "host_index.hpp" namespace "tollhouse" nogil:
    cdef cppclass HostOwner(Counted):
        HostOwner() except +
        string id
        string reason
        bint refused

    cdef cppclass Hosts "tollhouse::HostIndex"(Counted):
        Hosts() except +
        Hosts(const Hosts &other) except +
        size_t size()
        void put(string_view pattern, HostOwner *owner) except +
        void remove(string_view pattern) except +
        HostOwner *find(string_view host, string_view without_port)


# A host in the form that patterns have, and its part before a port.
cdef struct HostName:
    TextView whole
    TextView without_port


cdef bint normalize(TextView host, Arena *arena, HostName *name) noexcept nogil
cdef HostOwner *find_owner(const Hosts *hosts, const HostName *name) noexcept nogil


cdef class Owner(Unit):
    pass


cdef class HostIndex(Unit):
    pass
