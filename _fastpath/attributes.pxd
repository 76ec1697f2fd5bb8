from libc.stdint cimport uint32_t

from _fastpath.arena cimport Arena
from _fastpath.check_view cimport CheckView, Pieces
from _fastpath.handler cimport Clock
from _fastpath.request_url cimport UrlView
from _fastpath.value cimport Entry, Value


# Slots of the roots of AUTHZ programs.
cdef enum Root:
    ROOT_REQUEST = 0
    ROOT_SOURCE = 1
    ROOT_DESTINATION = 2
    ROOT_METADATA = 3
    ROOT_AUTH = 4
    ROOT_CONTEXT = 5
    ROOTS = 6


# What expressions may read of one request. Roots are built when first asked for.
cdef struct Facts:
    CheckView *view
    Arena *arena
    Clock clock
    uint32_t built          # bit per root
    Value roots[6]
    bint url_split
    UrlView url


# Entries of a map under construction; the caller puts keys in ascending order of bytes.
cdef struct Fields:
    Entry *entries
    uint32_t count


cdef void begin_facts(Facts *facts, CheckView *view, Clock clock) noexcept nogil
cdef Value attribute_root(Facts *facts, uint32_t slot) noexcept nogil
cdef const UrlView *request_url(Facts *facts) noexcept nogil
cdef uint32_t sort_entries(Entry *entries, uint32_t count) noexcept nogil
cdef Value struct_value(const Pieces *pieces, Arena *arena, int depth) noexcept nogil
cdef bint open_fields(Fields *fields, uint32_t room, Arena *arena) noexcept nogil
cdef void put(Fields *fields, const char *name, uint32_t size, Value value) noexcept nogil
cdef Value close_fields(const Fields *fields) noexcept nogil
