"""The metric type of counters whose established name has no `_total`."""


class _VerbatimType(str):
    """Prints as its text but equals nothing, so that a renderer leaves the metric's name alone.

    prometheus_client adds `_total` to the name of every metric whose type equals "counter".
    """

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return False


VERBATIM_COUNTER = _VerbatimType("counter")
