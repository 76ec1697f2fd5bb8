// Response headers that tell a client its limits: three families, and Retry-After.
//
// What a limit contributes is made once, when its set is built (HeaderText); an answer copies it
// behind each other and adds the numbers. ratelimit/headers.py writes the same bytes.
#pragma once
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <string>

#include "arena.hpp"
#include "quota.hpp"
#include "rls_codec.hpp"

namespace tollhouse {

enum HeaderFamily : uint8_t { NO_FAMILY = 0, DRAFT_VERSION_03 = 1, RATELIMIT = 2, IETF = 3 };

struct HeaderSettings {
    HeaderFamily family = NO_FAMILY;
    bool retry_after = false;
};

constexpr uint32_t MOST_HEADERS = 4;                // of one answer
constexpr uint64_t MOST_INTEGER = 999999999999999;  // of structured fields, RFC 9651 section 3.3.1

// Whole seconds, rounded up, so that nobody comes back too early.
inline uint64_t seconds_up(int64_t ns) {
    return uint64_t(ns / NANOSECONDS) + (ns % NANOSECONDS != 0);
}

// Constant text of one limit in each family.
struct HeaderText {
    std::string max;      // "10"
    std::string draft03;  // ", 10;w=60;name=\"per user\""
    std::string item;     // "\"per user\""
    std::string policy;   // "\"per user\";q=10;w=60"
    bool concurrent = false;

    // digest: names a limit that has no name, or an empty one, in the family IETF.
    void seal(const Quota &quota, bool named, const std::string &name, const char *digest) {
        std::string window = std::to_string(seconds_up(quota.window_ns));
        concurrent = quota.algorithm == CONCURRENCY;
        max = std::to_string(quota.max_value);
        draft03 = ", " + max + ";w=" + window;
        if (named) draft03 += ";name=\"" + single_quoted(name) + '"';
        item = '"' + (name.empty() ? "limit-" + hex(digest, 4) : escaped(name)) + '"';
        policy = item + ";q=" + std::to_string(std::min(quota.max_value, MOST_INTEGER));
        if (concurrent) policy += ";qu=\"concurrent-requests\"";
        else if (quota.window_ns) policy += ";w=" + window;
    }

  private:
    static std::string single_quoted(const std::string &name) {
        std::string made;
        for (char c : name) made += c == '"' ? '\'' : uint8_t(c) < 0x20 || c == 0x7f ? ' ' : c;
        return made;
    }

    // A String of RFC 9651 holds printable ASCII; other bytes are written as %xx.
    static std::string escaped(const std::string &name) {
        std::string made;
        for (char c : name) {
            if (c == '"' || c == '\\') made += '\\';
            if (uint8_t(c) < 0x20 || uint8_t(c) > 0x7e) made += '%' + hex(&c, 1);
            else made += c;
        }
        return made;
    }

    static std::string hex(const char *bytes, size_t count) {
        std::string made;
        for (size_t i = 0; i < count; ++i) {
            made += "0123456789abcdef"[uint8_t(bytes[i]) >> 4];
            made += "0123456789abcdef"[uint8_t(bytes[i]) & 15];
        }
        return made;
    }
};

// One limit of an answer; refuses: it is why the request is refused, or one of the reasons.
struct ShownLimit {
    const HeaderText *text;
    uint64_t remaining;
    int64_t reset_ns, retry_ns;
    bool refuses;
};

// Text in the arena whose size is known to be at most `bound`.
class HeaderValue {
  public:
    HeaderValue(Arena *arena, size_t bound)
        : text_(bound > UINT32_MAX ? nullptr : static_cast<char *>(arena->take(bound))) {}

    bool failed() const { return !text_; }
    void add(const std::string &text) { add(text.data(), text.size()); }
    void add(const char *text, size_t size) {
        std::memcpy(text_ + size_, text, size);
        size_ += size;
    }
    void add(uint64_t number) {
        size_ = size_t(std::to_chars(text_ + size_, text_ + size_ + 20, number).ptr - text_);
    }
    TextView view() const { return {text_, uint32_t(size_)}; }

  private:
    char *text_;
    size_t size_ = 0;
};

// Writes the headers of one answer; every method is false when the arena is exhausted.
class HeaderWriter {
  public:
    HeaderWriter(const HeaderSettings &settings, Arena *arena, HeaderView *out)
        : settings_(settings), arena_(arena), out_(out) {}

    uint32_t count() const { return count_; }

    bool write(const ShownLimit *shown, uint32_t count) {
        if (!count) return true;
        bool written = true;
        switch (settings_.family) {
            case NO_FAMILY: break;
            case DRAFT_VERSION_03: written = draft03(shown, count); break;
            case RATELIMIT: written = single(*shown); break;
            case IETF: written = policies(shown, count) && limits(shown, count); break;
        }
        return written && (!settings_.retry_after || retry_after(shown, count));
    }

  private:
    bool draft03(const ShownLimit *shown, uint32_t count) {
        size_t size = shown->text->max.size();
        for (uint32_t i = 0; i < count; ++i) size += shown[i].text->draft03.size();
        HeaderValue value(arena_, size);
        if (value.failed()) return false;
        value.add(shown->text->max);
        for (uint32_t i = 0; i < count; ++i) value.add(shown[i].text->draft03);
        put("X-RateLimit-Limit", value.view());
        return number("X-RateLimit-Remaining", shown->remaining) &&
               number("X-RateLimit-Reset", uint64_t(shown->reset_ns / NANOSECONDS));
    }

    bool single(const ShownLimit &shown) {
        const std::string &max = shown.text->max;
        put("RateLimit-Limit", {max.data(), uint32_t(max.size())});
        return number("RateLimit-Remaining", shown.remaining) &&
               number("RateLimit-Reset", seconds_up(shown.reset_ns));
    }

    bool policies(const ShownLimit *shown, uint32_t count) {
        size_t size = 0;
        for (uint32_t i = 0; i < count; ++i) size += shown[i].text->policy.size() + 2;
        HeaderValue value(arena_, size);
        if (value.failed()) return false;
        for (uint32_t i = 0; i < count; ++i) {
            if (i) value.add(", ", 2);
            value.add(shown[i].text->policy);
        }
        put("RateLimit-Policy", value.view());
        return true;
    }

    bool limits(const ShownLimit *shown, uint32_t count) {
        size_t size = 0;
        for (uint32_t i = 0; i < count; ++i) size += shown[i].text->item.size() + 48;
        HeaderValue value(arena_, size);
        if (value.failed()) return false;
        for (uint32_t i = 0; i < count; ++i) {
            const ShownLimit &limit = shown[i];
            if (i) value.add(", ", 2);
            value.add(limit.text->item);
            value.add(";r=", 3);
            value.add(std::min(limit.remaining, MOST_INTEGER));
            value.add(";t=", 3);
            value.add(seconds_up(std::min(limit.reset_ns, wait(limit))));
        }
        put("RateLimit", value.view());
        return true;
    }

    // The longest wait among the limits that refuse; none where waiting does not help.
    bool retry_after(const ShownLimit *shown, uint32_t count) {
        uint64_t seconds = 0;
        for (uint32_t i = 0; i < count; ++i) {
            if (!shown[i].refuses) continue;
            if (shown[i].retry_ns == INT64_MAX) return true;
            seconds = std::max({seconds, uint64_t(1), seconds_up(wait(shown[i]))});
        }
        return !seconds || number("Retry-After", seconds);
    }

    // A slot may be given back at any time, long before its lease ends.
    static int64_t wait(const ShownLimit &limit) {
        if (!limit.refuses) return INT64_MAX;
        return limit.text->concurrent ? std::min(limit.retry_ns, NANOSECONDS) : limit.retry_ns;
    }

    bool number(const char *name, uint64_t value) {
        HeaderValue text(arena_, 20);
        if (text.failed()) return false;
        text.add(value);
        put(name, text.view());
        return true;
    }

    void put(const char *name, TextView value) {
        out_[count_++] = {{name, uint32_t(std::strlen(name))}, value};
    }

    const HeaderSettings &settings_;
    Arena *arena_;
    HeaderView *out_;
    uint32_t count_ = 0;
};

// shown: from the most restrictive. out: room for MOST_HEADERS; the views point into the arena and
// the limits. False when the arena is exhausted.
inline bool write_headers(const HeaderSettings &settings, const ShownLimit *shown, uint32_t count,
                          Arena *arena, HeaderView *out, uint32_t *written) {
    HeaderWriter writer(settings, arena, out);
    bool done = writer.write(shown, count);
    *written = writer.count();
    return done;
}

}  // namespace tollhouse
