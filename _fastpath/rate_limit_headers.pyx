"""Header settings from Python; the writing itself is rate_limit_headers.hpp."""


cdef int fill_header_settings(HeaderSettings *settings, spec) except -1:
    settings.family = <HeaderFamily> <int> spec.family
    settings.retry_after = spec.retry_after
    for i in range(3):
        settings.names[i] = spec.names[i].encode()
    return 0
