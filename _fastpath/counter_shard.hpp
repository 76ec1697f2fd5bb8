// One shard of the counter table: a linear hash that grows and shrinks one bucket at a time.
//
// Every insert splits at most one bucket and every removal merges at most one, so no operation ever
// rehashes. Buckets live in segments of doubling size that never move. All members expect the
// shard's lock to be held.
#pragma once
#include <malloc.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>

#include "counter_state.hpp"

namespace tollhouse {

constexpr uint32_t DIGEST_SIZE = 16;

// Key: the limit's digest, then per variable value its size (4 bytes, native order) and its bytes.
struct Counter {
    Counter *next;
    uint64_t hash;
    CounterState state;
    uint32_t key_size;
    bool pinned;  // in use by the running decision: neither evicted nor swept
    char key[1];
};

inline uint64_t reverse_bits(uint64_t x) {
    x = __builtin_bswap64(x);
    x = (x >> 4 & 0x0f0f0f0f0f0f0f0fu) | (x & 0x0f0f0f0f0f0f0f0fu) << 4;
    x = (x >> 2 & 0x3333333333333333u) | (x & 0x3333333333333333u) << 2;
    return (x >> 1 & 0x5555555555555555u) | (x & 0x5555555555555555u) << 1;
}

class alignas(64) CounterShard {
  public:
    static constexpr uint64_t BASE = 16;  // buckets of the first segment, and the fewest ever
    static constexpr int SEGMENTS = 40, SAMPLE = 8;

    std::mutex lock;
    uint64_t size = 0, evicted = 0, reclaimed = 0, bytes = 0;
    uint32_t operations = 0;

    CounterShard() { segments_[0] = new_segment(0); }
    ~CounterShard() {
        for (uint64_t b = 0; b < buckets_; ++b)
            for (Counter *c = *bucket(b); c;) { Counter *next = c->next; destroy(c); c = next; }
        for (Counter **segment : segments_) std::free(segment);
    }

    Counter *find(uint64_t hash, const char *key, uint32_t key_size) {
        for (Counter *c = *bucket(bucket_of(hash)); c; c = c->next)
            if (c->hash == hash && c->key_size == key_size && !std::memcmp(c->key, key, key_size))
                return c;
        return nullptr;
    }

    // A new counter that counts nothing yet, or null when the heap is exhausted.
    Counter *insert(uint64_t hash, const char *key, uint32_t key_size, const Quota &quota) {
        size_t wanted = offsetof(Counter, key) + key_size;
        if (wanted < sizeof(Counter)) wanted = sizeof(Counter);
        Counter *c = static_cast<Counter *>(std::malloc(wanted));
        if (!c) return nullptr;
        c->state = CounterState{};
        c->state.algorithm = quota.algorithm;
        if (quota.algorithm == CONCURRENCY) {
            Slots *slots = new (std::nothrow) Slots(cut_window(quota));
            if (!slots) { std::free(c); return nullptr; }
            c->state.extra = reinterpret_cast<uint64_t>(slots);
        }
        Counter **head = bucket(bucket_of(hash));
        c->next = *head;
        c->hash = hash;
        c->key_size = key_size;
        c->pinned = false;
        std::memcpy(c->key, key, key_size);
        *head = c;
        ++size;
        bytes += heap_size(c);
        if (size > buckets_) split();
        return c;
    }

    void erase(Counter *gone) {
        Counter **at = bucket(bucket_of(gone->hash));
        while (*at != gone) at = &(*at)->next;
        unlink(at);
        shrink();
    }

    // Frees the counter nearest its expiry among the next SAMPLE ones; false if all are pinned.
    bool evict(Clock clock) {
        Counter *nearest = nullptr;
        int seen = 0;
        for (uint64_t step = 0; step < buckets_ && seen < SAMPLE; ++step) {
            evict_at_ = evict_at_ + 1 < buckets_ ? evict_at_ + 1 : 0;
            for (Counter *c = *bucket(evict_at_); c && seen < SAMPLE; c = c->next) {
                if (c->pinned) continue;
                ++seen;
                if (!nearest || c->state.left(clock) < nearest->state.left(clock)) nearest = c;
            }
        }
        if (!nearest) return false;
        ++(nearest->state.live(clock) ? evicted : reclaimed);
        erase(nearest);
        return true;
    }

    // Frees the expired counters of the next `count` buckets; returns how many.
    uint64_t sweep(Clock clock, uint64_t count) {
        uint64_t before = size;
        if (count > buckets_) count = buckets_;
        while (count--) {
            sweep_at_ = sweep_at_ + 1 < buckets_ ? sweep_at_ + 1 : 0;
            for (Counter **at = bucket(sweep_at_); *at;) {
                if ((*at)->state.left(clock) <= 0 && !(*at)->pinned) unlink(at);
                else at = &(*at)->next;
            }
            shrink();
        }
        reclaimed += before - size;
        return before - size;
    }

    // Visits the bucket that holds `position` in the order of reversed hash bits and returns the
    // position after it, 0 at the end. A split or merge between two visits cuts or joins ranges of
    // that order, so a walk meets every counter that stays exactly once. visit() returns true to
    // delete the counter.
    template <class Visit> uint64_t walk(uint64_t position, Visit visit) {
        uint64_t number = bucket_of(reverse_bits(position));
        uint64_t half = (mask_ + 1) >> 1;
        int bits = 64 - __builtin_clzll(mask_);
        if (number >= buckets_ - half && number < half) --bits;
        for (Counter **at = bucket(number); *at;) {
            if (reverse_bits((*at)->hash) >= position && visit(**at)) unlink(at);
            else at = &(*at)->next;
        }
        shrink();
        return (position | (UINT64_MAX >> bits)) + 1;
    }

  private:
    static size_t heap_size(Counter *c) {
        Slots *slots = c->state.slots();
        return malloc_usable_size(c) + sizeof(size_t) +
               (slots ? malloc_usable_size(slots) + sizeof(size_t) : 0);
    }

    static void destroy(Counter *c) {
        delete c->state.slots();
        std::free(c);
    }
    static uint64_t segment_size(int number) { return number ? BASE << (number - 1) : BASE; }
    static int segment_of(uint64_t number) {
        return number < BASE ? 0 : 64 - __builtin_clzll(number / BASE);
    }

    Counter **new_segment(int number) {
        void *segment = std::calloc(segment_size(number), sizeof(Counter *));
        if (segment) bytes += segment_size(number) * sizeof(Counter *);
        return static_cast<Counter **>(segment);
    }

    uint64_t bucket_of(uint64_t hash) const {
        uint64_t number = hash & mask_;
        return number < buckets_ ? number : hash & (mask_ >> 1);
    }

    Counter **bucket(uint64_t number) {
        int segment = segment_of(number);
        return &segments_[segment][segment ? number - segment_size(segment) : number];
    }

    void unlink(Counter **at) {
        Counter *gone = *at;
        *at = gone->next;
        bytes -= heap_size(gone);
        --size;
        destroy(gone);
    }

    // Without memory for a new segment the chains grow longer instead.
    void split() {
        int segment = segment_of(buckets_);
        if (segment >= SEGMENTS) return;
        if (!segments_[segment] && !(segments_[segment] = new_segment(segment))) return;
        uint64_t fresh = buckets_++;
        if (fresh > mask_) mask_ = mask_ << 1 | 1;
        Counter **to = bucket(fresh);
        *to = nullptr;
        for (Counter **at = bucket(fresh & (mask_ >> 1)); *at;) {
            Counter *c = *at;
            if (bucket_of(c->hash) != fresh) { at = &c->next; continue; }
            *at = c->next;
            c->next = *to;
            *to = c;
        }
    }

    // At a quarter full the last buckets go back into the ones they were split from.
    void shrink() {
        for (int step = 0; step < 2 && buckets_ > BASE && size < buckets_ / 4; ++step) {
            uint64_t last = buckets_ - 1;
            Counter *chain = *bucket(last);
            *bucket(last) = nullptr;
            Counter **at = bucket(last & (mask_ >> 1));
            while (*at) at = &(*at)->next;
            *at = chain;
            buckets_ = last;
            if (last == (mask_ + 1) >> 1) {
                mask_ >>= 1;
                int segment = segment_of(last);
                std::free(segments_[segment]);
                segments_[segment] = nullptr;
                bytes -= segment_size(segment) * sizeof(Counter *);
            }
        }
    }

    Counter **segments_[SEGMENTS] = {};
    uint64_t buckets_ = BASE, mask_ = BASE - 1;
    uint64_t sweep_at_ = 0, evict_at_ = 0;
};

}  // namespace tollhouse
