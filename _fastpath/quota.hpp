// How a counter counts: the part of a limit that the counter table reads.
#pragma once
#include <cstdint>

namespace tollhouse {

struct Calendar;

enum Algorithm : uint8_t {
    FIXED_WINDOW = 1,
    ALIGNED_WINDOW = 2,
    CALENDAR_WINDOW = 3,
    SLIDING_WINDOW = 4,
    TOKEN_BUCKET = 5,
    CONCURRENCY = 6,
};

struct Quota {
    Algorithm algorithm = FIXED_WINDOW;
    uint64_t max_value = 0;
    int64_t window_ns = 0;
    uint64_t burst = 0;                  // TOKEN_BUCKET: its capacity; 0 means max_value
    const Calendar *calendar = nullptr;  // CALENDAR_WINDOW; owned by whoever owns the quota
};

}  // namespace tollhouse
