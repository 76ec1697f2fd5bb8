// The order in which the limits of a decision are reported.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "counters.hpp"
#include "limit_index.hpp"
#include "rls_codec.hpp"

namespace tollhouse {

// What one hit gives back at most; also the most hits of one descriptor.
constexpr uint64_t MOST_GIVEN_BACK = INT64_MAX;

// What is reported first: what refuses, what fits, shadows, what has no maximum.
inline int report_rank(const Limit &limit, const CounterHit &hit) {
    return limit.unlimited ? 3 : limit.shadow ? 2 : hit.fits;
}

// Most restrictive first; see rls.pyi. Sorts positions, so that hits and owners stay parallel.
inline void order_by_restriction(uint32_t *order, uint32_t count, const CounterHit *hits,
                                 const Limit *const *owners) {
    if (count < 2) return;
    std::sort(order, order + count, [&](uint32_t a, uint32_t b) {
        int rank = report_rank(*owners[a], hits[a]), other = report_rank(*owners[b], hits[b]);
        if (rank != other) return rank < other;
        if (!rank && owners[a]->priority != owners[b]->priority)
            return owners[a]->priority > owners[b]->priority;
        if (hits[a].remaining != hits[b].remaining) return hits[a].remaining < hits[b].remaining;
        int names = owners[a]->name.compare(owners[b]->name);
        if (names) return names < 0;
        return std::memcmp(owners[a]->digest, owners[b]->digest, DIGEST_SIZE) < 0;
    });
}

}  // namespace tollhouse
