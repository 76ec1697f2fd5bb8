// The two clocks, read together once per request and passed down.
#pragma once
#include <cstdint>

namespace tollhouse {

struct Clock {
    int64_t mono_ns;  // CLOCK_MONOTONIC; durations
    int64_t wall_ns;  // CLOCK_REALTIME; calendar windows, expiry of tokens
};

}  // namespace tollhouse
