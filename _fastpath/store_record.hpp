// The bytes of a decision on its way to a counter store and back.
//
// ratelimit/redis/decide.lua reads the records and writes the verdicts: little-endian, numbers as
// doubles below 2^53, times in microseconds. One decision is four bytes (mode, 0, number of
// counters) and a record per counter; its result is four bytes (status, 0, number of counters) and a
// verdict per counter, in the same order.
#pragma once
#include <charconv>
#include <cmath>
#include <cstring>
#include <string>

#include "calendar.hpp"
#include "counters.hpp"

namespace tollhouse {

constexpr size_t RECORD_SIZE = 72, VERDICT_SIZE = 48, DECISION_HEAD = 4;
constexpr double LARGEST_NUMBER = 9007199254740991.0;  // 2^53 - 1: above, doubles skip integers
constexpr int64_t MICROSECOND = 1000;
constexpr int64_t LONGEST_WINDOW_US = (int64_t(1) << 51) - 1;  // 71 years: its end stays exact

enum RecordFlag : uint8_t { BINDING = 1, ALWAYS = 2, GIVE_BACK = 4, OF_LEASE = 8 };
enum ResultStatus : uint8_t { STATUS_FITS = 0, STATUS_REFUSED = 1, STATUS_FAILED = 2 };

// Of the doubles of a record and of a verdict, in order.
enum RecordField { AMOUNT, MAX_VALUE, WINDOW, BURST, CALENDAR_START, CALENDAR_END,
                   CALENDAR_NEXT_END, LEASE_WANTED };
enum VerdictField { REMAINING, RESET, RETRY, GRANTED, WINDOW_END };

inline double store_number(uint64_t value) {
    return value < uint64_t(LARGEST_NUMBER) ? double(value) : LARGEST_NUMBER;
}
inline double store_microseconds(int64_t ns) { return double(ns / MICROSECOND); }
// Rounded up, so that no window becomes one of 0, which never counts.
inline double store_window(int64_t ns) {
    int64_t us = ns / MICROSECOND + (ns % MICROSECOND != 0);
    return double(us < LONGEST_WINDOW_US ? us : LONGEST_WINDOW_US);
}

inline void put_field(char *record, RecordField field, double value) {
    std::memcpy(record + 8 + 8 * field, &value, 8);
}

// lease_wanted: units, 0 for none.
inline void write_record(char *to, const CounterHit &hit, Clock clock, double lease_wanted) {
    const Quota &quota = *hit.quota;
    std::memset(to, 0, RECORD_SIZE);
    to[0] = char(quota.algorithm);
    to[1] = char((hit.binding ? BINDING : 0) | (hit.always ? ALWAYS : 0) |
                 (hit.give_back ? GIVE_BACK : 0));
    put_field(to, AMOUNT, store_number(hit.amount));
    put_field(to, MAX_VALUE, store_number(quota.max_value));
    put_field(to, WINDOW, store_window(quota.window_ns));
    put_field(to, BURST, store_number(quota.burst));
    put_field(to, LEASE_WANTED, lease_wanted);
    if (!quota.calendar) return;
    WallWindow window = quota.calendar->window(clock.wall_ns);
    put_field(to, CALENDAR_START, store_microseconds(window.start_ns));
    put_field(to, CALENDAR_END, store_microseconds(window.end_ns));
    put_field(to, CALENDAR_NEXT_END,
              store_microseconds(quota.calendar->window(window.end_ns).end_ns));
}

// The tag of a key, which Redis Cluster chooses the slot by: hexadecimal digits of the namespace's
// digest and, where every key has a slot of its own, "." and those of the key's.
struct StoreTag {
    static constexpr size_t NAMESPACE_SIZE = 16, LONGEST = 33;
    char text[LONGEST];
    uint8_t size = 0;
};

inline StoreTag store_tag(const char *of_namespace, const CounterHit *hit_of_key) {
    StoreTag tag;
    std::memcpy(tag.text, of_namespace, tag.size = StoreTag::NAMESPACE_SIZE);
    if (!hit_of_key) return tag;
    uint64_t digest = siphash({0, 0}, hit_of_key->key, hit_of_key->key_size);
    tag.text[tag.size++] = '.';
    for (int shift = 60; shift >= 0; shift -= 4)
        tag.text[tag.size++] = "0123456789abcdef"[digest >> shift & 15];
    return tag;
}

inline void append_bulk_head(std::string *to, size_t size) {
    char text[24] = {'$'};
    char *end = std::to_chars(text + 1, text + 22, size).ptr;
    *end++ = '\r';
    *end++ = '\n';
    to->append(text, size_t(end - text));
}

// `key` is a native one: digest and values. As a RESP bulk string.
inline void append_store_key(std::string *to, const StoreTag &tag, const char *key, size_t size) {
    append_bulk_head(to, 4 + tag.size + 2 + 2 * DIGEST_SIZE + 1 + size - DIGEST_SIZE);
    to->append("th:{").append(tag.text, tag.size).append("}:");
    for (uint32_t i = 0; i < DIGEST_SIZE; ++i) {
        *to += "0123456789abcdef"[uint8_t(key[i]) >> 4];
        *to += "0123456789abcdef"[uint8_t(key[i]) & 15];
    }
    *to += ':';
    to->append(key + DIGEST_SIZE, size - DIGEST_SIZE).append("\r\n");
}

inline void append_decision_head(std::string *to, HitMode mode, uint32_t count) {
    append_bulk_head(to, DECISION_HEAD + count * RECORD_SIZE);
    char head[DECISION_HEAD] = {char(mode), 0, char(count & 255), char(count >> 8)};
    to->append(head, sizeof head);
}

// A lease that a decision asks for.
struct LeaseAsk {
    uint32_t counter;  // of the decision
    uint32_t terms;    // see LeasedCounter
    std::string key;   // native
};

struct StoreVerdict {
    bool fits;
    double fields[5];  // by VerdictField
    double field(VerdictField which) const { return fields[which]; }
    int64_t ns(VerdictField which) const {
        double us = fields[which];
        return us < 0 || us >= INT64_MAX / MICROSECOND ? INT64_MAX : int64_t(us) * MICROSECOND;
    }
};

// False when the bytes are no verdict. Numbers are not negative, but for a retry of -1: never.
inline bool read_verdict(const char *from, StoreVerdict *out) {
    if (uint8_t(from[0]) > 1) return false;
    out->fits = from[0];
    std::memcpy(out->fields, from + 8, sizeof out->fields);
    for (int i = 0; i < 5; ++i) {
        double number = out->fields[i];
        if (!(number >= 0 && number <= LARGEST_NUMBER) && !(i == RETRY && number == -1))
            return false;
    }
    return true;
}

// Size of the result that `data` begins with, for a decision over `count` counters; 0 when it is
// malformed. A decision that failed in the store may leave its verdicts out.
inline size_t result_size(const char *data, size_t size, uint32_t count) {
    if (size < DECISION_HEAD || uint8_t(data[0]) > STATUS_FAILED || data[1]) return 0;
    uint32_t told = uint8_t(data[2]) | uint32_t(uint8_t(data[3])) << 8;
    if (data[0] == STATUS_FAILED && !told) return DECISION_HEAD;
    if (told != count || size < DECISION_HEAD + count * VERDICT_SIZE) return 0;
    StoreVerdict verdict;
    for (uint32_t i = 0; i < count; ++i)
        if (!read_verdict(data + DECISION_HEAD + i * VERDICT_SIZE, &verdict)) return 0;
    return DECISION_HEAD + count * VERDICT_SIZE;
}

// Fills the hits from their decision's result; false when it failed or says nothing.
inline bool read_result(const char *data, size_t size, CounterHit *hits, uint32_t count) {
    size_t whole = result_size(data, size, count);
    if (!whole || whole != size || data[0] == STATUS_FAILED) return false;
    for (uint32_t i = 0; i < count; ++i) {
        StoreVerdict verdict{};
        read_verdict(data + DECISION_HEAD + i * VERDICT_SIZE, &verdict);
        hits[i].fits = verdict.fits;
        hits[i].remaining = uint64_t(verdict.field(REMAINING));
        hits[i].reset_ns = verdict.ns(RESET);
        hits[i].retry_ns = verdict.ns(RETRY);
    }
    return true;
}

}  // namespace tollhouse
