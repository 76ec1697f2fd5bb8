// Series of names that peers choose: a bounded number of them, all others share the last place.
#pragma once
#include <cstdint>
#include <cstring>
#include <mutex>
#include <string>
#include <vector>

#include "siphash.hpp"
#include "wire.hpp"

namespace tollhouse {

// Names of more than `longest` bytes share the last place as well. Any thread may ask.
class BoundedNames {
  public:
    // ids: `width` series per place, bound + 1 places.
    BoundedNames(uint32_t bound, uint32_t longest, uint32_t width, std::vector<uint32_t> ids)
        : bound_(bound), longest_(longest), width_(width), ids_(std::move(ids)) {
        size_t slots = 8;
        while (slots < 2 * size_t(bound)) slots *= 2;
        slots_.assign(slots, {0, 0});
        names_.reserve(bound);
    }

    // The series of this name.
    const uint32_t *series(TextView name) {
        if (name.size > longest_) return at_place(bound_);
        uint64_t hash = siphash(process_hash_key(), name.text, name.size);
        size_t mask = slots_.size() - 1, at = hash & mask;
        std::lock_guard<std::mutex> hold(lock_);
        for (; slots_[at].place; at = (at + 1) & mask) {
            const std::string &known = names_[slots_[at].place - 1];
            if (slots_[at].hash == hash && known.size() == name.size &&
                !std::memcmp(known.data(), name.text, name.size))
                return at_place(slots_[at].place - 1);
        }
        if (names_.size() >= bound_) return at_place(bound_);
        names_.emplace_back(name.text, name.size);
        slots_[at] = {hash, uint32_t(names_.size())};
        return at_place(uint32_t(names_.size()) - 1);
    }

    // By place.
    std::vector<std::string> names() {
        std::lock_guard<std::mutex> hold(lock_);
        return names_;
    }

  private:
    struct Slot {
        uint64_t hash;
        uint32_t place;  // 0: empty; else one more than the index of the name
    };

    const uint32_t *at_place(uint32_t place) const { return &ids_[size_t(width_) * place]; }

    uint32_t bound_, longest_, width_;
    std::vector<uint32_t> ids_;
    std::vector<Slot> slots_;
    std::vector<std::string> names_;
    std::mutex lock_;
};

}  // namespace tollhouse
