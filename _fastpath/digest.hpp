// SipHash (Aumasson and Bernstein) with a 128-bit result, and secrets to key it.
//
// Keyed with a secret that never leaves the process, a digest can neither be predicted nor collided
// by a peer: tables probed by it cannot be degraded, and equal digests stand for equal input.
#pragma once
#include <sys/random.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace tollhouse {

struct Digest {
    uint64_t low = 0, high = 0;
};

// Without early exit, so that time tells nothing about how many bytes agree.
inline bool same_digest(const Digest &a, const Digest &b) {
    return ((a.low ^ b.low) | (a.high ^ b.high)) == 0;
}

struct Secret {
    uint64_t low, high;

    // Drawn from the kernel; without randomness there is no safe way to go on.
    Secret() {
        size_t have = 0;
        char bytes[16];
        while (have < sizeof bytes) {
            ssize_t got = getrandom(bytes + have, sizeof bytes - have, 0);
            if (got > 0) have += size_t(got);
            else if (errno != EINTR) std::abort();
        }
        std::memcpy(&low, bytes, 8);
        std::memcpy(&high, bytes + 8, 8);
    }

    Secret(uint64_t low, uint64_t high) : low(low), high(high) {}
};

// Streaming, so that a digest over several parts needs no copy of them.
class SipHasher {
  public:
    SipHasher() : SipHasher(Secret(0, 0)) {}

    explicit SipHasher(const Secret &secret)
        : state_{secret.low ^ 0x736f6d6570736575u, secret.high ^ 0x646f72616e646f6du ^ 0xee,
                 secret.low ^ 0x6c7967656e657261u, secret.high ^ 0x7465646279746573u} {}

    void add(uint64_t word) { add(&word, sizeof word); }

    void add(const void *data, size_t size) {
        const uint8_t *at = static_cast<const uint8_t *>(data);
        total_ += size;
        if (pending_) {
            while (pending_ < 8 && size) {
                tail_ |= uint64_t(*at++) << (8 * pending_++);
                --size;
            }
            if (pending_ < 8) return;
            state_.block(tail_);
            tail_ = 0;
            pending_ = 0;
        }
        // In a copy, since what `at` points to might be this object: it stays in registers.
        State state = state_;
        for (; size >= 8; at += 8, size -= 8) {
            uint64_t word;
            std::memcpy(&word, at, 8);  // little-endian, as every target we build for
            state.block(word);
        }
        state_ = state;
        while (size--) tail_ |= uint64_t(*at++) << (8 * pending_++);
    }

    // Two inputs of equal size at once, a multiple of 8, before any that is not: a processor has room
    // for the rounds of both side by side.
    static void add_both(SipHasher &a, const void *of_a, SipHasher &b, const void *of_b, size_t size) {
        const uint8_t *at_a = static_cast<const uint8_t *>(of_a);
        const uint8_t *at_b = static_cast<const uint8_t *>(of_b);
        State first = a.state_, second = b.state_;
        for (size_t done = 0; done < size; done += 8) {
            uint64_t word_a, word_b;
            std::memcpy(&word_a, at_a + done, 8);
            std::memcpy(&word_b, at_b + done, 8);
            first.block(word_a);
            second.block(word_b);
        }
        a.state_ = first;
        b.state_ = second;
        a.total_ += size;
        b.total_ += size;
    }

    Digest digest() {
        State &v = state_;
        v.block(tail_ | uint64_t(total_) << 56);
        v.v2 ^= 0xee;
        for (int i = 0; i < 4; ++i) v.round();
        Digest result;
        result.low = v.v0 ^ v.v1 ^ v.v2 ^ v.v3;
        v.v1 ^= 0xdd;
        for (int i = 0; i < 4; ++i) v.round();
        result.high = v.v0 ^ v.v1 ^ v.v2 ^ v.v3;
        return result;
    }

  private:
    struct State {
        uint64_t v0, v1, v2, v3;

        void block(uint64_t word) {
            v3 ^= word;
            round();
            round();
            v0 ^= word;
        }

        void round() {
            v0 += v1; v1 = rotate(v1, 13); v1 ^= v0; v0 = rotate(v0, 32);
            v2 += v3; v3 = rotate(v3, 16); v3 ^= v2;
            v0 += v3; v3 = rotate(v3, 21); v3 ^= v0;
            v2 += v1; v1 = rotate(v1, 17); v1 ^= v2; v2 = rotate(v2, 32);
        }
    };

    static uint64_t rotate(uint64_t x, int by) { return x << by | x >> (64 - by); }

    State state_;
    uint64_t tail_ = 0;
    size_t total_ = 0;
    unsigned pending_ = 0;
};

}  // namespace tollhouse
