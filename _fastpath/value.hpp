// The value of native programs: the full CEL/JSON set in 16 bytes.
//
// A Value never owns memory. Text, items and entries point into a request, an Arena or a Document
// that outlives it. Maps whose keys are all strings and sorted by bytes carry SORTED.
#pragma once
#include <cstdint>
#include <cstring>

namespace tollhouse {

enum Kind : uint8_t {
    NULL_VALUE = 0,
    BOOL = 1,
    INT = 2,
    UINT = 3,
    DOUBLE = 4,
    STRING = 5,
    BYTES = 6,
    LIST = 7,
    MAP = 8,
    ABSENT = 9,  // an optional without value; never inside a document
    ERROR = 10,  // a CEL error; `code` tells which
};

enum ValueFlag : uint8_t { SORTED = 1 };

enum ErrorCode : uint16_t {
    NO_ERROR = 0,
    NO_SUCH_KEY = 1,
    NO_SUCH_FIELD = 2,
    INDEX_OUT_OF_RANGE = 3,
    NO_MATCHING_OVERLOAD = 4,
    OVERFLOW_ERROR = 5,
    DIVIDE_BY_ZERO = 6,
    BAD_CONVERSION = 7,
    BUDGET_EXCEEDED = 8,
    UNKNOWN_VARIABLE = 9,
    BAD_PATTERN = 10,
    OUT_OF_MEMORY = 11,
    OTHER_ERROR = 99,
};

struct Entry;

struct Value {
    Kind kind;
    uint8_t flags;
    uint16_t code;  // ErrorCode of an ERROR
    uint32_t size;  // bytes of text, items of a list, entries of a map
    union {
        bool boolean;
        int64_t integer;
        uint64_t natural;
        double number;
        const char *text;
        const Value *items;
        const Entry *entries;
    };
};

struct Entry {
    Value key;
    Value value;
};

inline Value null_value() { Value v{}; v.kind = NULL_VALUE; return v; }
inline Value absent_value() { Value v{}; v.kind = ABSENT; return v; }
inline Value error_value(ErrorCode code) { Value v{}; v.kind = ERROR; v.code = code; return v; }
inline Value bool_value(bool b) { Value v{}; v.kind = BOOL; v.boolean = b; return v; }
inline Value int_value(int64_t i) { Value v{}; v.kind = INT; v.integer = i; return v; }
inline Value uint_value(uint64_t u) { Value v{}; v.kind = UINT; v.natural = u; return v; }
inline Value double_value(double d) { Value v{}; v.kind = DOUBLE; v.number = d; return v; }
inline Value string_value(const char *text, uint32_t size) {
    Value v{}; v.kind = STRING; v.size = size; v.text = text; return v;
}
inline Value bytes_value(const char *text, uint32_t size) {
    Value v{}; v.kind = BYTES; v.size = size; v.text = text; return v;
}
inline Value list_value(const Value *items, uint32_t size) {
    Value v{}; v.kind = LIST; v.size = size; v.items = items; return v;
}
inline Value map_value(const Entry *entries, uint32_t size, bool sorted) {
    Value v{}; v.kind = MAP; v.flags = sorted ? SORTED : 0; v.size = size; v.entries = entries; return v;
}

inline int compare_text(const char *a, uint32_t n, const char *b, uint32_t m) {
    int order = n && m ? std::memcmp(a, b, n < m ? n : m) : 0;
    return order ? order : (n < m ? -1 : n > m);
}

// The value under a string key, or nullptr. Of a repeated key in an unsorted map the last wins.
inline const Value *map_get(const Value &map, const char *key, uint32_t size) {
    if ((map.flags & SORTED) && map.size > 8) {
        uint32_t low = 0, high = map.size;
        while (low < high) {
            uint32_t middle = (low + high) / 2;
            const Value &k = map.entries[middle].key;
            int order = compare_text(k.text, k.size, key, size);
            if (order == 0) return &map.entries[middle].value;
            if (order < 0) low = middle + 1; else high = middle;
        }
        return nullptr;
    }
    for (uint32_t i = map.size; i-- > 0;) {
        const Value &k = map.entries[i].key;
        if (k.kind == STRING && k.size == size && std::memcmp(k.text, key, size) == 0)
            return &map.entries[i].value;
    }
    return nullptr;
}

}  // namespace tollhouse
