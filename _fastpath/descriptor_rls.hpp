// Parts of a decision over descriptors that are plain data work: turns, units, numbers.
#pragma once
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>

#include "arena.hpp"
#include "counters.hpp"
#include "descriptor_tree.hpp"

namespace tollhouse {

// One descriptor of a request.
struct CountedDescriptor {
    const LimitFacts *facts;  // of the limit that counts; null where none does
    const uint32_t *series;
    CounterHit hit;
    uint32_t turn;  // how many before it name the same counter
    bool unlimited;
};

// Numbers the descriptors that name the same counter, so that it is charged by them in turn; gives
// how many turns there are. False when the arena is exhausted.
inline bool take_turns(CountedDescriptor *counted, uint32_t count, Arena *arena, uint32_t *turns) {
    *turns = 0;
    uint32_t *order = static_cast<uint32_t *>(arena->take(count * sizeof(uint32_t)));
    if (!order) return false;
    uint32_t counting = 0;
    for (uint32_t i = 0; i < count; ++i)
        if (counted[i].facts) order[counting++] = i;
    auto compare = [&](uint32_t a, uint32_t b) {
        const CounterHit &x = counted[a].hit, &y = counted[b].hit;
        if (x.key_size != y.key_size) return x.key_size < y.key_size ? -1 : 1;
        return std::memcmp(x.key, y.key, x.key_size);
    };
    if (counting) *turns = 1;
    if (counting < 2) return true;
    std::sort(order, order + counting, [&](uint32_t a, uint32_t b) {
        int by_key = compare(a, b);
        return by_key ? by_key < 0 : a < b;
    });
    for (uint32_t i = 1; i < counting; ++i) {
        if (compare(order[i - 1], order[i])) continue;
        counted[order[i]].turn = counted[order[i - 1]].turn + 1;
        *turns = std::max(*turns, counted[order[i]].turn + 1);
    }
    return true;
}

// Of envoy.type.v3.RateLimitUnit; 0 for a number that is none.
inline int64_t window_of_unit(int32_t unit) {
    static const int64_t SECONDS[] = {0, 1, 60, 3600, 86400, 2592000, 31536000, 604800};
    return unit < 0 || unit > 7 ? 0 : SECONDS[unit] * NANOSECONDS;
}

inline bool whole_number(uint64_t number, Arena *arena, TextView *out) {
    char *text = static_cast<char *>(arena->take(20));
    if (!text) return false;
    out->text = text;
    out->size = uint32_t(std::to_chars(text, text + 20, number).ptr - text);
    return true;
}

}  // namespace tollhouse
