// The descriptors of one domain as a tree, and the limit that a descriptor of a request meets.
//
// Siblings are told apart by one text, `key_value` or `key`. Each level files them by a hash of it,
// unkeyed on purpose: peers choose what is looked up, never what is filed.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "counted.hpp"
#include "counters.hpp"
#include "limit_index.hpp"
#include "rls_codec.hpp"

namespace tollhouse {

constexpr uint32_t STATISTICS_OF_LIMIT = 5;

inline TextView text_of(const std::string &text) { return {text.data(), uint32_t(text.size())}; }
inline TextView text_of(const Value &value) { return {value.text, value.size}; }

// What deciding reads of a limit, whether configured or sent with a request.
struct LimitFacts {
    const char *digest;
    const Quota *quota;
    uint64_t near;
    bool unlimited, shadow, quota_mode;
    uint32_t name;              // a number within the domain; 0 for no name
    TextView current_limit;     // encoded RateLimit of its status
    TextView max_text;          // "10"
    const uint32_t *series;     // null where the name of the statistics is made per request
};

// The hits from which a limit counts as near, in the single precision of envoyproxy/ratelimit.
inline uint64_t near_limit(uint32_t requests, float ratio) {
    return uint64_t(std::floor(double(float(requests) * ratio)));
}

struct DescriptorLimit {
    char digest[DIGEST_SIZE];
    Quota quota;
    std::string name, current_limit, max_text;
    uint32_t series[STATISTICS_OF_LIMIT];
    std::vector<uint32_t> replaces;
    bool detailed = false;
    LimitFacts facts{};

    // Once all else is set; `facts` points into this object, which stays where it is.
    void seal() {
        Arena arena;
        WireWriter writer(&arena, 64);
        encode_current_limit(quota.max_value, quota.window_ns, text_of(name), &writer);
        current_limit.assign(reinterpret_cast<const char *>(writer.data()), writer.size());
        max_text = std::to_string(quota.max_value);
        facts.digest = digest;
        facts.quota = &quota;
        facts.current_limit = text_of(current_limit);
        facts.max_text = text_of(max_text);
        facts.series = series;
    }
};

struct DescriptorNode;

struct DescriptorLevel {
    std::vector<std::unique_ptr<DescriptorNode>> nodes;
    std::vector<std::pair<uint64_t, const DescriptorNode *>> filed;  // ascending
    std::vector<const DescriptorNode *> wildcards;                   // in order of the file

    inline void seal();
    inline const DescriptorNode *exact(TextView text) const;
    inline const DescriptorNode *wildcard(TextView text) const;
};

struct DescriptorNode {
    std::string key, composite;
    std::vector<std::string> pieces;  // between the stars; empty for no wildcard
    bool value_to_metric = false, share_threshold = false;
    std::unique_ptr<DescriptorLimit> limit;
    DescriptorLevel children;
};

// Whether `text` is `pieces` with anything, also nothing, between them.
inline bool star_match(const std::vector<std::string> &pieces, TextView text) {
    const std::string &first = pieces.front(), &last = pieces.back();
    if (text.size < first.size() + last.size()) return false;
    const char *at = text.text, *end = text.text + text.size;
    if (std::memcmp(at, first.data(), first.size())) return false;
    at += first.size();
    end -= last.size();
    if (std::memcmp(end, last.data(), last.size())) return false;
    for (size_t i = 1; i + 1 < pieces.size(); ++i) {
        const void *found = memmem(at, size_t(end - at), pieces[i].data(), pieces[i].size());
        if (!found) return false;
        at = static_cast<const char *>(found) + pieces[i].size();
    }
    return true;
}

inline void DescriptorLevel::seal() {
    for (auto &node : nodes) {
        TextView text = text_of(node->composite);
        filed.push_back({mix_text(0, text.text, text.size), node.get()});
        if (!node->pieces.empty()) wildcards.push_back(node.get());
    }
    std::sort(filed.begin(), filed.end());
}

inline const DescriptorNode *DescriptorLevel::exact(TextView text) const {
    if (filed.empty()) return nullptr;
    std::pair<uint64_t, const DescriptorNode *> sought{mix_text(0, text.text, text.size), nullptr};
    auto at = std::lower_bound(filed.begin(), filed.end(), sought);
    for (; at != filed.end() && at->first == sought.first; ++at) {
        const std::string &known = at->second->composite;
        if (known.size() == text.size && !std::memcmp(known.data(), text.text, text.size))
            return at->second;
    }
    return nullptr;
}

inline const DescriptorNode *DescriptorLevel::wildcard(TextView text) const {
    for (const DescriptorNode *node : wildcards)
        if (star_match(node->pieces, text)) return node;
    return nullptr;
}

// How one entry met its node.
struct DescriptorStep {
    const DescriptorNode *node;  // null in a limit that came with the request
    TextView key, value;
    bool by_wildcard, by_value;

    // What of the node's text stands for the value.
    TextView wildcard() const {
        TextView text = text_of(node->composite);
        uint32_t head = key.size + 1;
        if (text.size < head || text.text[key.size] != '_' ||
            std::memcmp(text.text, key.text, key.size))
            return text;
        return {text.text + head, text.size - head};
    }

    bool shares() const {
        return node && by_wildcard && node->share_threshold && wildcard().size;
    }

    TextView counted() const { return shares() ? wildcard() : value; }

    // What of the value the statistics tell.
    TextView shown() const {
        if (!node) return value;
        if (by_wildcard)
            return !shares() && node->value_to_metric ? value : wildcard();
        return by_value || node->value_to_metric ? value : TextView{"", 0};
    }

    // Whether the statistics' name has the text of the configuration here.
    bool configured() const {
        TextView told = shown(), text = text_of(node->composite);
        if (text.size < key.size || std::memcmp(text.text, key.text, key.size)) return false;
        if (!told.size) return text.size == key.size;
        return text.size == uint64_t(key.size) + 1 + told.size && text.text[key.size] == '_' &&
               !std::memcmp(text.text + key.size + 1, told.text, told.size);
    }
};

struct DescriptorMatch {
    const DescriptorLimit *limit;
    DescriptorStep *steps;
    uint32_t count;
};

// The limit at exactly the depth of these entries; false when the arena is exhausted.
inline bool match_descriptor(const DescriptorLevel *level, const DescriptorView &view, Arena *arena,
                             DescriptorMatch *out) {
    *out = {nullptr, nullptr, 0};
    if (!view.count || level->nodes.empty()) return true;
    out->steps = static_cast<DescriptorStep *>(arena->take(view.count * sizeof(DescriptorStep)));
    if (!out->steps) return false;
    const DescriptorNode *node = nullptr;
    for (uint32_t i = 0; i < view.count; ++i, level = &node->children) {
        TextView key = text_of(view.entries[i].key), value = text_of(view.entries[i].value);
        if (level->nodes.empty()) return true;
        size_t size = size_t(key.size) + 1 + value.size;
        char *joined = static_cast<char *>(arena->take(size));
        if (!joined || size > UINT32_MAX) return false;
        std::memcpy(joined, key.text, key.size);
        joined[key.size] = '_';
        std::memcpy(joined + key.size + 1, value.text, value.size);
        TextView text{joined, uint32_t(size)};
        bool by_wildcard = false, by_value = true;
        node = level->exact(text);
        if (!node) by_wildcard = (node = level->wildcard(text)) != nullptr;
        if (!node) {
            by_value = false;
            node = level->exact(key);
        }
        if (!node) return true;
        out->steps[i] = {node, key, value, by_wildcard, by_value};
    }
    out->count = view.count;
    out->limit = node->limit.get();
    return true;
}

// The steps of a descriptor whose limit came with the request; false when the arena is exhausted.
inline bool plain_steps(const DescriptorView &view, Arena *arena, DescriptorMatch *out) {
    *out = {nullptr, nullptr, view.count};
    out->steps = static_cast<DescriptorStep *>(arena->take(view.count * sizeof(DescriptorStep)));
    if (!out->steps) return view.count == 0;
    for (uint32_t i = 0; i < view.count; ++i)
        out->steps[i] = {nullptr, text_of(view.entries[i].key), text_of(view.entries[i].value),
                         false, true};
    return true;
}

// Key and value of each entry in turn, behind the digest; false when the arena is exhausted.
inline bool descriptor_key(const char *digest, const DescriptorMatch &match, Arena *arena,
                           CounterHit *hit) {
    size_t size = DIGEST_SIZE;
    for (uint32_t i = 0; i < match.count; ++i) {
        TextView key = match.steps[i].key, value = match.steps[i].counted();
        size += key_value_size(key.text, key.size) + key_value_size(value.text, value.size);
    }
    char *to = static_cast<char *>(arena->take(size));
    if (!to || size > UINT32_MAX) return false;
    hit->key = to;
    hit->key_size = uint32_t(size);
    std::memcpy(to, digest, DIGEST_SIZE);
    to += DIGEST_SIZE;
    for (uint32_t i = 0; i < match.count; ++i) {
        TextView key = match.steps[i].key, value = match.steps[i].counted();
        to = write_key_value(to, key.text, key.size);
        to = write_key_value(to, value.text, value.size);
    }
    return true;
}

// Whether the limit's hits count under its configured name, which needs no text per request.
inline bool configured_statistics(const DescriptorMatch &match) {
    if (!match.limit || match.limit->detailed) return false;
    for (uint32_t i = 0; i < match.count; ++i)
        if (!match.steps[i].configured()) return false;
    return true;
}

// The name that a limit's hits count under; its text is null when the arena is exhausted.
inline TextView statistics_name(TextView domain, const DescriptorMatch &match, Arena *arena) {
    bool detailed = match.limit && match.limit->detailed, shared = false;
    size_t size = domain.size + 1;
    for (uint32_t i = 0; i < match.count; ++i) {
        const DescriptorStep &step = match.steps[i];
        shared |= step.shares();
        size += size_t(step.key.size) + 2 + std::max(step.value.size, step.counted().size);
        if (step.node) size += step.node->composite.size();
    }
    char *start = static_cast<char *>(arena->take(size)), *to = start;
    if (!start || size > UINT32_MAX) return {nullptr, 0};
    auto add = [&](TextView text) {
        std::memcpy(to, text.text, text.size);
        to += text.size;
    };
    add(domain);
    if (!match.count) *to++ = '.';
    for (uint32_t i = 0; i < match.count; ++i) {
        const DescriptorStep &step = match.steps[i];
        TextView told = detailed ? step.counted() : step.shown();
        *to++ = '.';
        add(step.key);
        if (told.size || (detailed && !shared)) {
            *to++ = '_';
            add(told);
        }
    }
    return {start, uint32_t(to - start)};
}

// One domain. Immutable once built.
struct DescriptorTree : Counted {
    DescriptorLevel root;
    uint32_t names = 0;                   // of limits, numbered from 1
    char override_digests[8][DIGEST_SIZE];  // by RateLimitUnit; 0 is unused
};

}  // namespace tollhouse
