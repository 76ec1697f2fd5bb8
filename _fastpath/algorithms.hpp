// How each algorithm weighs a hit against the state of its counter, and charges it.
//
// All of it is exact integer arithmetic: products of an amount and a time take 128 bits, quotients
// are rounded once, in the direction that admits less. A state that is not live is never read.
// docs/algorithms.md shows every algorithm by a worked timeline.
#pragma once
#include "calendar.hpp"
#include "counter_state.hpp"

namespace tollhouse {

using Wide = unsigned __int128;

// Fixed, aligned and calendar windows: hits are counted from the start of a window to its end.
namespace windows {

inline WallWindow wall_window(const Quota &quota, int64_t wall_ns) {
    if (quota.algorithm == CALENDAR_WINDOW) return quota.calendar->window(wall_ns);
    int64_t start = floor_divide(wall_ns, quota.window_ns) * quota.window_ns;
    return {start, later(start, quota.window_ns)};
}

inline int64_t whole_window(const Quota &quota, Clock clock) {
    if (quota.algorithm == FIXED_WINDOW || (quota.window_ns <= 0 && !quota.calendar))
        return quota.window_ns;
    return wall_window(quota, clock.wall_ns).end_ns - clock.wall_ns;
}

inline void weigh(CounterHit *hit, const CounterState *state, Clock clock, bool look) {
    hit->reset_ns = state ? state->rest(clock) : whole_window(*hit->quota, clock);
    answer(hit, state ? state->value : 0, hit->quota->max_value, look);
}

inline void charge(const CounterHit &hit, CounterState *state, Clock clock) {
    state->value = hit.after;
    if (hit.live) return;
    const Quota &quota = *hit.quota;
    if (quota.algorithm == FIXED_WINDOW) {
        state->set_window(quota.window_ns);
        state->expires_ns = later(clock.mono_ns, quota.window_ns);
        return;
    }
    WallWindow window = wall_window(quota, clock.wall_ns);
    state->set_window(window.end_ns - window.start_ns);
    state->extra = uint64_t(window.end_ns);
    state->expires_ns = later(clock.mono_ns, window.end_ns - clock.wall_ns);
}

}  // namespace windows

// A sliding window counter: the window before counts by the part of it that a window ending now
// would still cover. Windows follow each other while something counts.
struct SlidingWindow {
    int64_t length, start;
    uint64_t before = 0, now = 0;  // hits in the window before and in the running one

    SlidingWindow(const CounterState *state, int64_t length, Clock clock)
        : length(length), start(clock.mono_ns) {
        if (!state) return;
        before = state->extra;
        now = state->value;
        start = state->expires_ns - (now ? 2 * length : length);
        if (clock.mono_ns - start >= length) {
            start += length;
            before = now;
            now = 0;
        }
    }

    int64_t elapsed(Clock clock) const { return std::max<int64_t>(0, clock.mono_ns - start); }

    uint64_t weight(Clock clock) const {
        return add_saturating(uint64_t(Wide(before) * Wide(length - elapsed(clock)) / length), now);
    }

    // Time until at most `most` count. That many of `count` hits may remain while no more than
    // `reach` of their window is covered: the largest whose weight still rounds down to `most`.
    int64_t until(uint64_t most, Clock clock) const {
        int64_t left = length - elapsed(clock);
        auto reach = [this](uint64_t count, uint64_t remain, int64_t longest) {
            Wide reach = ((Wide(remain) + 1) * Wide(length) - 1) / count;
            return reach < Wide(longest) ? int64_t(reach) : longest;
        };
        if (now > most) return left + length - reach(now, most, length);
        return before ? left - reach(before, most - now, left) : 0;
    }

    void apply(const CounterHit &hit) {
        if (hit.give_back) {
            before = less(before, less(hit.amount, now));
            now = less(now, hit.amount);
        } else {
            now = add_saturating(now, hit.amount);
        }
    }

    void write(CounterState *state, Clock clock) const {
        state->set_window(length);
        state->value = now;
        state->extra = before;
        state->expires_ns = now ? start + 2 * length : before ? start + length : clock.mono_ns;
    }

    static void weigh(CounterHit *hit, const CounterState *state, Clock clock, bool look) {
        SlidingWindow window(state, cut_window(*hit->quota), clock);
        hit->reset_ns = window.length - window.elapsed(clock);
        uint64_t weight = window.length ? window.weight(clock) : 0, most = hit->quota->max_value;
        answer(hit, weight, most, look);
        if (!hit->fits && hit->amount <= most)
            hit->retry_ns = window.until(most - hit->amount, clock);
        if (hit->give_back && !look && window.length) {
            window.apply(*hit);
            hit->remaining = less(most, window.weight(clock));
        }
    }

    static void charge(const CounterHit &hit, CounterState *state, Clock clock) {
        SlidingWindow window(hit.live ? state : nullptr, cut_window(*hit.quota), clock);
        window.apply(hit);
        window.write(state, clock);
    }
};

// GCRA. What was taken and has not flowed back is a time: how long the bucket needs to be full. It
// is counted in parts of 1/max_value ns, so that a token is exactly window_ns of them.
struct TokenBucket {
    uint64_t rate;  // max_value: tokens per window, and parts per ns
    Wide token;     // parts of one token
    Wide debt = 0;  // parts that are missing

    TokenBucket(const CounterState *state, uint64_t rate, int64_t window_ns, Clock clock)
        : rate(rate), token(Wide(window_ns)) {
        if (!state || !rate) return;
        // A new rate keeps the time.
        Wide over = state->extra == rate ? state->value : Wide(state->value) * rate / state->extra;
        debt = Wide(state->expires_ns - clock.mono_ns) * rate - over;
    }

    uint64_t tokens(Wide parts) const { return token ? uint64_t(parts / token) : 0; }

    int64_t time(Wide parts) const {
        Wide time = rate ? (parts + (rate - 1)) / rate : 0;
        return time > Wide(NEVER) ? NEVER : int64_t(time);
    }

    void write(CounterState *state, int64_t window_ns, Clock clock) const {
        int64_t full = time(debt);
        state->set_window(window_ns);
        state->expires_ns = later(clock.mono_ns, full);
        state->value = state->expires_ns == NEVER ? 0 : uint64_t(Wide(full) * rate - debt);
        state->extra = rate;
    }

    static uint64_t capacity(const Quota &quota) {
        return !quota.max_value ? 0 : quota.burst ? quota.burst : quota.max_value;
    }

    static void weigh(CounterHit *hit, const CounterState *state, Clock clock, bool look) {
        const Quota &quota = *hit->quota;
        TokenBucket bucket(state, quota.max_value, cut_window(quota), clock);
        uint64_t most = capacity(quota);
        Wide room = most * bucket.token, taken = hit->amount * bucket.token;
        Wide after = hit->give_back ? bucket.debt - std::min(bucket.debt, taken)
                                    : bucket.debt + taken;
        hit->fits = hit->give_back || (hit->amount <= most && after <= room);
        bool before = look || (hit->always && !hit->fits);
        Wide shown = before ? bucket.debt : after;
        if (bucket.token) hit->remaining = shown < room ? bucket.tokens(room - shown) : 0;
        else hit->remaining = before || hit->give_back ? most : less(most, hit->amount);
        hit->reset_ns = bucket.time(look || !hit->fits ? bucket.debt : after);
        hit->retry_ns = hit->fits ? 0 : hit->amount > most ? NEVER : bucket.time(after - room);
    }

    static void charge(const CounterHit &hit, CounterState *state, Clock clock) {
        const Quota &quota = *hit.quota;
        TokenBucket bucket(hit.live ? state : nullptr, quota.max_value, cut_window(quota), clock);
        Wide taken = hit.amount * bucket.token;
        if (hit.give_back) bucket.debt -= std::min(bucket.debt, taken);
        else bucket.debt += taken;
        bucket.write(state, cut_window(quota), clock);
    }

    // What a listing shows: tokens that are missing, a begun one included.
    static uint64_t missing(const CounterState &state, Clock clock) {
        TokenBucket bucket(&state, state.extra, state.window_ns(), clock);
        return bucket.tokens(bucket.debt + (bucket.token - 1));
    }
};

// Slots in use at a time; the state has its Slots whenever one of these is called.
namespace concurrency {

inline void weigh(CounterHit *hit, const CounterState *state, Clock clock, bool look) {
    Slots *slots = state ? state->slots() : nullptr;
    if (slots) slots->advance(clock.mono_ns);
    uint64_t most = hit->quota->max_value;
    hit->reset_ns = slots ? slots->end(clock.mono_ns) - clock.mono_ns : cut_window(*hit->quota);
    answer(hit, slots ? slots->total() : 0, most, look);
    if (!hit->fits && slots && hit->amount <= most)
        hit->retry_ns = slots->end_of_all_but(most - hit->amount, clock.mono_ns) - clock.mono_ns;
}

inline void charge(const CounterHit &hit, CounterState *state, Clock clock) {
    Slots *slots = state->slots();
    slots->advance(clock.mono_ns);
    if (hit.give_back) slots->give_back(hit.amount);
    else slots->take(clock.mono_ns, cut_window(*hit.quota), hit.amount);
    state->set_window(cut_window(*hit.quota));
    state->expires_ns = slots->end(clock.mono_ns);
}

}  // namespace concurrency

// What the counter says to the hit; `state` is null when it does not count.
inline void weigh(CounterHit *hit, const CounterState *state, Clock clock, bool look) {
    switch (hit->quota->algorithm) {
    case SLIDING_WINDOW: return SlidingWindow::weigh(hit, state, clock, look);
    case TOKEN_BUCKET: return TokenBucket::weigh(hit, state, clock, look);
    case CONCURRENCY: return concurrency::weigh(hit, state, clock, look);
    default: return windows::weigh(hit, state, clock, look);
    }
}

// Charges a hit that was weighed with the same clock.
inline void charge(const CounterHit &hit, CounterState *state, Clock clock) {
    state->changed = 1;
    switch (hit.quota->algorithm) {
    case SLIDING_WINDOW: return SlidingWindow::charge(hit, state, clock);
    case TOKEN_BUCKET: return TokenBucket::charge(hit, state, clock);
    case CONCURRENCY: return concurrency::charge(hit, state, clock);
    default: return windows::charge(hit, state, clock);
    }
}

// What a live counter counts now.
inline uint64_t counted(const CounterState &state, Clock clock) {
    switch (state.algorithm) {
    case SLIDING_WINDOW: return SlidingWindow(&state, state.window_ns(), clock).weight(clock);
    case TOKEN_BUCKET: return TokenBucket::missing(state, clock);
    case CONCURRENCY:
        state.slots()->advance(clock.mono_ns);
        return state.slots()->total();
    default: return state.value;
    }
}

// Time until a live counter is reset, as a hit that looks would hear.
inline int64_t reset_of(const CounterState &state, Clock clock) {
    if (state.algorithm != SLIDING_WINDOW) return state.rest(clock);
    SlidingWindow window(&state, state.window_ns(), clock);
    return window.length - window.elapsed(clock);
}

}  // namespace tollhouse
