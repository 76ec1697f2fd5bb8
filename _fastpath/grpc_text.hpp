// Bytes of gRPC: growing buffers, grpc-timeout, percent-encoding, packed metadata.
#pragma once
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

namespace tollhouse {

// Bytes that grow beyond an inline part and give the heap part back when reset.
template <size_t INLINE>
struct Buffer {
    uint8_t *data = inline_;
    size_t size = 0, capacity = INLINE;
    uint8_t inline_[INLINE];

    ~Buffer() { reset(); }
    bool reserve(size_t want) {
        if (want <= capacity) return true;
        size_t room = capacity * 2 > want ? capacity * 2 : want;
        uint8_t *place = static_cast<uint8_t *>(data == inline_ ? std::malloc(room) : std::realloc(data, room));
        if (!place) return false;
        if (data == inline_) std::memcpy(place, inline_, size);
        data = place;
        capacity = room;
        return true;
    }
    bool append(const void *bytes, size_t count) {
        if (!reserve(size + count)) return false;
        std::memcpy(data + size, bytes, count);
        size += count;
        return true;
    }
    // Drops the first `count` bytes.
    void drop(size_t count) {
        size -= count;
        if (count && size) std::memmove(data, data + count, size);
    }
    void reset() {
        if (data != inline_) { std::free(data); data = inline_; capacity = INLINE; }
        size = 0;
    }
};

// gRPC over HTTP/2: TimeoutValue is at most eight digits. Nanoseconds, or -1 when malformed.
inline int64_t parse_timeout(const uint8_t *text, size_t size) {
    if (size < 2 || size > 9) return -1;
    int64_t value = 0;
    for (size_t i = 0; i + 1 < size; ++i) {
        if (text[i] < '0' || text[i] > '9') return -1;
        value = value * 10 + (text[i] - '0');
    }
    switch (text[size - 1]) {
        case 'n': return value;
        case 'u': return value * 1000;
        case 'm': return value * 1000000;
        case 'S': return value * 1000000000;
        case 'M': return value * 60000000000;
        case 'H': return value > 2562047 ? INT64_MAX / 2 : value * 3600000000000;
        default: return -1;
    }
}

// grpc-message: bytes outside 0x20–0x7e and '%' as %XX.
inline void percent_encode(const char *text, size_t size, std::string &into) {
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < size && into.size() < 4096; ++i) {
        uint8_t byte = static_cast<uint8_t>(text[i]);
        if (byte >= 0x20 && byte <= 0x7e && byte != '%') { into.push_back(static_cast<char>(byte)); continue; }
        into.push_back('%');
        into.push_back(digits[byte >> 4]);
        into.push_back(digits[byte & 15]);
    }
}

constexpr size_t PAIR_PREFIX = 6;  // u16 name size, u32 value size

// One metadata pair, packed: sizes (little-endian), name, value. False when memory is out.
template <class Bytes>
inline bool put_pair(Bytes &into, const void *name, size_t name_size, const void *value, size_t value_size) {
    if (!into.reserve(into.size + PAIR_PREFIX + name_size + value_size)) return false;
    uint8_t *place = into.data + into.size;
    const uint16_t short_size = static_cast<uint16_t>(name_size);
    const uint32_t long_size = static_cast<uint32_t>(value_size);
    std::memcpy(place, &short_size, 2);
    std::memcpy(place + 2, &long_size, 4);
    std::memcpy(place + PAIR_PREFIX, name, name_size);
    std::memcpy(place + PAIR_PREFIX + name_size, value, value_size);
    into.size += PAIR_PREFIX + name_size + value_size;
    return true;
}

}  // namespace tollhouse
