// Leases: slices of counters that this process may spend without asking their store.
//
// What a lease holds was charged in the store when it was granted, so spending it needs nobody. A
// decision is made here when all of its counters hold enough, and spends from all as one step; any
// other goes to the store and asks for leases on its way. How much a counter asks for follows what
// was spent of it in the last periods (a period is the time a lease lasts), so that an idle process
// holds nothing. Near its limit a counter gets no leases, and every decision goes to the store.
//
// A lease ends before the window it was granted in: both ends are measured from before the request
// for it was sent, on the monotonic clock. What is left at its end is given back.
#pragma once
#include <algorithm>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "store_record.hpp"

namespace tollhouse {

constexpr uint64_t SMALLEST_LEASE = 8;  // decide.lua grants no smaller one

// A counter as a request for a lease, or the return of one, names it.
struct LeasedCounter {
    std::string key;  // native
    StoreTag tag;
    char record[RECORD_SIZE];
    uint32_t terms = 0;  // counts how often the limit changed how it counts
};

class LeaseTable {
  public:
    // lease_ns: how long a lease lasts at most; 0 for a table that never holds one.
    LeaseTable(int64_t lease_ns, uint64_t max_counters)
        : lease_ns_(lease_ns), most_per_shard_(max_counters / SHARDS + 1),
          shards_(lease_ns ? new Shard[SHARDS] : nullptr) {}

    bool enabled() const { return lease_ns_ != 0; }
    int64_t lease_ns() const { return lease_ns_; }

    // Decides from leases alone and fills the hits; false, with nothing spent, when one does not
    // hold enough. `renew` gets the counters whose lease is to be renewed ahead of its end.
    bool decide(CounterHit *hits, size_t count, int64_t now, HitMode mode,
                std::vector<LeasedCounter> *renew) {
        uint64_t used = hash_all(hits, count);
        Locked locked(shards_.get(), used);
        Lease *few[8];
        std::vector<Lease *> many(count > 8 ? count : 0);
        Lease **found = many.empty() ? few : many.data();
        for (size_t i = 0; i < count; ++i) {
            found[i] = find(hits[i]);
            if (!found[i] || !covers(*found[i], hits[i], now)) return false;
        }
        for (size_t i = 0; i < count; ++i) {
            CounterHit &hit = hits[i];
            Lease &lease = *found[i];
            if (mode != CHECK) spend(lease, hit.amount, now);
            hit.fits = true;
            hit.retry_ns = 0;
            hit.remaining = lease.remaining + lease.available;
            hit.reset_ns = std::max<int64_t>(lease.reset_at_ns - now, 0);
            if (due(lease, now)) renew->push_back(request(lease));
        }
        return true;
    }

    // Units that a decision on its way to the store asks for this counter; 0 for none. What was
    // asked for has to be told by `granted` or `refused`.
    double ask(const CounterHit &hit, Clock clock, const StoreTag &tag, uint32_t *terms) {
        if (hit.give_back || hit.quota->algorithm == CONCURRENCY) return 0;
        uint64_t hash = siphash(process_hash_key(), hit.key, hit.key_size);
        Shard &shard = shard_of(hash);
        std::lock_guard<std::mutex> hold(shard.lock);
        std::unique_ptr<Lease> &place = shard.leases[hash];
        if (!place) {
            if (shard.leases.size() > most_per_shard_) { shard.leases.erase(hash); return 0; }
            place.reset(new Lease);
            place->counter.key.assign(hit.key, hit.key_size);
        }
        Lease &lease = *place;
        if (!same_key(lease, hit)) return 0;
        if (!same_quota(lease, *hit.quota)) {
            lease.available = 0;
            lease.quota = *hit.quota;
            lease.quota.calendar = nullptr;  // its owner may go
            ++lease.counter.terms;
        }
        *terms = lease.counter.terms;
        lease.counter.tag = tag;
        write_record(lease.counter.record, as_renewal(hit), clock, 0);
        note_demand(lease, hit.amount, clock.mono_ns);
        if (lease.asking) return 0;
        uint64_t wanted = wanted_of(lease, clock.mono_ns);
        lease.asking = wanted != 0;
        return double(wanted);
    }

    // The store's answer to an ask that was sent at `sent_ns`. What was granted under other terms
    // is not spent: it stays charged until its window ends.
    void granted(const LeaseAsk &ask, const StoreVerdict &verdict, int64_t sent_ns) {
        visit(ask.key, [&](Lease &lease) {
            lease.asking = false;
            if (ask.terms != lease.counter.terms) return;
            uint64_t units = uint64_t(verdict.field(GRANTED));
            lease.near = units == 0;
            if (!units) return;
            double window_end = verdict.field(WINDOW_END);
            bool stale = !ends_with_window(lease) && lease.expires_ns <= sent_ns;
            if (lease.window_end != window_end || stale) lease.available = 0;
            lease.window_end = window_end;
            lease.available += units;
            double left = verdict.field(REMAINING);
            lease.remaining = left > double(units) ? uint64_t(left) - units : 0;
            lease.reset_at_ns = later(sent_ns, verdict.ns(RESET));
            lease.expires_ns = later(sent_ns, lease_ns_);
            if (ends_with_window(lease))
                lease.expires_ns = std::min(lease.expires_ns, lease.reset_at_ns);
        });
    }

    // The ask came to nothing.
    void refused(const std::string &key) {
        visit(key, [](Lease &lease) { lease.asking = false; });
    }

    // Takes back what ended, into `back` where the store can still use it, and forgets counters
    // that are idle. With `all`, every lease ends now.
    void sweep(int64_t now, bool all, std::vector<LeasedCounter> *back) {
        for (uint32_t i = 0; enabled() && i < SHARDS; ++i) {
            std::lock_guard<std::mutex> hold(shards_[i].lock);
            auto &leases = shards_[i].leases;
            for (auto at = leases.begin(); at != leases.end();) {
                Lease &lease = *at->second;
                if (lease.available && (all || lease.expires_ns <= now)) {
                    if (ends_with_window(lease) && now < lease.reset_at_ns)
                        back->push_back(return_of(lease));
                    lease.available = 0;
                }
                bool idle = now - lease.period_ns >= 2 * lease_ns_;
                if (idle && !lease.asking && !lease.available) at = leases.erase(at);
                else ++at;
            }
        }
    }

    // Counters known, and units held for them.
    void stats(uint64_t *counters, uint64_t *units) {
        *counters = *units = 0;
        for (uint32_t i = 0; enabled() && i < SHARDS; ++i) {
            std::lock_guard<std::mutex> hold(shards_[i].lock);
            *counters += shards_[i].leases.size();
            for (auto &each : shards_[i].leases) *units += each.second->available;
        }
    }

  private:
    static constexpr uint32_t SHARDS = 64;

    struct Lease {
        LeasedCounter counter;
        Quota quota;
        uint64_t available = 0;   // units not yet spent
        uint64_t remaining = 0;   // of the limit in the store, after the last grant
        int64_t expires_ns = 0, reset_at_ns = 0;
        double window_end = 0;    // server time of the window that was charged
        int64_t period_ns = 0;    // start of the running period
        uint64_t spent = 0, spent_before = 0;  // units in this period and in the one before
        bool asking = false;
        bool near = false;        // the store granted nothing: no asking ahead
    };

    struct alignas(64) Shard {
        std::mutex lock;
        std::unordered_map<uint64_t, std::unique_ptr<Lease>> leases;  // by keyed hash of the key
    };

    // Holds the locks of the shards in `used`, taken in ascending order.
    class Locked {
      public:
        Locked(Shard *shards, uint64_t used) : shards_(shards), used_(used) {
            for (uint64_t rest = used; rest; rest &= rest - 1)
                shards_[__builtin_ctzll(rest)].lock.lock();
        }
        ~Locked() {
            for (uint64_t rest = used_; rest; rest &= rest - 1)
                shards_[__builtin_ctzll(rest)].lock.unlock();
        }
        Locked(const Locked &) = delete;
        Locked &operator=(const Locked &) = delete;

      private:
        Shard *shards_;
        uint64_t used_;
    };

    static uint32_t shard_number(uint64_t hash) { return uint32_t(hash >> 58); }
    Shard &shard_of(uint64_t hash) { return shards_[shard_number(hash)]; }

    static uint64_t hash_all(CounterHit *hits, size_t count) {
        uint64_t used = 0;
        for (size_t i = 0; i < count; ++i) {
            hits[i].hash = siphash(process_hash_key(), hits[i].key, hits[i].key_size);
            used |= uint64_t(1) << shard_number(hits[i].hash);
        }
        return used;
    }

    Lease *find(const CounterHit &hit) {
        auto &leases = shard_of(hit.hash).leases;
        auto at = leases.find(hit.hash);
        return at == leases.end() ? nullptr : at->second.get();
    }

    static bool same_key(const Lease &lease, const CounterHit &hit) {
        return lease.counter.key.size() == hit.key_size &&
               !std::memcmp(lease.counter.key.data(), hit.key, hit.key_size);
    }
    static bool same_quota(const Lease &lease, const Quota &quota) {
        return lease.quota.algorithm == quota.algorithm && lease.quota.burst == quota.burst &&
               lease.quota.max_value == quota.max_value &&
               lease.quota.window_ns == quota.window_ns;
    }
    static bool ends_with_window(const Lease &lease) {
        return lease.quota.algorithm == FIXED_WINDOW || lease.quota.algorithm == ALIGNED_WINDOW ||
               lease.quota.algorithm == CALENDAR_WINDOW;
    }
    static bool covers(const Lease &lease, const CounterHit &hit, int64_t now) {
        return !hit.give_back && lease.expires_ns > now && lease.available >= hit.amount &&
               lease.available && same_key(lease, hit) && same_quota(lease, *hit.quota);
    }
    static int64_t later(int64_t from, int64_t by) {
        int64_t sum;
        return __builtin_add_overflow(from, by, &sum) ? INT64_MAX : sum;
    }

    void note_demand(Lease &lease, uint64_t amount, int64_t now) {
        int64_t age = now - lease.period_ns;
        if (age >= lease_ns_) {
            lease.spent_before = age < 2 * lease_ns_ ? lease.spent : 0;
            lease.spent = 0;
            lease.period_ns = now;
        }
        lease.spent = amount < UINT64_MAX - lease.spent ? lease.spent + amount : UINT64_MAX;
    }

    void spend(Lease &lease, uint64_t amount, int64_t now) {
        lease.available -= amount;
        note_demand(lease, amount, now);
    }

    // Twice what a period spent: demand may grow, and a renewal takes time to arrive.
    static uint64_t demand(const Lease &lease) {
        return 2 * std::min(std::max(lease.spent, lease.spent_before), UINT64_MAX / 2);
    }

    static uint64_t wanted_of(const Lease &lease, int64_t now) {
        uint64_t held = lease.expires_ns > now ? lease.available : 0;
        uint64_t target = std::min(demand(lease), uint64_t(LARGEST_NUMBER));
        uint64_t wanted = target > held ? target - held : 0;
        return wanted < SMALLEST_LEASE ? 0 : wanted;
    }

    // Less than a quarter of what the counter needs is left, of units or of time.
    bool due(const Lease &lease, int64_t now) const {
        if (lease.asking || lease.near || !wanted_of(lease, now)) return false;
        return lease.available < demand(lease) / 4 || lease.expires_ns - now < lease_ns_ / 4;
    }

    // The renewal of this lease, which is asked for from here on.
    LeasedCounter request(Lease &lease) {
        lease.asking = true;
        LeasedCounter made = lease.counter;
        put_field(made.record, LEASE_WANTED, double(wanted_of(lease, lease.expires_ns - 1)));
        return made;
    }

    static LeasedCounter return_of(const Lease &lease) {
        LeasedCounter made = lease.counter;
        made.record[1] = char(BINDING | GIVE_BACK | OF_LEASE);
        put_field(made.record, AMOUNT, store_number(lease.available));
        put_field(made.record, LEASE_WANTED, lease.window_end);
        return made;
    }

    static CounterHit as_renewal(const CounterHit &hit) {
        CounterHit renewal = hit;
        renewal.amount = 0;
        renewal.binding = true;
        renewal.always = false;
        return renewal;
    }

    template <class Change>
    void visit(const std::string &key, Change change) {
        uint64_t hash = siphash(process_hash_key(), key.data(), key.size());
        Shard &shard = shard_of(hash);
        std::lock_guard<std::mutex> hold(shard.lock);
        auto at = shard.leases.find(hash);
        if (at != shard.leases.end() && at->second->counter.key == key) change(*at->second);
    }

    int64_t lease_ns_;
    uint64_t most_per_shard_;
    std::unique_ptr<Shard[]> shards_;
};

}  // namespace tollhouse
