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

#include "algorithms.hpp"
#include "counter_key.hpp"
#include "counter_shard.hpp"
#include "saved_counter.hpp"
#include "siphash.hpp"

namespace tollhouse {

enum HitMode { CHECK_AND_ADD = 0, CHECK = 1, ADD = 2 };
enum Decision { FITS = 0, REFUSED = 1, NO_ROOM = 2 };

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
        uint64_t used = 0;
        for (size_t i = 0; i < count; ++i) {
            hits[i].hash = hash_of(hits[i].key, hits[i].key_size);
            used |= uint64_t(1) << shard_number(hits[i].hash);
        }
        for (uint64_t rest = used; rest; rest &= rest - 1)
            shards_[__builtin_ctzll(rest)].lock.lock();
        bool all_fit = true, any_always = false;
        for (size_t i = 0; i < count; ++i) {
            find(hits[i], clock);
            weigh(&hits[i], hits[i].live ? &hits[i].counter->state : nullptr, clock, mode == CHECK);
            all_fit &= hits[i].fits || !hits[i].binding;
            any_always |= hits[i].always;
        }
        Decision decision = all_fit ? FITS : REFUSED;
        bool all = mode == ADD || all_fit;
        if (mode != CHECK && (all || any_always))
            if (!charge(hits, count, clock, all)) decision = NO_ROOM;
        for (uint64_t rest = used; rest; rest &= rest - 1) {
            CounterShard &shard = shards_[__builtin_ctzll(rest)];
            if ((++shard.operations & 15) == 0) forget(shard.sweep(clock, 1));
            shard.lock.unlock();
        }
        return decision;
    }

    // Lets one counter have counted `value` just now, and nothing before; false when it cannot be held.
    bool set(const char *key, uint32_t key_size, const Quota &quota, uint64_t value, Clock clock) {
        CounterHit hit = hit_of(key, key_size, quota, value);
        CounterShard &shard = shard_of(hit);
        std::lock_guard<std::mutex> hold(shard.lock);
        find(hit, clock);
        if (hit.counter) { shard.erase(hit.counter); forget(1); }
        hit.counter = nullptr;
        hit.live = false;
        hit.after = value;
        if (!hit.opens()) return true;
        if (!create_missing(&hit, 1, clock)) return false;
        tollhouse::charge(hit, &hit.counter->state, clock);
        return true;
    }

    // One slice of live counters from cursor (shard, position); at the end both are 0.
    // `digests`: count x 16 bytes, sorted; null lists all.
    void list(const char *digests, size_t count, Clock clock, uint32_t *shard_at,
              uint64_t *position, uint64_t steps, std::vector<ListedCounter> *out) {
        slice(shard_at, position, steps, [&](Counter &c) {
            if (!c.state.live(clock) || !named(digests, count, c.key)) return false;
            out->push_back({std::vector<char>(c.key, c.key + c.key_size), counted(c.state, clock),
                            reset_of(c.state, clock)});
            return false;
        });
    }

    // One slice, as of list(), of the counters that changed since a walk last passed them.
    void changed(Clock clock, uint32_t *shard_at, uint64_t *position, uint64_t steps,
                 std::vector<SavedCounter> *out) {
        slice(shard_at, position, steps, [&](Counter &c) {
            if (!c.state.changed) return false;
            c.state.changed = 0;
            if (c.state.left(clock) > 0) out->push_back(save(c, clock));
            return false;
        });
    }

    enum Restored { RESTORED = 0, PASSED_OVER = 1, MALFORMED = 2 };

    // Takes a saved counter unless it has expired or counts already, or no room is left.
    Restored restore(const char *key, uint32_t key_size, const char *state, size_t size,
                     Clock clock) {
        SavedState saved;
        if (!saved.read(state, size)) return MALFORMED;
        if (saved.left(clock) <= 0) return PASSED_OVER;
        Quota quota = saved.quota();
        CounterHit hit = hit_of(key, key_size, quota, 1);
        std::lock_guard<std::mutex> hold(shard_of(hit).lock);
        find(hit, clock);
        if (hit.live || !create_missing(&hit, 1, clock)) return PASSED_OVER;
        saved.write(&hit.counter->state, clock);
        return RESTORED;
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
        uint64_t hash = hash_of(key, key_size);
        CounterShard &shard = shards_[shard_number(hash)];
        std::lock_guard<std::mutex> hold(shard.lock);
        Counter *counter = shard.find(hash, key, key_size);
        if (counter) { shard.erase(counter); forget(1); }
        return counter;
    }

    uint64_t sweep(Clock clock, uint64_t buckets) {
        uint64_t freed = 0;
        for (uint32_t i = 0; i <= shard_mask_; ++i) {
            std::lock_guard<std::mutex> hold(shards_[i].lock);
            freed += shards_[i].sweep(clock, buckets);
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

    CounterShard &shard_of(const CounterHit &hit) { return shards_[shard_number(hit.hash)]; }

    void forget(uint64_t count) { if (count) size_.fetch_sub(count, std::memory_order_relaxed); }

    static uint64_t hash_of(const char *key, uint32_t key_size) {
        return siphash(process_hash_key(), key, key_size);
    }

    static CounterHit hit_of(const char *key, uint32_t key_size, const Quota &quota,
                             uint64_t amount) {
        CounterHit hit{};
        hit.key = key;
        hit.key_size = key_size;
        hit.quota = &quota;
        hit.amount = amount;
        hit.charged = true;
        hit.hash = hash_of(key, key_size);
        return hit;
    }

    // A limit that counts in another way has another identity, so a state of another algorithm can
    // only be a remnant.
    void find(CounterHit &hit, Clock clock) {
        CounterShard &shard = shard_of(hit);
        hit.counter = shard.find(hit.hash, hit.key, hit.key_size);
        if (hit.counter && hit.counter->state.algorithm != hit.quota->algorithm) {
            shard.erase(hit.counter);
            forget(1);
            hit.counter = nullptr;
        }
        hit.created = false;
        hit.live = hit.counter && hit.counter->state.live(clock);
    }

    // Charges all hits, or those that are charged always.
    bool charge(CounterHit *hits, size_t count, Clock clock, bool all) {
        bool missing = false;
        for (size_t i = 0; i < count; ++i) {
            hits[i].charged = all || hits[i].always;
            missing |= !hits[i].counter && hits[i].opens();
        }
        if (missing && !create_missing(hits, count, clock)) return false;
        for (size_t i = 0; i < count; ++i) {
            CounterHit &hit = hits[i];
            if (hit.charged && hit.amount && (hit.live || hit.opens()))
                tollhouse::charge(hit, &hit.counter->state, clock);
        }
        return true;
    }

    bool create_missing(CounterHit *hits, size_t count, Clock clock) {
        for (size_t i = 0; i < count; ++i) if (hits[i].counter) hits[i].counter->pinned = true;
        bool done = true;
        for (size_t i = 0; i < count && done; ++i)
            if (!hits[i].counter && hits[i].opens()) done = create(hits[i], clock);
        for (size_t i = 0; i < count; ++i) {
            CounterHit &hit = hits[i];
            if (hit.counter) hit.counter->pinned = false;
            if (!done && hit.created) {
                shard_of(hit).erase(hit.counter);
                hit.counter = nullptr;
                forget(1);
            }
        }
        return done;
    }

    bool create(CounterHit &hit, Clock clock) {
        CounterShard &shard = shard_of(hit);
        forget(shard.sweep(clock, 4));
        if (size_.fetch_add(1, std::memory_order_relaxed) >= bound_) {
            if (!shard.evict(clock)) { forget(1); return false; }
            forget(1);
        }
        hit.counter = shard.insert(hit.hash, hit.key, hit.key_size, *hit.quota);
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
        if (*shard_at > shard_mask_) { *shard_at = 0; *position = 0; return; }
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
