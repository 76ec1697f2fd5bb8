"""Event counters written by native threads and read by the metrics collector."""


cdef class Series:
    """Maps a series key (any hashable) to its id and sums its cells."""

    def __cinit__(self, uint32_t threads):
        self.cells = new Cells(threads + 1)
        self.ids = {}

    def __dealloc__(self):
        del self.cells

    def id(self, key) -> int:
        """The id of this key, the same for the life of the process."""
        number = self.ids.get(key)
        if number is None:
            number = self.next_id
            self.next_id += 1
            self.ids[key] = number
        return number

    def add(self, uint32_t thread, uint32_t series, uint64_t amount):
        """Count from Python: `thread` is the interpreter's row, written under the GIL."""
        self.cells.add(thread, series, amount)

    def totals(self) -> dict:
        """Every key with its sum; cells are read without stopping their writers. Any thread."""
        return {key: self.cells.sum(number) for key, number in self.ids.copy().items()}
