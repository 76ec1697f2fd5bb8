"""Regular expressions of the full lane, by the same library as the fast lane's."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libcpp.string cimport string


cdef extern from "<re2/re2.h>" namespace "re2" nogil:
    cdef cppclass StringPiece:
        StringPiece(const char *text, size_t size)

    cdef cppclass Options "re2::RE2::Options":
        Options()
        void set_log_errors(bint log)

    cdef cppclass RE2:
        RE2(const StringPiece &pattern, const Options &options) except +
        bint ok()
        const string &error()

    bint PartialMatch "re2::RE2::PartialMatch"(const StringPiece &text, const RE2 &pattern)


cdef class Regex:
    """An RE2 regular expression; see regex.pyi."""
    cdef RE2 *compiled

    def __init__(self, str pattern):
        cdef bytes raw = pattern.encode()
        cdef Options options
        if self.compiled != NULL:
            raise ValueError("a regular expression is compiled once")
        options.set_log_errors(False)
        self.compiled = new RE2(
            StringPiece(PyBytes_AS_STRING(raw), <size_t> PyBytes_GET_SIZE(raw)), options)
        if not self.compiled.ok():
            raise ValueError(self.compiled.error().decode("utf-8", "replace"))

    def __dealloc__(self):
        del self.compiled

    def search(self, str text):
        """See regex.pyi."""
        cdef bytes raw = text.encode()
        return bool(PartialMatch(
            StringPiece(PyBytes_AS_STRING(raw), <size_t> PyBytes_GET_SIZE(raw)), self.compiled[0]))
