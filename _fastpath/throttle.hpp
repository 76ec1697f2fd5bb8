// Failed authentications, counted by who tried and by what was tried, in a counter table.
//
// Counters stand under keyed digests: neither addresses nor credentials are kept. An IPv6 source is
// its /64, the least that a host is given; IPv4 in IPv6 is IPv4.
#pragma once
#include <arpa/inet.h>

#include <cstdint>
#include <cstring>

#include "counters.hpp"
#include "digest.hpp"
#include "wire.hpp"

namespace tollhouse {

class Throttle {
  public:
    enum Suspect : uint8_t { SOURCE = 0, CREDENTIAL = 1 };

    Throttle(CounterTable *table, const Quota &source, const Quota &credential)
        : table_(table), quotas_{source, credential} {}

    // Whether failures of this kind are counted at all.
    bool counts(Suspect suspect) const { return quotas_[suspect].window_ns > 0; }

    // `place`: the AuthConfig, each of which counts for itself.
    Digest key(Suspect suspect, TextView place, TextView text) const {
        char address[16];
        if (suspect == SOURCE) text = network(text, address);
        SipHasher hasher(secret_);
        hasher.add(uint64_t(suspect) | uint64_t(place.size) << 8);
        hasher.add(place.text, place.size);
        hasher.add(text.text, text.size);
        return hasher.digest();
    }

    // Nanoseconds until another attempt is let through; 0: now.
    int64_t blocked(Suspect suspect, const Digest &key, Clock clock) {
        CounterHit hit = hit_of(suspect, key);
        table_->decide(&hit, 1, clock, CHECK);
        return hit.fits ? 0 : std::max(hit.retry_ns, int64_t(1));
    }

    void failed(Suspect suspect, const Digest &key, Clock clock) {
        CounterHit hit = hit_of(suspect, key);
        table_->decide(&hit, 1, clock, ADD);
    }

  private:
    CounterHit hit_of(Suspect suspect, const Digest &key) const {
        CounterHit hit{};
        hit.key = reinterpret_cast<const char *>(&key);
        hit.key_size = sizeof key;
        hit.quota = &quotas_[suspect];
        hit.amount = 1;
        hit.binding = true;
        return hit;
    }

    // The bytes of an address that name a network; other texts stand for themselves.
    static TextView network(TextView text, char *address) {
        static const char MAPPED[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, char(0xff), char(0xff)};
        char copy[INET6_ADDRSTRLEN];
        if (text.size >= sizeof copy) return text;
        std::memcpy(copy, text.text, text.size);
        copy[text.size] = 0;
        if (inet_pton(AF_INET, copy, address) == 1) return TextView{address, 4};
        if (inet_pton(AF_INET6, copy, address) != 1) return text;
        if (!std::memcmp(address, MAPPED, sizeof MAPPED)) return TextView{address + 12, 4};
        return TextView{address, 8};
    }

    CounterTable *table_;
    Quota quotas_[2];
    Secret secret_;
};

}  // namespace tollhouse
