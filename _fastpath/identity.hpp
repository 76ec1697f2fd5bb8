// API keys by keyed digest. Readers are the I/O threads, the writer is Python.
//
// A shard's lock is held for one probe, or for one doubling of that shard. A reader leaves with a
// counted reference, so a revocation never waits for a request; whoever gives back the last
// reference on an I/O thread retires the identity, and collect() frees it.
#pragma once
#include <atomic>
#include <cstdint>
#include <mutex>
#include <vector>

#include "counted.hpp"
#include "digest.hpp"

namespace tollhouse {

class IdentityTable {
  public:
    explicit IdentityTable(size_t bound) : bound_(bound) {}
    ~IdentityTable() {
        for (Shard &shard : shards_)
            for (Slot &slot : shard.slots) drop(slot.identity);
        collect();
    }
    IdentityTable(const IdentityTable &) = delete;
    IdentityTable &operator=(const IdentityTable &) = delete;

    // Of a key, or of its hash, in a set and beside an id, which may be empty. The first word keeps
    // apart what the bytes alone would not: key sets stay below 2^32, ids below 2^31 bytes.
    Digest digest(uint64_t key_set, bool hashed, const void *id, size_t id_size, const void *key,
                  size_t size) const {
        SipHasher hasher(secret_);
        hasher.add(key_set | uint64_t(id_size) << 32 | uint64_t(hashed) << 63);
        hasher.add(id, id_size);
        hasher.add(key, size);
        return hasher.digest();
    }

    // The identity with a reference for the caller, or null.
    Counted *find(const Digest &digest, int64_t wall_ns) {
        Shard &shard = shard_of(digest);
        std::lock_guard<std::mutex> hold(shard.lock);
        if (shard.slots.empty()) return nullptr;
        const Slot &slot = shard.slots[position(shard, digest)];
        if (!slot.identity || slot.expires_ns <= wall_ns) return nullptr;
        retain(slot.identity);
        return slot.identity;
    }

    // Takes a reference to `identity`, which is found before `expires_ns` of wall time. False at the
    // bound; replacing always fits.
    bool put(const Digest &digest, Counted *identity, int64_t expires_ns) {
        Shard &shard = shard_of(digest);
        Counted *before;
        {
            std::lock_guard<std::mutex> hold(shard.lock);
            bool known = !shard.slots.empty() && shard.slots[position(shard, digest)].identity;
            if (!known && size_.load(std::memory_order_relaxed) >= bound_) return false;
            if (!known && (shard.used + 1) * 4 > shard.slots.size() * 3) grow(shard);
            Slot &slot = shard.slots[position(shard, digest)];
            before = slot.identity;
            retain(identity);
            slot = Slot{digest, identity, expires_ns};
            if (!known) { ++shard.used; size_.fetch_add(1, std::memory_order_relaxed); }
        }
        drop(before);
        return true;
    }

    bool remove(const Digest &digest) {
        Shard &shard = shard_of(digest);
        Counted *before;
        {
            std::lock_guard<std::mutex> hold(shard.lock);
            if (shard.slots.empty()) return false;
            size_t at = position(shard, digest);
            before = shard.slots[at].identity;
            if (!before) return false;
            close_gap(shard, at);
            --shard.used;
            size_.fetch_sub(1, std::memory_order_relaxed);
        }
        drop(before);
        return true;
    }

    // Gives back a reference of find() on an I/O thread.
    void let_go(Counted *identity) {
        if (!release(identity)) return;
        std::lock_guard<std::mutex> hold(retired_lock_);
        retired_.push_back(identity);
    }

    void collect() {
        std::vector<Counted *> gone;
        {
            std::lock_guard<std::mutex> hold(retired_lock_);
            gone.swap(retired_);
        }
        for (Counted *identity : gone) delete identity;
    }

    // Whether a key may be there by its hash; once true it stays so.
    bool has_hashes() const { return has_hashes_.load(std::memory_order_relaxed); }
    void expect_hashes() { has_hashes_.store(true, std::memory_order_relaxed); }

    size_t size() const { return size_.load(std::memory_order_relaxed); }

  private:
    static constexpr size_t SHARDS = 64;

    struct Slot { Digest digest; Counted *identity = nullptr; int64_t expires_ns = 0; };
    struct alignas(64) Shard {
        std::mutex lock;
        std::vector<Slot> slots;  // a power of two, at most three quarters in use
        size_t used = 0;
    };

    Shard &shard_of(const Digest &digest) { return shards_[digest.high % SHARDS]; }

    // Where the digest stands, or the free slot where it would.
    static size_t position(const Shard &shard, const Digest &digest) {
        size_t mask = shard.slots.size() - 1, at = digest.low & mask;
        while (shard.slots[at].identity && !same_digest(shard.slots[at].digest, digest)) at = (at + 1) & mask;
        return at;
    }

    static void grow(Shard &shard) {
        std::vector<Slot> before(shard.slots.empty() ? 4 : shard.slots.size() * 2);
        before.swap(shard.slots);
        for (const Slot &slot : before)
            if (slot.identity) shard.slots[position(shard, slot.digest)] = slot;
    }

    // Moves later entries of the run back, so that no probe meets a hole.
    static void close_gap(Shard &shard, size_t hole) {
        size_t mask = shard.slots.size() - 1;
        for (size_t at = (hole + 1) & mask; shard.slots[at].identity; at = (at + 1) & mask) {
            size_t home = shard.slots[at].digest.low & mask;
            if (((at - home) & mask) >= ((at - hole) & mask)) {
                shard.slots[hole] = shard.slots[at];
                hole = at;
            }
        }
        shard.slots[hole] = Slot{};
    }

    Secret secret_;
    Shard shards_[SHARDS];
    size_t bound_;
    std::atomic<size_t> size_{0};
    std::atomic<bool> has_hashes_{false};
    std::mutex retired_lock_;
    std::vector<Counted *> retired_;
};

}  // namespace tollhouse
