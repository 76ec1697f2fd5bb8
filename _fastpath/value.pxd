from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t


cdef extern from "value.hpp" namespace "tollhouse" nogil:
    cdef enum Kind:
        NULL_VALUE, BOOL, INT, UINT, DOUBLE, STRING, BYTES, LIST, MAP, ABSENT, ERROR

    cdef enum ValueFlag:
        SORTED

    cdef enum ErrorCode:
        NO_ERROR, NO_SUCH_KEY, NO_SUCH_FIELD, INDEX_OUT_OF_RANGE, NO_MATCHING_OVERLOAD
        OVERFLOW_ERROR, DIVIDE_BY_ZERO, BAD_CONVERSION, BUDGET_EXCEEDED, UNKNOWN_VARIABLE
        BAD_PATTERN, OUT_OF_MEMORY, OTHER_ERROR

    cdef struct Value:
        Kind kind
        uint8_t flags
        uint16_t code
        uint32_t size
        bint boolean
        int64_t integer
        uint64_t natural
        double number
        const char *text
        const Value *items
        const Entry *entries

    cdef struct Entry:
        Value key
        Value value

    Value null_value()
    Value absent_value()
    Value error_value(ErrorCode code)
    Value bool_value(bint b)
    Value int_value(int64_t i)
    Value uint_value(uint64_t u)
    Value double_value(double d)
    Value string_value(const char *text, uint32_t size)
    Value bytes_value(const char *text, uint32_t size)
    Value list_value(const Value *items, uint32_t size)
    Value map_value(const Entry *entries, uint32_t size, bint sorted)
    int compare_text(const char *a, uint32_t n, const char *b, uint32_t m)
    const Value *map_get(const Value &map, const char *key, uint32_t size)
