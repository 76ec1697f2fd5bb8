// How variable values are written into the key of a counter, behind the digest of its limit.
#pragma once
#include <cstdint>
#include <cstring>

#include "siphash.hpp"

namespace tollhouse {

// A value of more than 1024 bytes is kept as its beginning and a digest, so that no peer can make one
// counter take megabytes; it still has a counter of its own, the same one after a restart.
constexpr uint32_t LONGEST_VALUE = 1024, KEPT_OF_LONG_VALUE = 960;

inline uint32_t kept_of_value(const char *text, uint32_t size) {
    if (size <= LONGEST_VALUE) return size;
    uint32_t kept = KEPT_OF_LONG_VALUE;
    while (kept && (text[kept] & 0xc0) == 0x80) --kept;  // not inside a character
    return kept;
}

// Bytes that write_key_value takes for this value.
inline uint32_t key_value_size(const char *text, uint32_t size) {
    return 4 + kept_of_value(text, size) + (size > LONGEST_VALUE ? 33 : 0);
}

inline char *write_key_value(char *to, const char *text, uint32_t size) {
    uint32_t kept = kept_of_value(text, size), written = key_value_size(text, size) - 4;
    std::memcpy(to, &written, 4);
    if (kept) std::memcpy(to + 4, text, kept);
    to += 4 + kept;
    if (size <= LONGEST_VALUE) return to;
    HashKey key{0, 0};
    *to++ = '#';
    for (int half = 0; half < 2; ++half, ++key.first) {
        uint64_t digest = siphash(key, text, size);
        for (int i = 0; i < 16; ++i, digest >>= 4) *to++ = "0123456789abcdef"[digest & 15];
    }
    return to;
}

}  // namespace tollhouse
