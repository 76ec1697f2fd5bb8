// A counter in a form that outlives the process: all times are CLOCK_REALTIME.
#pragma once
#include <cstring>
#include <vector>

#include "algorithms.hpp"
#include "counter_shard.hpp"

namespace tollhouse {

struct SavedCounter {
    std::vector<char> key, state;
    int64_t expires_wall_ns;
};

// Written as it lies in memory, on little-endian machines like all we build for; a CONCURRENCY state
// goes on with what its groups hold, from the one that is free first.
struct SavedState {
    static constexpr uint8_t FORMAT = 1;

    uint8_t format = FORMAT;
    uint8_t algorithm = 0;
    uint16_t spare = 0;
    uint32_t group_count = 0;
    uint64_t window_ms = 0;
    uint64_t value = 0, extra = 0;  // as in CounterState; of CONCURRENCY: 0, slice in nanoseconds
    int64_t expires_wall_ns = 0;    // its expires_ns; of CONCURRENCY: when the first group is free
    uint64_t groups[Slots::GROUPS];

    static constexpr size_t HEAD = 40;

    SavedState() = default;

    SavedState(const CounterState &state, Clock clock)
        : algorithm(state.algorithm), window_ms(state.window_ms), value(state.value),
          extra(state.extra),
          expires_wall_ns(later(clock.wall_ns, state.expires_ns - clock.mono_ns)) {
        Slots *slots = state.slots();
        if (!slots) return;
        slots->advance(clock.mono_ns);
        value = 0;
        extra = uint64_t(slots->slice_ns);
        group_count = Slots::GROUPS;
        expires_wall_ns =
            later(clock.wall_ns, (slots->past + 1) * slots->slice_ns - clock.mono_ns);
        for (int64_t i = 0; i < Slots::GROUPS; ++i)
            groups[i] = slots->in_use[(slots->past + 1 + i) % Slots::GROUPS];
    }

    size_t size() const { return HEAD + group_count * sizeof groups[0]; }

    // False for what the constructor could not have made.
    bool read(const char *bytes, size_t size) {
        if (size < HEAD || size > HEAD + sizeof groups) return false;
        std::memcpy(static_cast<void *>(this), bytes, size);
        if (format != FORMAT || algorithm < FIXED_WINDOW || algorithm > CONCURRENCY) return false;
        if (group_count != (algorithm == CONCURRENCY ? Slots::GROUPS : 0)) return false;
        if (size != this->size() || !window_ms || window_ms >> 48 || expires_wall_ns < 0)
            return false;
        int64_t time = int64_t(extra);
        switch (algorithm) {
        case FIXED_WINDOW: return true;
        case SLIDING_WINDOW: return quota().window_ns == cut_window(quota());
        case TOKEN_BUCKET: return value < extra;
        case CONCURRENCY: return time > 0 && time <= Slots::slice_of(cut_window(quota()));
        default: return time > 0;
        }
    }

    // Enough of one to make a counter.
    Quota quota() const {
        Quota quota;
        quota.algorithm = Algorithm(algorithm);
        quota.max_value = 1;
        quota.window_ns = CounterState::window_of(window_ms);
        return quota;
    }

    int64_t expires() const {
        if (algorithm == ALIGNED_WINDOW || algorithm == CALENDAR_WINDOW)
            return std::max(expires_wall_ns, int64_t(extra));
        int64_t last = group_count;
        while (last && !groups[last - 1]) --last;
        return last ? later(expires_wall_ns, (last - 1) * int64_t(extra)) : expires_wall_ns;
    }

    int64_t left(Clock clock) const { return expires() - clock.wall_ns; }

    // A clock that was set back meanwhile lengthens no window beyond a whole one.
    void write(CounterState *state, Clock clock) const {
        int64_t left = expires_wall_ns - clock.wall_ns;
        state->window_ms = window_ms;
        state->changed = 0;
        if (Slots *slots = state->slots()) {
            *slots = Slots(cut_window(quota()));
            slots->slice_ns = int64_t(extra);
            slots->advance(clock.mono_ns);
            left = std::min(left, state->window_ns());
            int64_t first = -floor_divide(-(clock.mono_ns + left), slots->slice_ns);
            for (int64_t i = 0; i < group_count; ++i)
                if (left + i * slots->slice_ns > 0) slots->add(first + i, groups[i]);
            state->expires_ns = slots->end(clock.mono_ns);
            return;
        }
        if (algorithm == SLIDING_WINDOW)
            left = std::min(left, (value ? 2 : 1) * cut_window(quota()));
        else if (algorithm != TOKEN_BUCKET) left = std::min(left, state->window_ns());
        state->value = value;
        state->extra = extra;
        state->expires_ns = later(clock.mono_ns, left);
    }
};
static_assert(offsetof(SavedState, groups) == SavedState::HEAD);

inline SavedCounter save(const Counter &counter, Clock clock) {
    SavedState state(counter.state, clock);
    const char *bytes = reinterpret_cast<const char *>(&state);
    return {std::vector<char>(counter.key, counter.key + counter.key_size),
            std::vector<char>(bytes, bytes + state.size()), state.expires()};
}

}  // namespace tollhouse
