// Parts of a rate limit decision that are plain data work: order and unknown domains.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <string>
#include <vector>

#include "counters.hpp"
#include "limit_index.hpp"
#include "rls_codec.hpp"
#include "siphash.hpp"

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

// Series of domains without limits. Peers choose these names, so there are at most `bound` of them
// and none is longer than 255 bytes; all others share the last place. Any thread may ask.
class UnknownDomains {
  public:
    static constexpr uint32_t LONGEST = 255;

    // ids: three series (calls, hits, reports) per place, bound + 1 places.
    UnknownDomains(uint32_t bound, std::vector<uint32_t> ids)
        : bound_(bound), ids_(std::move(ids)) {
        size_t slots = 8;
        while (slots < 2 * size_t(bound)) slots *= 2;
        slots_.assign(slots, {0, 0});
        names_.reserve(bound);
    }

    // The three series of this domain.
    const uint32_t *series(TextView domain) {
        if (domain.size > LONGEST) return &ids_[3 * bound_];
        uint64_t hash = siphash(process_hash_key(), domain.text, domain.size);
        size_t mask = slots_.size() - 1, at = hash & mask;
        std::lock_guard<std::mutex> hold(lock_);
        for (; slots_[at].place; at = (at + 1) & mask) {
            const std::string &name = names_[slots_[at].place - 1];
            if (slots_[at].hash == hash && name.size() == domain.size &&
                !std::memcmp(name.data(), domain.text, domain.size))
                return &ids_[3 * (slots_[at].place - 1)];
        }
        if (names_.size() >= bound_) return &ids_[3 * bound_];
        names_.emplace_back(domain.text, domain.size);
        slots_[at] = {hash, uint32_t(names_.size())};
        return &ids_[3 * (names_.size() - 1)];
    }

    std::vector<std::string> names() {
        std::lock_guard<std::mutex> hold(lock_);
        return names_;
    }

  private:
    struct Slot {
        uint64_t hash;
        uint32_t place;  // 0: empty; else one more than the index of the name
    };

    uint32_t bound_;
    std::vector<uint32_t> ids_;
    std::vector<Slot> slots_;
    std::vector<std::string> names_;
    std::mutex lock_;
};

}  // namespace tollhouse
