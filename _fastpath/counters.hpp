// The counter table: decisions over several counters as one step, listing, removal.
//
// A decision locks the shards of its counters in ascending order, checks all, creates what is
// missing, then adds to all. Shards are chosen by the high bits of a keyed hash, buckets by the low
// ones. A table never holds more than its bound: past it a new counter first evicts one of its own
// shard, and where nothing can give way the decision fails; it is never let through uncounted.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <vector>

#include "clock.hpp"
#include "counter_shard.hpp"
#include "quota.hpp"
#include "siphash.hpp"

namespace tollhouse {

enum HitMode { CHECK_AND_ADD = 0, CHECK = 1, ADD = 2 };
enum Decision { FITS = 0, REFUSED = 1, NO_ROOM = 2 };

struct CounterHit {
    const char *key;  // as Counter::key
    uint32_t key_size;
    const Quota *quota;
    uint64_t amount;
    bool give_back;
    bool binding;        // a hit that is not never makes the decision refuse
    bool always;         // charged also when the decision refuses
    bool fits;           // out: value + amount <= max_value
    uint64_t remaining;  // out, see counters.pyi
    int64_t reset_ns;    // out
    int64_t retry_ns;    // out
    uint64_t hash;       // the table's own from here on
    uint64_t after;
    Counter *counter;
    bool created;
    bool charged;
};

// A value of more than 1024 bytes is kept as its beginning and a keyed digest, so that no peer can
// make one counter take megabytes; it still has a counter of its own.
constexpr uint32_t LONGEST_VALUE = 1024, KEPT_OF_LONG_VALUE = 960;

inline uint32_t kept_of_value(const char *text, uint32_t size) {
    if (size <= LONGEST_VALUE) return size;
    uint32_t kept = KEPT_OF_LONG_VALUE;
    while (kept && (text[kept] & 0xc0) == 0x80) --kept;  // not inside a character
    return kept;
}

// Bytes that write_key_value takes for this value.
inline uint32_t key_value_size(const char *text, uint32_t size) {
    return 4 + kept_of_value(text, size) + (size > LONGEST_VALUE ? 33 : 0);
}

inline char *write_key_value(char *to, const char *text, uint32_t size) {
    uint32_t kept = kept_of_value(text, size), written = key_value_size(text, size) - 4;
    std::memcpy(to, &written, 4);
    if (kept) std::memcpy(to + 4, text, kept);
    to += 4 + kept;
    if (size <= LONGEST_VALUE) return to;
    HashKey key = process_hash_key();
    *to++ = '#';
    for (int half = 0; half < 2; ++half, ++key.first) {
        uint64_t digest = siphash(key, text, size);
        for (int i = 0; i < 16; ++i, digest >>= 4) *to++ = "0123456789abcdef"[digest & 15];
    }
    return to;
}

struct ListedCounter {
    std::vector<char> key;
    uint64_t value;
    int64_t reset_ns;
};

struct TableStats {
    uint64_t size, bytes, evicted, reclaimed;
};

class CounterTable {
  public:
    explicit CounterTable(uint64_t max_counters) : bound_(max_counters) {
        uint32_t shards = 1;
        while (shards < 64 && max_counters / (shards * 2) >= 256) shards *= 2;
        shift_ = 58;
        shard_mask_ = shards - 1;
        shards_.reset(new CounterShard[shards]);
    }

    Decision decide(CounterHit *hits, size_t count, Clock clock, HitMode mode) {
        int64_t now = clock.mono_ns;
        uint64_t used = 0;
        for (size_t i = 0; i < count; ++i) {
            hits[i].hash = siphash(process_hash_key(), hits[i].key, hits[i].key_size);
            used |= uint64_t(1) << shard_number(hits[i].hash);
        }
        for (uint64_t rest = used; rest; rest &= rest - 1)
            shards_[__builtin_ctzll(rest)].lock.lock();
        bool all_fit = true, any_always = false;
        for (size_t i = 0; i < count; ++i) {
            all_fit &= check(hits[i], now, mode) || !hits[i].binding;
            any_always |= hits[i].always;
        }
        Decision decision = all_fit ? FITS : REFUSED;
        bool all = mode == ADD || all_fit;
        if (mode != CHECK && (all || any_always))
            if (!charge(hits, count, now, all)) decision = NO_ROOM;
        for (uint64_t rest = used; rest; rest &= rest - 1) {
            CounterShard &shard = shards_[__builtin_ctzll(rest)];
            if ((++shard.operations & 15) == 0) forget(shard.sweep(now, 1));
            shard.lock.unlock();
        }
        return decision;
    }

    // One slice of live counters from cursor (shard, position); at the end both are 0.
    // `digests`: count x 16 bytes, sorted; null lists all.
    void list(const char *digests, size_t count, Clock clock, uint32_t *shard_at,
              uint64_t *position, uint64_t steps, std::vector<ListedCounter> *out) {
        int64_t now = clock.mono_ns;
        slice(shard_at, position, steps, [&](Counter &c) {
            if (c.state.expires_ns <= now || !named(digests, count, c.key)) return false;
            out->push_back({std::vector<char>(c.key, c.key + c.key_size), c.state.value,
                            c.state.expires_ns - now});
            return false;
        });
    }

    uint64_t remove(const char *digests, size_t count) {
        uint64_t removed = 0, position = 0;
        uint32_t shard_at = 0;
        do {
            slice(&shard_at, &position, 1000, [&](Counter &c) {
                bool gone = named(digests, count, c.key);
                removed += gone;
                return gone;
            });
        } while (shard_at || position);
        return removed;
    }

    bool reset(const char *key, uint32_t key_size) {
        uint64_t hash = siphash(process_hash_key(), key, key_size);
        CounterShard &shard = shards_[shard_number(hash)];
        std::lock_guard<std::mutex> hold(shard.lock);
        Counter *counter = shard.find(hash, key, key_size);
        if (counter) { shard.erase(counter); forget(1); }
        return counter;
    }

    uint64_t sweep(int64_t now, uint64_t buckets) {
        uint64_t freed = 0;
        for (uint32_t i = 0; i <= shard_mask_; ++i) {
            std::lock_guard<std::mutex> hold(shards_[i].lock);
            freed += shards_[i].sweep(now, buckets);
        }
        forget(freed);
        return freed;
    }

    TableStats stats() {
        TableStats sum{0, sizeof *this + (shard_mask_ + 1) * sizeof(CounterShard), 0, 0};
        for (uint32_t i = 0; i <= shard_mask_; ++i) {
            std::lock_guard<std::mutex> hold(shards_[i].lock);
            sum.size += shards_[i].size;
            sum.bytes += shards_[i].bytes;
            sum.evicted += shards_[i].evicted;
            sum.reclaimed += shards_[i].reclaimed;
        }
        return sum;
    }

    uint64_t size() const { return size_.load(std::memory_order_relaxed); }

  private:
    uint32_t shard_number(uint64_t hash) const { return uint32_t(hash >> shift_) & shard_mask_; }

    void forget(uint64_t count) { if (count) size_.fetch_sub(count, std::memory_order_relaxed); }

    bool check(CounterHit &hit, int64_t now, HitMode mode) {
        hit.counter = shards_[shard_number(hit.hash)].find(hit.hash, hit.key, hit.key_size);
        hit.created = false;
        bool live = hit.counter && hit.counter->state.expires_ns > now;
        uint64_t value = live ? hit.counter->state.value : 0;
        hit.reset_ns = live ? hit.counter->state.expires_ns - now : hit.quota->window_ns;
        if (hit.give_back) {
            hit.after = value > hit.amount ? value - hit.amount : 0;
            hit.fits = true;
        } else {
            bool overflow = __builtin_add_overflow(value, hit.amount, &hit.after);
            if (overflow) hit.after = UINT64_MAX;
            hit.fits = !overflow && hit.after <= hit.quota->max_value;
        }
        hit.retry_ns = hit.fits ? 0
            : hit.amount > hit.quota->max_value ? INT64_MAX : hit.reset_ns;
        uint64_t shown = mode == CHECK ? value : hit.after;
        hit.remaining = hit.quota->max_value > shown ? hit.quota->max_value - shown : 0;
        return hit.fits;
    }

    // Charges all hits, or those that are charged always.
    bool charge(CounterHit *hits, size_t count, int64_t now, bool all) {
        bool missing = false;
        for (size_t i = 0; i < count; ++i) {
            hits[i].charged = all || hits[i].always;
            missing |= !hits[i].counter && opens_window(hits[i]);
        }
        if (missing && !create_missing(hits, count, now)) return false;
        for (size_t i = 0; i < count; ++i) {
            CounterHit &hit = hits[i];
            if (!hit.counter || !hit.amount || !hit.charged) continue;
            CounterState &state = hit.counter->state;
            if (state.expires_ns > now && !hit.created) { state.value = hit.after; continue; }
            if (!opens_window(hit)) continue;
            state.value = hit.after;
            if (__builtin_add_overflow(now, hit.quota->window_ns, &state.expires_ns))
                state.expires_ns = INT64_MAX;
        }
        return true;
    }

    static bool opens_window(const CounterHit &hit) {
        return hit.charged && hit.amount && !hit.give_back && hit.quota->window_ns > 0;
    }

    bool create_missing(CounterHit *hits, size_t count, int64_t now) {
        for (size_t i = 0; i < count; ++i) if (hits[i].counter) hits[i].counter->pinned = true;
        bool done = true;
        for (size_t i = 0; i < count && done; ++i)
            if (!hits[i].counter && opens_window(hits[i])) done = create(hits[i], now);
        for (size_t i = 0; i < count; ++i) {
            CounterHit &hit = hits[i];
            if (hit.counter) hit.counter->pinned = false;
            if (!done && hit.created) {
                shards_[shard_number(hit.hash)].erase(hit.counter);
                hit.counter = nullptr;
                forget(1);
            }
        }
        return done;
    }

    bool create(CounterHit &hit, int64_t now) {
        CounterShard &shard = shards_[shard_number(hit.hash)];
        forget(shard.sweep(now, 4));
        if (size_.fetch_add(1, std::memory_order_relaxed) >= bound_) {
            if (!shard.evict(now)) { forget(1); return false; }
            forget(1);
        }
        hit.counter = shard.insert(hit.hash, hit.key, hit.key_size);
        if (!hit.counter) { forget(1); return false; }
        hit.counter->pinned = hit.created = true;
        return true;
    }

    static bool named(const char *digests, size_t count, const char *digest) {
        if (!digests) return true;
        size_t low = 0, high = count;
        while (low < high) {
            size_t middle = (low + high) / 2;
            int order = std::memcmp(digests + middle * DIGEST_SIZE, digest, DIGEST_SIZE);
            if (!order) return true;
            if (order < 0) low = middle + 1; else high = middle;
        }
        return false;
    }

    // Visits buckets from the cursor on until `steps` buckets and counters were seen.
    template <class Visit>
    void slice(uint32_t *shard_at, uint64_t *position, uint64_t steps, Visit visit) {
        uint64_t seen = 0;
        while (seen < steps) {
            CounterShard &shard = shards_[*shard_at];
            std::lock_guard<std::mutex> hold(shard.lock);
            uint64_t before = shard.size;
            do {
                *position = shard.walk(*position, [&](Counter &c) { ++seen; return visit(c); });
                ++seen;
            } while (*position && seen < steps);
            forget(before - shard.size);
            if (*position) return;
            if (++*shard_at > shard_mask_) { *shard_at = 0; return; }
        }
    }

    std::atomic<uint64_t> size_{0};
    uint64_t bound_;
    std::unique_ptr<CounterShard[]> shards_;
    uint32_t shard_mask_;
    int shift_;
};

}  // namespace tollhouse
