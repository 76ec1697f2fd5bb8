// Compiled limits: what a namespace holds, and which of it a request has to look at.
//
// A limit is filed under one of the equality tests that it needs: the one that fewest limits of
// the set share. A request looks up its own entries, so it meets the limits that could apply and
// hardly any other, however many there are. The hash is unkeyed on purpose: peers choose what is
// looked up, never what is filed.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "calendar.hpp"
#include "counted.hpp"
#include "counter_shard.hpp"
#include "rate_limit_headers.hpp"
#include "refusal.hpp"
#include "rls_codec.hpp"
#include "value.hpp"

namespace tollhouse {

enum ErrorPolicy : uint8_t { ON_ERROR_SKIP = 0, ON_ERROR_APPLY = 1, ON_ERROR_REFUSE = 2 };

inline uint64_t mix_text(uint64_t hash, const char *text, size_t size) {
    const uint64_t odd = 0x9e3779b97f4a7c15u;
    hash = (hash ^ size) * odd;
    uint64_t word;
    for (; size >= 8; size -= 8, text += 8) {
        std::memcpy(&word, text, 8);
        hash = (hash ^ word) * odd;
        hash ^= hash >> 32;
    }
    word = 0;
    std::memcpy(&word, text, size);
    hash = (hash ^ word) * odd;
    return hash ^ hash >> 29;
}

inline uint64_t test_hash(uint32_t descriptor, TextView key, TextView value) {
    return mix_text(mix_text(descriptor + 1, key.text, key.size), value.text, value.size);
}

struct EqualityTest {
    uint32_t descriptor;
    std::string key, value;

    bool holds(const RequestView &request) const {
        if (descriptor >= request.count) return false;
        const DescriptorView &view = request.descriptors[descriptor];
        Value map = map_value(view.entries, view.count, view.count > 8);
        const Value *found = map_get(map, key.data(), uint32_t(key.size()));
        return found && found->size == value.size() &&
               !std::memcmp(found->text, value.data(), value.size());
    }
};

// Immutable once its set is built; owns a reference to each program and to the quota's calendar. A
// program is null where the expression has none.
struct Limit {
    char digest[DIGEST_SIZE];
    Quota quota;
    std::string name;
    bool named = false;
    std::string id;
    bool has_id = false;
    std::vector<EqualityTest> tests;
    uint32_t filed_under = 0;  // index of a test
    std::vector<Counted *> conditions, variables;
    uint32_t descriptor = 0;
    ErrorPolicy on_error = ON_ERROR_SKIP;
    std::vector<Counted *> cost;  // one program, or none: hits count as they were sent
    bool shadow = false, unlimited = false, always = false, headers = true;
    int32_t priority = 0;
    uint8_t fail = 0;  // Fail of limit_spec.py
    uint32_t limited_series = 0, error_series = 0, shadow_series = 0;
    uint32_t call_series = 0, refused_series = 0;  // of the limit itself, whoever else refused
    std::string current_limit;  // encoded RateLimit of its statuses
    HeaderText header_text;
    RefusalReply refusal;
    Entry root_entries[2];      // the CEL variable `limit`: id, name
    Value root;

    Limit() = default;
    Limit(const Limit &) = delete;
    Limit &operator=(const Limit &) = delete;
    ~Limit() {
        for (Counted *program : conditions) drop(program);
        for (Counted *program : variables) drop(program);
        for (Counted *program : cost) drop(program);
        drop(const_cast<Calendar *>(quota.calendar));
    }

    // Whether it can make a request refuse.
    bool binding() const { return !shadow && !unlimited; }

    void seal() {
        root_entries[0] = {string_value("id", 2), text_or_null(has_id, id)};
        root_entries[1] = {string_value("name", 4), text_or_null(named, name)};
        root = map_value(root_entries, 2, true);
        Arena arena;
        WireWriter writer(&arena, 64);
        encode_current_limit(quota.max_value, quota.window_ns,
                             {name.data(), uint32_t(name.size())}, &writer);
        current_limit.assign(reinterpret_cast<const char *>(writer.data()), writer.size());
        header_text.seal(quota, named, name, digest);
    }

  private:
    static Value text_or_null(bool present, const std::string &text) {
        return present ? string_value(text.data(), uint32_t(text.size())) : null_value();
    }
};

struct LimitSet : Counted {
    std::string name;  // the namespace
    char tag[16];      // of its counters' keys in a store
    std::vector<std::unique_ptr<Limit>> limits;
    uint32_t authorized_calls = 0, authorized_hits = 0, reports = 0;  // series
    Counted *tree = nullptr;  // a DescriptorTree: the other way to configure a domain

    ~LimitSet() override { drop(tree); }

    // Files every limit; to be called once, after the last was added.
    void seal() {
        std::map<std::tuple<uint32_t, std::string, std::string>, uint32_t> shared;
        for (auto &limit : limits)
            for (auto &test : limit->tests) ++shared[{test.descriptor, test.key, test.value}];
        std::vector<std::pair<uint64_t, uint32_t>> filed;
        for (uint32_t i = 0; i < limits.size(); ++i) {
            std::vector<EqualityTest> &tests = limits[i]->tests;
            if (tests.empty()) { always_.push_back(i); continue; }
            uint32_t fewest = UINT32_MAX;
            for (uint32_t t = 0; t < tests.size(); ++t) {
                uint32_t count = shared[{tests[t].descriptor, tests[t].key, tests[t].value}];
                if (count < fewest) { fewest = count; limits[i]->filed_under = t; }
            }
            const EqualityTest &rarest = tests[limits[i]->filed_under];
            uint64_t hash = test_hash(rarest.descriptor, view(rarest.key), view(rarest.value));
            filed.push_back({hash, i});
        }
        std::sort(filed.begin(), filed.end());
        size_t slots = 8;
        while (slots < 2 * filed.size()) slots *= 2;
        slots_.assign(slots, Slot{0, 0, 0});
        for (size_t i = 0; i < filed.size();) {
            size_t end = i;
            uint32_t first = uint32_t(filed_.size());
            for (; end < filed.size() && filed[end].first == filed[i].first; ++end)
                filed_.push_back(filed[end].second);
            size_t at = filed[i].first & (slots - 1);
            while (slots_[at].count) at = (at + 1) & (slots - 1);
            slots_[at] = {filed[i].first, first, uint32_t(end - i)};
            i = end;
        }
    }

    // The limits whose tests all hold, each once, in the arena; false when it is exhausted. The
    // request is sealed: one entry per key, which is why no limit is met twice.
    bool collect(const RequestView &request, Arena *arena, const Limit ***found,
                 uint32_t *count) const {
        *found = nullptr;
        *count = 0;
        for (uint32_t number : always_)
            if (!push(limits[number].get(), arena, found, count)) return false;
        if (filed_.empty()) return true;
        for (uint32_t d = 0; d < request.count; ++d) {
            const DescriptorView &descriptor = request.descriptors[d];
            for (uint32_t e = 0; e < descriptor.count; ++e)
                if (!look_up(request, d, descriptor.entries[e], arena, found, count)) return false;
        }
        return true;
    }

  private:
    struct Slot {
        uint64_t hash;
        uint32_t first, count;  // a range of filed_; count 0 marks an empty slot
    };

    static TextView view(const std::string &text) { return {text.data(), uint32_t(text.size())}; }

    static bool push(const Limit *limit, Arena *arena, const Limit ***found, uint32_t *count) {
        if (!grow(arena, found, *count, UINT32_MAX)) return false;
        (*found)[(*count)++] = limit;
        return true;
    }

    // Two different tests may share a hash: the limit's own one decides.
    bool look_up(const RequestView &request, uint32_t descriptor, const Entry &entry, Arena *arena,
                 const Limit ***found, uint32_t *count) const {
        size_t mask = slots_.size() - 1;
        uint64_t hash = test_hash(descriptor, {entry.key.text, entry.key.size},
                                  {entry.value.text, entry.value.size});
        size_t at = hash & mask;
        while (slots_[at].count && slots_[at].hash != hash) at = (at + 1) & mask;
        for (uint32_t i = 0; i < slots_[at].count; ++i) {
            const Limit *limit = limits[filed_[slots_[at].first + i]].get();
            const EqualityTest &test = limit->tests[limit->filed_under];
            if (test.descriptor != descriptor || test.key.size() != entry.key.size ||
                std::memcmp(test.key.data(), entry.key.text, entry.key.size))
                continue;
            if (all_hold(*limit, request) && !push(limit, arena, found, count)) return false;
        }
        return true;
    }

    static bool all_hold(const Limit &limit, const RequestView &request) {
        for (auto &test : limit.tests)
            if (!test.holds(request)) return false;
        return true;
    }

    std::vector<uint32_t> always_;
    std::vector<uint32_t> filed_;
    std::vector<Slot> slots_;
};

// Namespaces by hash in 256 parts; a new index shares every part it did not change.
struct LimitIndex : Counted {
    struct Part : Counted {
        std::vector<std::pair<uint64_t, LimitSet *>> sets;  // ascending
        ~Part() override { for (auto &each : sets) drop(each.second); }
    };

    Part *parts[256] = {};

    explicit LimitIndex(const LimitIndex *previous) {
        if (!previous) return;
        for (int i = 0; i < 256; ++i) retain(parts[i] = previous->parts[i]);
    }
    ~LimitIndex() override { for (Part *part : parts) drop(part); }

    const LimitSet *find(TextView domain) const {
        uint64_t hash = mix_text(0, domain.text, domain.size);
        const Part *part = parts[hash >> 56];
        if (!part) return nullptr;
        auto at = std::lower_bound(part->sets.begin(), part->sets.end(), hash, before);
        for (; at != part->sets.end() && at->first == hash; ++at)
            if (same(at->second->name, domain)) return at->second;
        return nullptr;
    }

    // Puts a set (whose reference it takes over) under its name, or removes the name. For a new
    // index only, before it is published.
    void change(TextView name, LimitSet *set) {
        uint64_t hash = mix_text(0, name.text, name.size);
        Part *&part = parts[hash >> 56];
        if (!part) part = new Part;
        else if (part->refs.load() != 1) {
            Part *own = new Part;
            own->sets = part->sets;
            for (auto &each : own->sets) retain(each.second);
            drop(part);
            part = own;
        }
        auto at = std::lower_bound(part->sets.begin(), part->sets.end(), hash, before);
        while (at != part->sets.end() && at->first == hash && !same(at->second->name, name)) ++at;
        if (at != part->sets.end() && at->first == hash) {
            drop(at->second);
            at = part->sets.erase(at);
        }
        if (set) part->sets.insert(at, {hash, set});
    }

  private:
    static bool before(const std::pair<uint64_t, LimitSet *> &each, uint64_t hash) {
        return each.first < hash;
    }
    static bool same(const std::string &name, TextView text) {
        return name.size() == text.size && !std::memcmp(name.data(), text.text, text.size);
    }
};

// One entry per key: of a repeated key the last value stays. More than eight are put in order.
inline bool seal_entries(DescriptorView *view, Arena *arena) {
    Entry *entries = view->entries;
    uint32_t count = 0;
    auto same_key = [](const Entry &a, const Entry &b) {
        return !compare_text(a.key.text, a.key.size, b.key.text, b.key.size);
    };
    if (view->count <= 8) {
        for (uint32_t i = 0; i < view->count; ++i) {
            uint32_t at = 0;
            while (at < count && !same_key(entries[at], entries[i])) ++at;
            if (at == count) entries[count++] = entries[i];
            else entries[at].value = entries[i].value;
        }
        view->count = count;
        return true;
    }
    const Entry **order = static_cast<const Entry **>(arena->take(view->count * sizeof(Entry *)));
    Entry *sorted = static_cast<Entry *>(arena->take(view->count * sizeof(Entry)));
    if (!order || !sorted) return false;
    for (uint32_t i = 0; i < view->count; ++i) order[i] = &entries[i];
    std::sort(order, order + view->count, [](const Entry *a, const Entry *b) {
        int by_key = compare_text(a->key.text, a->key.size, b->key.text, b->key.size);
        return by_key ? by_key < 0 : a < b;
    });
    for (uint32_t i = 0; i < view->count; ++i) {
        if (count && same_key(sorted[count - 1], *order[i])) --count;
        sorted[count++] = *order[i];
    }
    view->entries = sorted;
    view->count = count;
    return true;
}

inline bool seal_request(RequestView *request, Arena *arena) {
    for (uint32_t i = 0; i < request->count; ++i)
        if (request->descriptors[i].count > 1 && !seal_entries(&request->descriptors[i], arena))
            return false;
    return true;
}

}  // namespace tollhouse
