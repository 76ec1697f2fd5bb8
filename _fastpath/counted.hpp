// Shared ownership of immutable compiled units: plans, limit sets, rules, documents.
#pragma once
#include <atomic>
#include <cstdint>

namespace tollhouse {

struct Counted {
    std::atomic<uint32_t> refs{1};
    virtual ~Counted() = default;
};

inline void retain(Counted *unit) { if (unit) unit->refs.fetch_add(1, std::memory_order_relaxed); }

// True when this was the last reference; the caller then deletes the unit, off the I/O threads.
inline bool release(Counted *unit) {
    return unit && unit->refs.fetch_sub(1, std::memory_order_acq_rel) == 1;
}

inline void drop(Counted *unit) { if (release(unit)) delete unit; }

}  // namespace tollhouse
