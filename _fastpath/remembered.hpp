// Results that outlive the request they were made for: verified tokens, cached evaluator results.
//
// Found by a keyed digest of scope and key; the key itself is not kept. A shard's lock is held for
// one lookup, one insertion with the evictions it takes, or the removal of one scope. Finding
// neither allocates nor frees: readers are the I/O threads, which leave with a counted reference. On
// such a thread it is given back through the identity table, which frees what nobody holds later.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "counted.hpp"
#include "digest.hpp"

namespace tollhouse {

class RememberedTable {
  public:
    static constexpr size_t ENTRY_BYTES = 320;  // of an entry beside its value, roughly

    // Both bounds hold for the whole table; each shard has an equal part of them.
    RememberedTable(size_t max_entries, size_t max_bytes) {
        while (count_ < 64 && max_entries / count_ >= 128 && max_bytes / count_ >= (2 << 20)) count_ *= 2;
        shards_.reset(new Shard[count_]);
        max_entries_ = max_entries / count_;
        max_bytes_ = max_bytes / count_;
    }
    ~RememberedTable() {
        for (size_t i = 0; i < count_; ++i)
            for (Entry &entry : shards_[i].entries) drop(entry.value);
    }
    RememberedTable(const RememberedTable &) = delete;
    RememberedTable &operator=(const RememberedTable &) = delete;

    uint64_t new_scope() { return last_scope_.fetch_add(1, std::memory_order_relaxed) + 1; }

    // The value with a reference for the caller, or null. It becomes the last to be evicted.
    Counted *find(uint64_t scope, const void *key, size_t size, int64_t wall_ns) {
        Digest digest = digest_of(scope, key, size);
        Shard &shard = shard_of(digest);
        std::lock_guard<std::mutex> hold(shard.lock);
        auto at = shard.places.find(digest);
        if (at == shard.places.end() || at->second->expires_ns <= wall_ns) return nullptr;
        shard.entries.splice(shard.entries.begin(), shard.entries, at->second);
        retain(at->second->value);
        return at->second->value;
    }

    // Takes a reference to `value`, which replaces an older one. False when it is larger than a
    // shard may be; then nothing is found under the key.
    bool put(
        uint64_t scope, const void *key, size_t size, Counted *value, size_t bytes, int64_t expires_ns
    ) {
        Digest digest = digest_of(scope, key, size);
        Shard &shard = shard_of(digest);
        std::list<Entry> gone;
        bool fits = max_entries_ && bytes <= max_bytes_ && ENTRY_BYTES <= max_bytes_ - bytes;
        {
            std::lock_guard<std::mutex> hold(shard.lock);
            auto before = shard.places.find(digest);
            if (before != shard.places.end()) shard.remove(before->second, gone);
            if (fits) {
                bytes += ENTRY_BYTES;
                while (shard.entries.size() >= max_entries_ || shard.bytes + bytes > max_bytes_)
                    shard.remove(std::prev(shard.entries.end()), gone);
                retain(value);
                shard.add(Entry{digest, scope, value, bytes, expires_ns});
            }
        }
        give_up(gone);
        return fits;
    }

    void drop_scope(uint64_t scope) {
        for (size_t i = 0; i < count_; ++i) {
            Shard &shard = shards_[i];
            std::list<Entry> gone;
            {
                std::lock_guard<std::mutex> hold(shard.lock);
                auto found = shard.scopes.find(scope);
                if (found == shard.scopes.end()) continue;
                std::vector<Digest> digests(found->second.begin(), found->second.end());
                for (const Digest &digest : digests) shard.remove(shard.places[digest], gone);
            }
            give_up(gone);
        }
    }

    size_t size() const { return sum(&Shard::count); }
    size_t bytes() const { return sum(&Shard::held); }

  private:
    static constexpr size_t LONG_KEY = 64;

    struct Entry {
        Digest digest;
        uint64_t scope;
        Counted *value;
        size_t bytes;
        int64_t expires_ns;
    };
    using Place = std::list<Entry>::iterator;

    struct Hash { size_t operator()(const Digest &digest) const { return digest.low; } };
    struct Same {
        bool operator()(const Digest &a, const Digest &b) const { return same_digest(a, b); }
    };

    struct alignas(64) Shard {
        std::mutex lock;
        std::list<Entry> entries;  // the last used first
        std::unordered_map<Digest, Place, Hash, Same> places;
        std::unordered_map<uint64_t, std::unordered_set<Digest, Hash, Same>> scopes;
        size_t bytes = 0;
        std::atomic<size_t> count{0}, held{0};  // for size() and bytes(), which take no lock

        void add(Entry entry) {
            entries.push_front(entry);
            places[entry.digest] = entries.begin();
            scopes[entry.scope].insert(entry.digest);
            bytes += entry.bytes;
            publish();
        }

        // Moves the entry to `gone`, to be given up without the lock.
        void remove(Place place, std::list<Entry> &gone) {
            auto scope = scopes.find(place->scope);
            scope->second.erase(place->digest);
            if (scope->second.empty()) scopes.erase(scope);
            places.erase(place->digest);
            bytes -= place->bytes;
            gone.splice(gone.end(), entries, place);
            publish();
        }

        void publish() {
            count.store(entries.size(), std::memory_order_relaxed);
            held.store(bytes, std::memory_order_relaxed);
        }
    };

    Digest digest_of(uint64_t scope, const void *key, size_t size) const {
        SipHasher hasher(secret_);
        hasher.add(scope);
        if (size < LONG_KEY) {
            hasher.add(key, size);
            return hasher.digest();
        }
        // A token is long: its halves are digested side by side, then both digests.
        SipHasher front(front_secret_), back(back_secret_);
        const char *at = static_cast<const char *>(key);
        size_t half = size / 16 * 8;
        SipHasher::add_both(front, at, back, at + half, half);
        back.add(at + 2 * half, size - 2 * half);
        for (const Digest &part : {front.digest(), back.digest()}) {
            hasher.add(part.low);
            hasher.add(part.high);
        }
        return hasher.digest();
    }

    Shard &shard_of(const Digest &digest) { return shards_[digest.high % count_]; }

    static void give_up(std::list<Entry> &gone) {
        for (Entry &entry : gone) drop(entry.value);
    }

    size_t sum(std::atomic<size_t> Shard::*of) const {
        size_t total = 0;
        for (size_t i = 0; i < count_; ++i) total += (shards_[i].*of).load(std::memory_order_relaxed);
        return total;
    }

    Secret secret_, front_secret_, back_secret_;
    size_t count_ = 1, max_entries_, max_bytes_;  // the bounds are those of one shard
    std::unique_ptr<Shard[]> shards_;
    std::atomic<uint64_t> last_scope_{0};
};

}  // namespace tollhouse
