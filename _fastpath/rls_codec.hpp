// RateLimitRequest into views of the request bytes, RateLimitResponse out of views.
//
// Fields follow envoy.service.ratelimit.v3 with those of Envoy 1.40; a singular message that
// arrives twice is merged and a scalar's last value counts, as protobuf does.
#pragma once
#include <algorithm>
#include <cstdint>

#include "arena.hpp"
#include "value.hpp"
#include "wire.hpp"

namespace tollhouse {

constexpr uint32_t MAX_DESCRIPTORS = 1024, MAX_ENTRIES = 16384;

enum DecodeResult { DECODED = 0, MALFORMED_REQUEST = 1, TOO_LARGE_REQUEST = 2 };

struct OverrideView {
    bool present;
    uint32_t requests_per_unit;
    int32_t unit;
    uint32_t unit_multiplier;
};

struct DescriptorView {
    Entry *entries;  // key and value are STRING values over the request bytes
    uint32_t count;
    bool has_hits;
    bool is_negative;
    uint64_t hits;
    OverrideView limit;
};

struct RequestView {
    TextView domain;
    DescriptorView *descriptors;
    uint32_t count;
    uint32_t hits_addend;
};

// An array in the arena that doubles; false past the bound or when the arena is exhausted.
template <class T> bool grow(Arena *arena, T **items, uint32_t count, uint32_t bound) {
    if (count >= bound) return false;
    if (count & (count - 1)) return true;
    if (count && count < 4) return true;
    T *wider = static_cast<T *>(arena->take((count ? 2 * size_t(count) : 4) * sizeof(T)));
    if (!wider) return false;
    if (count) std::memcpy(static_cast<void *>(wider), *items, count * sizeof(T));
    *items = wider;
    return true;
}

class RequestDecoder {
  public:
    RequestDecoder(Arena *arena, RequestView *out) : arena_(arena), out_(out) {}

    DecodeResult decode(const uint8_t *data, size_t size) {
        *out_ = RequestView{{"", 0}, nullptr, 0, 0};
        WireReader reader(data, size);
        while (reader.next()) {
            if (reader.at_field(1, WIRE_BYTES)) out_->domain = reader.text();
            else if (reader.at_field(2, WIRE_BYTES)) {
                WireReader inner = reader.message();
                descriptor(inner);
                reader.absorb(inner);
                if (too_large_) return TOO_LARGE_REQUEST;
            } else if (reader.at_field(3, WIRE_VARINT)) {
                out_->hits_addend = uint32_t(reader.varint());
            } else {
                reader.skip();
            }
        }
        return reader.bad ? MALFORMED_REQUEST : DECODED;
    }

  private:
    void descriptor(WireReader &reader) {
        if (!grow(arena_, &out_->descriptors, out_->count, MAX_DESCRIPTORS)) {
            too_large_ = true;
            return;
        }
        DescriptorView view{};
        while (reader.next()) {
            WireReader inner;
            if (reader.at_field(1, WIRE_BYTES)) {
                inner = reader.message();
                entry(inner, &view);
                if (too_large_) return;
            } else if (reader.at_field(2, WIRE_BYTES)) {
                inner = reader.message();
                override_limit(inner, &view.limit);
            } else if (reader.at_field(3, WIRE_BYTES)) {
                inner = reader.message();
                view.has_hits = true;
                wrapped(inner, &view.hits);
            } else if (reader.at_field(4, WIRE_VARINT)) view.is_negative = reader.varint() != 0;
            else reader.skip();
            reader.absorb(inner);
        }
        out_->descriptors[out_->count++] = view;
    }

    void entry(WireReader &reader, DescriptorView *view) {
        if (entries_++ >= MAX_ENTRIES || !grow(arena_, &view->entries, view->count, MAX_ENTRIES)) {
            too_large_ = true;
            return;
        }
        TextView key{"", 0}, value{"", 0};
        while (reader.next()) {
            if (reader.at_field(1, WIRE_BYTES)) key = reader.text();
            else if (reader.at_field(2, WIRE_BYTES)) value = reader.text();
            else reader.skip();
        }
        Entry &made = view->entries[view->count++];
        made.key = string_value(key.text, key.size);
        made.value = string_value(value.text, value.size);
    }

    static void override_limit(WireReader &reader, OverrideView *limit) {
        limit->present = true;
        while (reader.next()) {
            if (reader.at_field(1, WIRE_VARINT)) {
                limit->requests_per_unit = uint32_t(reader.varint());
            } else if (reader.at_field(2, WIRE_VARINT)) {
                limit->unit = int32_t(reader.varint());
            } else if (reader.at_field(3, WIRE_BYTES)) {
                WireReader inner = reader.message();
                uint64_t multiplier = limit->unit_multiplier;
                wrapped(inner, &multiplier);
                limit->unit_multiplier = uint32_t(multiplier);
                reader.absorb(inner);
            } else {
                reader.skip();
            }
        }
    }

    static void wrapped(WireReader &reader, uint64_t *value) {
        while (reader.next()) {
            if (reader.at_field(1, WIRE_VARINT)) *value = reader.varint();
            else reader.skip();
        }
    }

    Arena *arena_;
    RequestView *out_;
    uint32_t entries_ = 0;
    bool too_large_ = false;
};

inline DecodeResult decode_request(const uint8_t *data, size_t size, Arena *arena,
                                   RequestView *out) {
    return RequestDecoder(arena, out).decode(data, size);
}

struct StatusView {
    int32_t code;
    TextView limit;  // encoded RateLimit; its text is null when no limit is described
    uint64_t remaining;
    int64_t reset_ns;
};

struct HeaderView {
    TextView key, value;
};

struct ResponseView {
    int32_t code;
    const StatusView *statuses;
    uint32_t status_count;
    const HeaderView *response_headers;
    uint32_t response_header_count;
    const HeaderView *request_headers;
    uint32_t request_header_count;
    TextView raw_body;
    TextView dynamic_metadata;  // encoded Struct; null text when absent
};

constexpr int64_t NANOSECONDS = 1000000000;

inline uint64_t clamped32(uint64_t value) { return std::min<uint64_t>(value, UINT32_MAX); }

// The content of a RateLimitResponse.RateLimit.
inline void encode_current_limit(uint64_t max_value, int64_t window_ns, TextView name,
                                 WireWriter *writer) {
    static const struct { int64_t seconds; int unit; } UNITS[] = {
        {31536000, 6}, {2592000, 5}, {604800, 7}, {86400, 4}, {3600, 3}, {60, 2}, {1, 1}};
    int unit = 0;
    uint64_t multiplier = 1;
    if (window_ns > 0) {
        int64_t seconds = window_ns / NANOSECONDS + (window_ns % NANOSECONDS != 0);
        for (const auto &each : UNITS) {
            if (seconds % each.seconds) continue;
            unit = each.unit;
            multiplier = clamped32(uint64_t(seconds / each.seconds));
            break;
        }
    }
    if (multiplier != 1) {
        size_t mark = writer->size();
        writer->varint_field(1, multiplier);
        writer->message_field(4, mark);
    }
    if (name.size) writer->bytes_field(3, name.text, name.size);
    if (unit) writer->varint_field(2, uint64_t(unit));
    if (max_value) writer->varint_field(1, clamped32(max_value));
}

inline void encode_status(const StatusView &status, WireWriter *writer) {
    size_t start = writer->size();
    if (status.limit.text) {
        if (status.reset_ns % NANOSECONDS)
            writer->varint_field(2, uint64_t(status.reset_ns % NANOSECONDS));
        if (status.reset_ns / NANOSECONDS)
            writer->varint_field(1, uint64_t(status.reset_ns / NANOSECONDS));
        writer->message_field(4, start);
    }
    if (status.remaining) writer->varint_field(3, clamped32(status.remaining));
    if (status.limit.text) writer->bytes_field(2, status.limit.text, status.limit.size);
    if (status.code) writer->varint_field(1, uint64_t(status.code));
    writer->message_field(2, start);
}

inline void encode_headers(uint32_t field, const HeaderView *headers, uint32_t count,
                           WireWriter *writer) {
    for (uint32_t i = count; i-- > 0;) {
        size_t start = writer->size();
        TextView key = headers[i].key, value = headers[i].value;
        if (value.size) writer->bytes_field(2, value.text, value.size);
        if (key.size) writer->bytes_field(1, key.text, key.size);
        writer->message_field(field, start);
    }
}

inline void encode_response(const ResponseView &response, WireWriter *writer) {
    if (response.dynamic_metadata.text)
        writer->bytes_field(6, response.dynamic_metadata.text, response.dynamic_metadata.size);
    if (response.raw_body.size)
        writer->bytes_field(5, response.raw_body.text, response.raw_body.size);
    encode_headers(4, response.request_headers, response.request_header_count, writer);
    encode_headers(3, response.response_headers, response.response_header_count, writer);
    for (uint32_t i = response.status_count; i-- > 0;) encode_status(response.statuses[i], writer);
    if (response.code) writer->varint_field(1, uint64_t(response.code));
}

}  // namespace tollhouse
