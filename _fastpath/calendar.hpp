// Calendar windows: the minute … year of a time zone that holds an instant.
//
// A day and everything longer runs from its first local second to the first one of its successor,
// so the day on which clocks change has 23 or 25 hours. Minutes and hours are counted in the offset
// that is in force and end where it changes.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include "counted.hpp"

namespace tollhouse {

enum Period : uint8_t { MINUTE = 1, HOUR = 2, DAY = 3, WEEK = 4, MONTH = 5, YEAR = 6 };

struct WallWindow {
    int64_t start_ns, end_ns;  // since the Unix epoch
};

inline int64_t floor_divide(int64_t value, int64_t by) {
    return value / by - (value % by < 0);
}

// UTC offsets of one time zone, shared by all calendars in it: from starts[i], Unix seconds, local
// time is offsets[i] seconds ahead of UTC. starts[0] lies before every instant.
struct ZoneOffsets : Counted {
    std::vector<int64_t> starts;
    std::vector<int64_t> offsets;

    size_t at(int64_t second) const {
        return size_t(std::upper_bound(starts.begin() + 1, starts.end(), second) -
                      starts.begin()) - 1;
    }
    int64_t end(size_t at) const { return at + 1 < starts.size() ? starts[at + 1] : INT64_MAX; }
};

// Proleptic Gregorian; days are counted from 1970-01-01. For the years an int64 of nanoseconds
// reaches, 1677 to 2262.
inline int64_t first_day_of_year(int64_t year) {
    int64_t before = year - 1;
    return 365 * (year - 1970) + (before / 4 - before / 100 + before / 400) - 477;
}

inline int64_t year_of_day(int64_t day) {
    int64_t year = 1970 + floor_divide(day, 365);
    while (first_day_of_year(year) > day) --year;
    while (first_day_of_year(year + 1) <= day) ++year;
    return year;
}

struct Days {
    int64_t first, next;  // the days from `first` up to `next`, which is not one of them
};

inline Days year_with(int64_t day) {
    int64_t year = year_of_day(day);
    return {first_day_of_year(year), first_day_of_year(year + 1)};
}

inline Days month_with(int64_t day) {
    static constexpr int LENGTHS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    Days year = year_with(day), month{year.first, year.first};
    for (int number = 0; month.next <= day; ++number) {
        month.first = month.next;
        month.next += LENGTHS[number] + (number == 1 && year.next - year.first == 366);
    }
    return month;
}

struct Calendar : Counted {
    Calendar(Period period, ZoneOffsets *zone) : period_(period), zone_(zone) { retain(zone); }
    ~Calendar() override { drop(zone_); }

    WallWindow window(int64_t wall_ns) const {
        int64_t now = floor_divide(wall_ns, SECOND);
        size_t at = zone_->at(now);
        int64_t local = now + zone_->offsets[at], start, end;
        if (period_ <= HOUR) {
            int64_t length = period_ == MINUTE ? 60 : 3600;
            start = floor_divide(local, length) * length - zone_->offsets[at];
            end = std::min(start + length, zone_->end(at));
            start = std::max(start, zone_->starts[at]);
        } else {
            Days days = days_with(floor_divide(local, DAY_SECONDS));
            start = reached(days.first * DAY_SECONDS, at);
            end = reached_after(days.next * DAY_SECONDS, at, now);
        }
        return {nanoseconds(start), nanoseconds(end)};
    }

  private:
    static constexpr int64_t SECOND = 1000000000, DAY_SECONDS = 86400;

    static int64_t nanoseconds(int64_t seconds) {
        int64_t product;
        if (__builtin_mul_overflow(seconds, SECOND, &product))
            return seconds < 0 ? INT64_MIN : INT64_MAX;
        return product;
    }

    Days days_with(int64_t day) const {
        if (period_ == MONTH) return month_with(day);
        if (period_ == YEAR) return year_with(day);
        if (period_ == DAY) return {day, day + 1};
        int64_t monday = floor_divide(day + 3, 7) * 7 - 3;  // 1970-01-01 was a Thursday
        return {monday, monday + 7};
    }

    // Since when, looking back from the offset number `at`, it has been `local` or later.
    int64_t reached(int64_t local, size_t at) const {
        while (local - zone_->offsets[at] <= zone_->starts[at] &&
               zone_->starts[at] + zone_->offsets[at - 1] > local)
            --at;
        return std::max(local - zone_->offsets[at], zone_->starts[at]);
    }

    // The first second after `now` at which it is `local` or later.
    int64_t reached_after(int64_t local, size_t at, int64_t now) const {
        int64_t second;
        do second = std::max({local - zone_->offsets[at], zone_->starts[at], now + 1});
        while (second >= zone_->end(at++));
        return second;
    }

    Period period_;
    ZoneOffsets *zone_;
};

}  // namespace tollhouse
