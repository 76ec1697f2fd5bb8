// SipHash-1-3 (Aumasson, Bernstein): a keyed hash for tables that peers can fill.
#pragma once
#include <sys/random.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace tollhouse {

struct HashKey {
    uint64_t first, second;
};

// Read once per process; without randomness there is no safe table, so the process ends.
inline const HashKey &process_hash_key() {
    static const HashKey key = [] {
        HashKey fresh;
        if (getrandom(&fresh, sizeof fresh, 0) != ssize_t(sizeof fresh)) std::abort();
        return fresh;
    }();
    return key;
}

inline uint64_t siphash(const HashKey &key, const void *data, size_t size) {
    uint64_t v0 = key.first ^ 0x736f6d6570736575u, v1 = key.second ^ 0x646f72616e646f6du;
    uint64_t v2 = key.first ^ 0x6c7967656e657261u, v3 = key.second ^ 0x7465646279746573u;
    auto rotate = [](uint64_t x, int by) { return x << by | x >> (64 - by); };
    auto round = [&] {
        v0 += v1; v1 = rotate(v1, 13); v1 ^= v0; v0 = rotate(v0, 32);
        v2 += v3; v3 = rotate(v3, 16); v3 ^= v2;
        v0 += v3; v3 = rotate(v3, 21); v3 ^= v0;
        v2 += v1; v1 = rotate(v1, 17); v1 ^= v2; v2 = rotate(v2, 32);
    };
    const char *at = static_cast<const char *>(data);
    uint64_t last = uint64_t(size) << 56, word;
    for (; size >= 8; size -= 8, at += 8) {
        std::memcpy(&word, at, 8);
        v3 ^= word;
        round();
        v0 ^= word;
    }
    for (size_t i = 0; i < size; ++i) last |= uint64_t(uint8_t(at[i])) << (8 * i);
    v3 ^= last;
    round();
    v0 ^= last;
    v2 ^= 0xff;
    round();
    round();
    round();
    return v0 ^ v1 ^ v2 ^ v3;
}

}  // namespace tollhouse
