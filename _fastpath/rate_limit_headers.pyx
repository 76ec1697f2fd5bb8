"""What answers tell a client, from Python: see rate_limit_headers.hpp and refusal.hpp."""

from libcpp.string cimport string
from libcpp.utility cimport pair


cdef int fill_header_settings(HeaderSettings *settings, spec) except -1:
    settings.family = <HeaderFamily> <int> spec.family
    settings.retry_after = spec.retry_after
    return 0


cdef int fill_refusal(RefusalReply *reply, spec) except -1:
    reply.body = spec.body
    reply.has_metadata = spec.metadata is not None
    reply.metadata = spec.metadata or b""
    cdef string name, value
    for pair_of in spec.headers:
        name, value = pair_of[0].encode(), pair_of[1].encode()
        reply.headers.push_back(pair[string, string](name, value))
    return 0
