"""The throttle of failed authentications at its Python edge; see throttle.hpp."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint32_t, uint64_t

from _fastpath.counters cimport SLIDING_WINDOW, CounterTable, Quota, native_clock
from _fastpath.digest cimport Digest
from _fastpath.wire cimport TextView

from typing import NamedTuple

THROTTLED = "too many failed authentications"


class Suspects(NamedTuple):
    place: str
    source: str
    credentials: tuple


cdef TextView view_of(bytes text) noexcept:
    cdef TextView view
    view.text = PyBytes_AS_STRING(text)
    view.size = <uint32_t> PyBytes_GET_SIZE(text)
    return view


cdef int fill_window(Quota *quota, uint64_t failures, int64_t window_ns) except -1:
    quota.algorithm = SLIDING_WINDOW
    quota.max_value = failures
    quota.window_ns = window_ns if failures else 0
    quota.burst = 0
    quota.calendar = NULL
    return 0


cdef class Throttle:
    def __cinit__(
        self, CounterTable counters not None, *, uint64_t per_source=0, uint64_t per_credential=0,
        int64_t window_ns
    ):
        cdef Quota source
        cdef Quota credential
        if window_ns <= 0:
            raise ValueError(f"the window has to be longer than {window_ns} ns")
        fill_window(&source, per_source, window_ns)
        fill_window(&credential, per_credential, window_ns)
        self.counters = counters
        self.native = new NativeThrottle(counters.table, source, credential)

    def __dealloc__(self):
        del self.native

    cdef list keys_of(self, object suspects):
        """(suspect, digest as two words), of what is counted; none where nothing was tried."""
        cdef Digest key
        if not suspects.credentials:
            return []
        place = suspects.place.encode()
        found = []
        if suspects.source and self.native.counts(SUSPECT_SOURCE):
            source = suspects.source.encode("utf-8", "replace")
            key = self.native.key(SUSPECT_SOURCE, view_of(place), view_of(source))
            found.append((SUSPECT_SOURCE, key.low, key.high))
        if self.native.counts(SUSPECT_CREDENTIAL):
            for credential in suspects.credentials:
                key = self.native.key(SUSPECT_CREDENTIAL, view_of(place), view_of(credential))
                found.append((SUSPECT_CREDENTIAL, key.low, key.high))
        return found

    def blocked(self, suspects, clock):
        cdef Digest key
        cdef int64_t retry_ns
        for suspect, key.low, key.high in self.keys_of(suspects):
            retry_ns = self.native.blocked(<Suspect> <int> suspect, key, native_clock(clock))
            if retry_ns:
                name = "source" if suspect == SUSPECT_SOURCE else "credential"
                return name, (retry_ns + 999_999_999) // 1_000_000_000
        return None

    def failed(self, suspects, clock) -> None:
        cdef Digest key
        for suspect, key.low, key.high in self.keys_of(suspects):
            self.native.failed(<Suspect> <int> suspect, key, native_clock(clock))
