// What the counter table keeps per counter, and what a decision asks and hears of one.
#pragma once
#include <algorithm>
#include <cstdint>

#include "clock.hpp"
#include "quota.hpp"
#include "slots.hpp"

namespace tollhouse {

constexpr int64_t NEVER = INT64_MAX;

// Windows of a sliding window, a bucket or a lease are cut here, at 73 years, so that twice a window
// is a time and an amount times a window fits 128 bits.
constexpr int64_t LONGEST_WINDOW = (int64_t(1) << 61) / 1000000 * 1000000;

inline int64_t cut_window(const Quota &quota) {
    return std::max<int64_t>(0, std::min(quota.window_ns, LONGEST_WINDOW));
}

inline uint64_t add_saturating(uint64_t a, uint64_t b) {
    uint64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

inline int64_t later(int64_t time, int64_t by) {
    int64_t sum;
    return __builtin_add_overflow(time, by, &sum) ? INT64_MAX : sum;
}

inline uint64_t less(uint64_t a, uint64_t b) { return a > b ? a - b : 0; }

// The state of one counter. Its algorithm says how to read the rest:
//
// |                  | value                 | expires_ns         | extra                        |
// | FIXED_WINDOW     | hits in the window    | its end            |                              |
// | ALIGNED, CALENDAR| hits in the window    | see below          | its end by CLOCK_REALTIME    |
// | SLIDING_WINDOW   | hits in the window    | nothing counts     | hits in the window before    |
// | TOKEN_BUCKET     | ns to take off        | the bucket is full | divisor of `value`           |
// | CONCURRENCY      |                       | last slot is free  | Slots *                      |
//
// expires_ns is CLOCK_MONOTONIC. A window of the wall clock has both ends: the first says when it is
// over, and should that clock be set back behind its start, the second limits how much longer it
// lasts. TOKEN_BUCKET is full value/extra ns before expires_ns, so expires_ns is rounded up.
struct CounterState {
    uint64_t algorithm : 8;
    uint64_t changed : 8;  // since CounterTable::changed last passed
    uint64_t window_ms : 48;
    uint64_t value;
    int64_t expires_ns;
    uint64_t extra;

    int64_t window_ns() const { return window_of(window_ms); }
    void set_window(int64_t ns) { window_ms = uint64_t(ns) / 1000000 + (ns % 1000000 != 0); }
    static int64_t window_of(uint64_t ms) {
        return int64_t(std::min<uint64_t>(ms, INT64_MAX / 1000000)) * 1000000;
    }

    bool by_wall_clock() const {
        return algorithm == ALIGNED_WINDOW || algorithm == CALENDAR_WINDOW;
    }
    int64_t wall_end() const { return int64_t(extra); }
    bool wall_clock_went_back(Clock clock) const {
        return clock.wall_ns < wall_end() - window_ns();
    }
    Slots *slots() const {
        return algorithm == CONCURRENCY ? reinterpret_cast<Slots *>(extra) : nullptr;
    }

    // Whether the counter counts: without, it is as good as absent.
    bool live(Clock clock) const {
        if (!by_wall_clock()) return expires_ns > clock.mono_ns;
        return wall_end() > clock.wall_ns &&
               (!wall_clock_went_back(clock) || expires_ns > clock.mono_ns);
    }

    // Time until it may be forgotten; at most 0 when it may be at once.
    int64_t left(Clock clock) const {
        int64_t left = expires_ns - clock.mono_ns;
        return by_wall_clock() ? std::max(left, wall_end() - clock.wall_ns) : left;
    }

    // Time left in a live window.
    int64_t rest(Clock clock) const {
        return by_wall_clock() && !wall_clock_went_back(clock) ? wall_end() - clock.wall_ns
                                                               : expires_ns - clock.mono_ns;
    }
};
static_assert(sizeof(CounterState) == 32);

struct Counter;

// One counter of a decision.
struct CounterHit {
    const char *key;  // as Counter::key
    uint32_t key_size;
    const Quota *quota;
    uint64_t amount;
    bool give_back;
    bool binding;        // a hit that is not never makes the decision refuse
    bool always;         // charged also when the decision refuses
    bool fits;           // out: value + amount <= max_value
    uint64_t remaining;  // out, see counters.pyi
    int64_t reset_ns;    // out
    int64_t retry_ns;    // out
    uint64_t hash;       // the table's own from here on
    uint64_t after;      // what the value becomes
    Counter *counter;
    bool live;           // the counter is there and counts
    bool charged;
    bool created;

    // Only a charge begins to count.
    bool opens() const {
        return charged && !live && amount && !give_back &&
               (quota->window_ns > 0 || quota->algorithm == CALENDAR_WINDOW) &&
               (quota->max_value || quota->algorithm != TOKEN_BUCKET);
    }
};

// Fills fits, after, remaining and retry_ns from what counts at present; `look`: nothing will be
// charged, so the answer shows what is left as it stands. reset_ns is until `capacity` is free.
inline void answer(CounterHit *hit, uint64_t value, uint64_t capacity, bool look) {
    if (hit->give_back) {
        hit->after = less(value, hit->amount);
        hit->fits = true;
    } else {
        hit->after = add_saturating(value, hit->amount);
        hit->fits = hit->amount <= capacity && value <= capacity - hit->amount;
    }
    bool before = look || (hit->always && !hit->fits);
    hit->remaining = less(capacity, before ? value : hit->after);
    hit->retry_ns = hit->fits ? 0 : hit->amount > capacity ? NEVER : hit->reset_ns;
}

}  // namespace tollhouse
