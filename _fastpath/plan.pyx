"""The published plan of one process: native parts are handed over as counted pointers."""

from _fastpath.counted cimport Counted, retain
from _fastpath.handler cimport Unit


cdef class Plans:
    """Holds the current plan for `threads` I/O threads and the interpreter.

    `publish` may be called from any Python thread; readers see either the old or the new plan.
    """

    def __cinit__(self, uint32_t threads):
        self.threads = threads
        self.store = new PlanStore(threads + 1)

    def __dealloc__(self):
        del self.store

    def publish(self, Unit limits, Unit hosts, Unit labels=None) -> int:
        """Swap in new parts (None = nothing of that kind); returns the generation."""
        cdef Counted *first = limits.pointer if limits is not None else NULL
        cdef Counted *second = hosts.pointer if hosts is not None else NULL
        cdef Counted *third = labels.pointer if labels is not None else NULL
        retain(first)
        retain(second)
        retain(third)
        generation = self.store.publish(first, second, third)
        self.store.read(self.threads)
        self.store.collect()
        return generation

    def collect(self):
        """Free retired plans; call now and then from Python."""
        self.store.collect()

    @property
    def generation(self) -> int:
        return self.store.generation()
