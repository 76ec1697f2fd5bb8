// Protobuf wire format: a bounded reader and a writer that fills its buffer from the end.
//
// The reader accepts what protobuf accepts and refuses what it refuses (proto3, upb and C++): tags
// of at most 32 bits, varints of at most ten bytes, unknown fields skipped, groups only when they
// close, at most DEPTH nested messages and groups, strings in valid UTF-8. A known field that
// arrives with another wire type is an unknown field. After the first malformed byte `bad` is set
// and stays.
//
// The writer starts at the end of its buffer because the length of a nested message is known only
// once the message is written: fields are put last first, and a message is closed by the mark taken
// before its content. The bytes come out in ascending field order, as protobuf serializes.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "arena.hpp"

namespace tollhouse {

enum WireType : uint32_t {
    WIRE_VARINT = 0,
    WIRE_FIXED64 = 1,
    WIRE_BYTES = 2,
    WIRE_GROUP = 3,
    WIRE_GROUP_END = 4,
    WIRE_FIXED32 = 5,
};

// Text or bytes inside the request; `text` is null only for a field that did not arrive.
struct TextView {
    const char *text;
    uint32_t size;
};

inline bool valid_utf8(const uint8_t *at, size_t size) {
    const uint8_t *end = at + size;
    while (at < end) {
        while (end - at >= 8) {
            uint64_t word;
            std::memcpy(&word, at, 8);
            if (word & 0x8080808080808080u) break;
            at += 8;
        }
        if (at == end) return true;
        uint8_t lead = *at;
        if (lead < 0x80) { ++at; continue; }
        ptrdiff_t more;
        uint32_t low = 0x80, high = 0xbf;  // bounds of the second byte
        if (lead >= 0xc2 && lead <= 0xdf) more = 1;
        else if ((lead & 0xf0) == 0xe0) {
            more = 2;
            if (lead == 0xe0) low = 0xa0;
            if (lead == 0xed) high = 0x9f;
        } else if (lead >= 0xf0 && lead <= 0xf4) {
            more = 3;
            if (lead == 0xf0) low = 0x90;
            if (lead == 0xf4) high = 0x8f;
        } else return false;
        if (end - at <= more) return false;
        if (at[1] < low || at[1] > high) return false;
        for (ptrdiff_t i = 2; i <= more; ++i)
            if ((at[i] & 0xc0) != 0x80) return false;
        at += more + 1;
    }
    return true;
}

struct WireReader {
    static constexpr int DEPTH = 100;

    const uint8_t *at = nullptr;
    const uint8_t *end = nullptr;
    int depth = DEPTH;
    uint32_t field = 0;  // of the field next() stopped at
    uint32_t type = 0;
    bool bad = false;

    WireReader() = default;
    WireReader(const uint8_t *data, size_t size) : at(data), end(data + size) {}

    // Stops before the value of the next field; false at the end and once malformed.
    bool next() {
        if (bad || at == end) return false;
        uint32_t tag;
        if (*at < 0x80) tag = *at++;
        else if (!long_tag(&tag)) return fail();
        field = tag >> 3;
        type = tag & 7;
        if (field == 0 || type == WIRE_GROUP_END || type > WIRE_FIXED32) return fail();
        return true;
    }

    bool at_field(uint32_t number, uint32_t wire_type) const {
        return field == number && type == wire_type;
    }

    uint64_t varint() {
        if (at < end && *at < 0x80) return *at++;
        uint64_t value = 0;
        for (int shift = 0; shift < 70; shift += 7) {
            if (at == end) break;
            uint8_t byte = *at++;
            value |= uint64_t(byte & 0x7f) << shift;
            if (byte < 0x80) return value;
        }
        fail();
        return 0;
    }

    TextView bytes() {
        const uint8_t *start = at;
        uint64_t size = varint();
        // protobuf takes a length from five bytes at most, however small it is
        if (bad || at - start > 5 || size > uint64_t(end - at)) { fail(); return {nullptr, 0}; }
        TextView view{reinterpret_cast<const char *>(at), uint32_t(size)};
        at += size;
        return view;
    }

    TextView text() {
        TextView view = bytes();
        if (!bad && !valid_utf8(reinterpret_cast<const uint8_t *>(view.text), view.size)) fail();
        return view;
    }

    // A reader over the nested message. The caller carries its `bad` back with absorb().
    WireReader message() {
        TextView view = bytes();
        WireReader inner;
        if (!bad && depth <= 0) fail();
        inner.bad = bad;
        if (bad) return inner;
        inner.at = reinterpret_cast<const uint8_t *>(view.text);
        inner.end = inner.at + view.size;
        inner.depth = depth - 1;
        return inner;
    }

    void absorb(const WireReader &inner) { bad |= inner.bad; }

    uint32_t fixed32() {
        uint32_t value = 0;
        if (end - at < 4) fail();
        else { std::memcpy(&value, at, 4); at += 4; }
        return value;
    }

    uint64_t fixed64() {
        uint64_t value = 0;
        if (end - at < 8) fail();
        else { std::memcpy(&value, at, 8); at += 8; }
        return value;
    }

    // Steps over the value of the field next() stopped at.
    void skip() {
        switch (type) {
            case WIRE_VARINT: varint(); break;
            case WIRE_FIXED64: fixed64(); break;
            case WIRE_BYTES: bytes(); break;
            case WIRE_FIXED32: fixed32(); break;
            default: skip_group();
        }
    }

  private:
    bool fail() {
        bad = true;
        at = end;
        return false;
    }

    bool long_tag(uint32_t *tag) {
        uint64_t value = 0;
        for (int shift = 0; shift < 35; shift += 7) {
            if (at == end) return false;
            uint8_t byte = *at++;
            value |= uint64_t(byte & 0x7f) << shift;
            if (byte < 0x80) {
                *tag = uint32_t(value);
                return value <= UINT32_MAX;
            }
        }
        return false;
    }

    // Iterative, so that nesting costs no stack: the open groups are remembered by number. Inside a
    // group protobuf lets field number 0 pass.
    void skip_group() {
        uint32_t open[DEPTH];
        int count = 0;
        if (depth <= 0) { fail(); return; }
        open[count++] = field;
        while (count) {
            uint32_t tag;
            if (bad || at == end || !long_tag(&tag)) { fail(); return; }
            type = tag & 7;
            if (type == WIRE_GROUP) {
                if (count >= depth) { fail(); return; }
                open[count++] = tag >> 3;
            } else if (type == WIRE_GROUP_END) {
                if (open[--count] != tag >> 3) { fail(); return; }
            } else if (type > WIRE_FIXED32) {
                fail();
                return;
            } else {
                skip();
            }
        }
    }
};

class WireWriter {
  public:
    // Unusable until assigned: Cython declares stack variables before it makes them.
    WireWriter() : failed(true), arena_(nullptr), base_(nullptr), at_(nullptr), capacity_(0) {}

    explicit WireWriter(Arena *arena, size_t capacity = 512) : arena_(arena), capacity_(capacity) {
        base_ = static_cast<uint8_t *>(arena->take(capacity));
        failed = !base_;
        if (failed) capacity_ = 0;
        at_ = base_ + capacity_;
    }

    bool failed;  // the arena is exhausted; the content is then meaningless

    const uint8_t *data() const { return at_; }
    size_t size() const { return size_t(base_ + capacity_ - at_); }

    void raw(const void *data, size_t size) {
        if (!room(size)) return;
        at_ -= size;
        if (size) std::memcpy(at_, data, size);
    }

    void varint(uint64_t value) {
        if (value < 0x80 && at_ > base_) {
            *--at_ = uint8_t(value);
            return;
        }
        size_t size = 1;
        for (uint64_t rest = value >> 7; rest; rest >>= 7) ++size;
        if (!room(size)) return;
        at_ -= size;
        for (size_t i = 0; i + 1 < size; ++i, value >>= 7) at_[i] = uint8_t(value | 0x80);
        at_[size - 1] = uint8_t(value);
    }

    void tag(uint32_t field, uint32_t type) { varint(uint64_t(field) << 3 | type); }

    void varint_field(uint32_t field, uint64_t value) {
        varint(value);
        tag(field, WIRE_VARINT);
    }

    void double_field(uint32_t field, double value) {
        raw(&value, 8);
        tag(field, WIRE_FIXED64);
    }

    void bytes_field(uint32_t field, const void *data, size_t size) {
        raw(data, size);
        varint(size);
        tag(field, WIRE_BYTES);
    }

    // Closes a message whose content was written since size() was `mark`.
    void message_field(uint32_t field, size_t mark) {
        varint(size() - mark);
        tag(field, WIRE_BYTES);
    }

  private:
    bool room(size_t size) {
        if (size <= size_t(at_ - base_)) return !failed;
        if (failed) return false;
        size_t used = this->size(), want = capacity_ * 2;
        while (want < used + size) want *= 2;
        uint8_t *base = static_cast<uint8_t *>(arena_->take(want));
        if (!base) { failed = true; return false; }
        std::memcpy(base + want - used, at_, used);
        base_ = base;
        capacity_ = want;
        at_ = base + want - used;
        return true;
    }

    Arena *arena_;
    uint8_t *base_;
    uint8_t *at_;
    size_t capacity_;
};

}  // namespace tollhouse
