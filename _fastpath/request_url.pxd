from libc.stdint cimport uint32_t

from _fastpath.arena cimport Arena
from _fastpath.wire cimport TextView


cdef struct UrlView:
    bint refused        # net/url would refuse it: path and query are then undecoded cuts
    TextView path
    TextView query


cdef bint split_url(TextView raw, Arena *arena, UrlView *url) noexcept nogil
cdef bint unescape(TextView escaped, bint plus, char *into, uint32_t *size) noexcept nogil
