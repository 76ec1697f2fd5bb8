// Series of the labels that the operator defines over descriptors, whose values peers choose.
//
// A sample's labels are one text: per label u16 name size, u16 value size (little-endian), name,
// value. Every pair of a base series and such a text gets a cell of its own, up to a bound; past it
// the base series itself counts, which is shown under the value "other".
#pragma once
#include <cstdint>
#include <cstring>
#include <mutex>
#include <string>
#include <vector>

#include "counted.hpp"
#include "siphash.hpp"
#include "wire.hpp"

namespace tollhouse {

constexpr uint32_t LABEL_VALUE_BYTES = 256;  // of a longer value the rest is cut off

struct LabelProgram {
    std::string name;
    Counted *program;
};

// The expressions in force; immutable.
struct LabelSet : Counted {
    std::vector<LabelProgram> labels;  // in order of their names
    Counted *defaults = nullptr;       // gives a map of further labels, or null
    bool native = true;                // false: requests go to the full lane
    ~LabelSet() override {
        for (LabelProgram &label : labels) drop(label.program);
        drop(defaults);
    }
};

class LabelSeries {
  public:
    struct Entry {
        uint32_t base;
        uint32_t series;
        std::string labels;
    };

    // ids: the cells to hand out.
    explicit LabelSeries(std::vector<uint32_t> ids) : ids_(std::move(ids)) {
        size_t slots = 8;
        while (slots < 2 * ids_.size()) slots *= 2;
        slots_.assign(slots, {0, 0});
        entries_.reserve(ids_.size());
    }

    // The series of `base` under these labels. Any thread may ask.
    uint32_t series(uint32_t base, TextView labels) {
        uint64_t hash = siphash(process_hash_key(), labels.text, labels.size) ^
                        (uint64_t(base) * 0x9E3779B97F4A7C15u);
        size_t mask = slots_.size() - 1, at = hash & mask;
        std::lock_guard<std::mutex> hold(lock_);
        for (; slots_[at].place; at = (at + 1) & mask) {
            const Entry &entry = entries_[slots_[at].place - 1];
            if (slots_[at].hash == hash && entry.base == base &&
                entry.labels.size() == labels.size &&
                !std::memcmp(entry.labels.data(), labels.text, labels.size))
                return entry.series;
        }
        if (entries_.size() >= ids_.size()) return base;
        uint32_t id = ids_[entries_.size()];
        entries_.push_back({base, id, std::string(labels.text, labels.size)});
        slots_[at] = {hash, uint32_t(entries_.size())};
        return id;
    }

    std::vector<Entry> entries() {
        std::lock_guard<std::mutex> hold(lock_);
        return entries_;
    }

  private:
    struct Slot {
        uint64_t hash;
        uint32_t place;  // 0: empty; else one more than the index of the entry
    };

    std::vector<uint32_t> ids_;
    std::vector<Slot> slots_;
    std::vector<Entry> entries_;
    std::mutex lock_;
};

inline bool label_name(const char *text, uint32_t size) {
    if (!size || size > LABEL_VALUE_BYTES) return false;
    for (uint32_t i = 0; i < size; ++i) {
        char c = text[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && !(i && c >= '0' && c <= '9')) return false;
    }
    // Names that begin so are Prometheus' own.
    return !(size > 1 && text[0] == '_' && text[1] == '_');
}

// Bytes of a value that are kept: whole characters of UTF-8.
inline uint32_t label_value_size(const char *text, uint32_t size) {
    if (size <= LABEL_VALUE_BYTES) return size;
    uint32_t kept = LABEL_VALUE_BYTES;
    while (kept && (uint8_t(text[kept]) & 0xC0) == 0x80) --kept;
    return kept;
}

inline size_t label_size(TextView name, TextView value) {
    return 4 + size_t(name.size) + label_value_size(value.text, value.size);
}

inline char *write_label(char *to, TextView name, TextView value) {
    uint32_t kept = label_value_size(value.text, value.size);
    to[0] = char(name.size), to[1] = char(name.size >> 8);
    to[2] = char(kept), to[3] = char(kept >> 8);
    std::memcpy(to + 4, name.text, name.size);
    if (kept) std::memcpy(to + 4 + name.size, value.text, kept);
    return to + 4 + name.size + kept;
}

}  // namespace tollhouse
