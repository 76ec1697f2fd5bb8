from _fastpath.handler import Unit

class Uint(int):
    """Marks a Python integer that becomes a CEL uint instead of an int."""

class NativeDocument(Unit):
    """An immutable copy of plain Python data, readable without the interpreter lock."""

    def __init__(self, value: object, *, numbers_as_double: bool = False) -> None:
        """Copy dict, list, str, bytes, bytearray, int, float, bool and None.

        Maps whose keys are all str are sorted by the bytes of their keys; other keys may be int and
        bool. Integers above int64 become uint. `numbers_as_double` turns every integer into a
        double, as JSON's numbers are in ext_authz. Raises ValueError for other types, integers past
        64 bits, lone surrogates, more than 128 levels and more than 1 GiB.
        """

    def to_python(self) -> object:
        """A copy as plain Python; both integer kinds as int, maps in the order of the document."""
