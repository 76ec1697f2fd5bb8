// The slots in use of one concurrency limit, grouped by when their leases end.
//
// Time is cut into slices of a thirty-second of the lease. A slot is free again at the first border
// of slices at or after the end of its lease, so 33 groups hold any number of slots.
#pragma once
#include <algorithm>
#include <cstdint>

namespace tollhouse {

struct Slots {
    static constexpr int64_t SLICES = 32, GROUPS = SLICES + 1;

    int64_t slice_ns;
    int64_t past;             // all groups up to this border are free
    uint64_t in_use[GROUPS];  // by border number modulo GROUPS; those of past + 1 … past + GROUPS

    static int64_t slice_of(int64_t lease_ns) { return (lease_ns + SLICES - 1) / SLICES; }

    explicit Slots(int64_t lease_ns) : slice_ns(slice_of(lease_ns)), past(0), in_use{} {}

    // Frees what has ended. Threads read the clock before they lock, so it may step back a little.
    void advance(int64_t now) {
        int64_t border = now / slice_ns;
        if (border <= past) return;
        if (border - past >= GROUPS) std::fill(in_use, in_use + GROUPS, 0);
        else for (int64_t at = past + 1; at <= border; ++at) group(at) = 0;
        past = border;
    }

    uint64_t total() const {
        uint64_t sum = 0;
        for (uint64_t each : in_use)
            if (__builtin_add_overflow(sum, each, &sum)) return UINT64_MAX;
        return sum;
    }

    void take(int64_t now, int64_t lease_ns, uint64_t count) {
        add((now + lease_ns + slice_ns - 1) / slice_ns, count);
    }

    void add(int64_t border, uint64_t count) {
        uint64_t &in = group(std::clamp(border, past + 1, past + GROUPS));
        if (__builtin_add_overflow(in, count, &in)) in = UINT64_MAX;
    }

    // Frees those first that would be free first: which slot a caller returns is not known, and so
    // none is taken for free while its holder may be at work.
    void give_back(uint64_t count) {
        for (int64_t at = past + 1; count && at <= past + GROUPS; ++at) {
            uint64_t freed = std::min(count, group(at));
            group(at) -= freed;
            count -= freed;
        }
    }

    // When the last slot is free; `now` if all are.
    int64_t end(int64_t now) const {
        for (int64_t at = past + GROUPS; at > past; --at)
            if (in_use[at % GROUPS]) return at * slice_ns;
        return now;
    }

    // When at most `most` slots are in use.
    int64_t end_of_all_but(uint64_t most, int64_t now) const {
        uint64_t later = 0;
        for (int64_t at = past + GROUPS; at > past; --at)
            if (__builtin_add_overflow(later, in_use[at % GROUPS], &later) || later > most)
                return at * slice_ns;
        return now;
    }

  private:
    uint64_t &group(int64_t border) { return in_use[border % GROUPS]; }
};

}  // namespace tollhouse
