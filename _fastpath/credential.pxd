from libc.stdint cimport uint32_t

from _fastpath.attributes cimport Facts
from _fastpath.wire cimport TextView


# Numbers of rule_spec.Place.
cdef enum Place:
    AUTHORIZATION_HEADER = 0
    CUSTOM_HEADER = 1
    QUERY_STRING = 2
    COOKIE = 3
    PEER_CERTIFICATE = 4
    CERTIFICATE_HEADER = 5


cdef bint find_credential(
    Facts *facts, int place, TextView name, TextView *credential
) noexcept nogil
