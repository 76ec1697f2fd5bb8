// Drives the counter store without Python, so that sanitizers see all of it.
//
//   store_drive threads    four threads decide over shared counters with leases while a reader
//                          carries batches; prints what was admitted per counter
//   store_drive fuzz SEED  settles batches with damaged replies; prints how many were malformed
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <string>
#include <thread>

#include "counter_store.hpp"

using namespace tollhouse;

namespace {

constexpr int THREADS = 4, COUNTERS = 3, HITS = 6000;
constexpr uint64_t LIMIT = 1500;
const char TAG[] = "0123456789abcdef";

Quota quota_of_test() {
    Quota quota;
    quota.max_value = LIMIT;
    quota.window_ns = int64_t(3600) * 1000000000;
    return quota;
}

const Quota QUOTA = quota_of_test();
const Clock CLOCK{int64_t(1) << 40, int64_t(1) << 60};
const std::string KEYS[COUNTERS] = {std::string(16, 'a'), std::string(16, 'b'),
                                    std::string(16, 'c')};

CounterHit hit_of(int counter) {
    CounterHit hit{};
    hit.key = KEYS[counter].data();
    hit.key_size = uint32_t(KEYS[counter].size());
    hit.quota = &QUOTA;
    hit.amount = 1;
    hit.binding = true;
    return hit;
}

// The script, for one window per key: answers the records of a group's body in order.
class Script {
  public:
    std::string decide(const StoreGroup &group) {
        std::vector<std::string> parts = split(group.body);
        std::string reply;
        size_t key = 0;
        for (size_t i = group.keys + 1; i < parts.size(); ++i) {
            uint32_t count = uint8_t(parts[i][2]);
            one(parts[i], &parts[key], count, &reply);
            key += count;
        }
        return reply;
    }

  private:
    static std::vector<std::string> split(const std::string &body) {
        std::vector<std::string> parts;
        for (size_t at = 0; at < body.size();) {
            size_t end = body.find("\r\n", at);
            size_t size = std::stoul(body.substr(at + 1, end - at - 1));
            parts.push_back(body.substr(end + 2, size));
            at = end + 2 + size + 2;
        }
        return parts;
    }

    static double field(const std::string &decision, uint32_t counter, RecordField which) {
        double value;
        std::memcpy(&value, decision.data() + DECISION_HEAD + counter * RECORD_SIZE + 8 + 8 * which,
                    8);
        return value;
    }

    void one(const std::string &decision, const std::string *keys, uint32_t count,
             std::string *reply) {
        bool fits = true;
        for (uint32_t i = 0; i < count; ++i)
            fits &= values_[keys[i]] + field(decision, i, AMOUNT) <= field(decision, i, MAX_VALUE);
        char head[DECISION_HEAD] = {char(fits ? STATUS_FITS : STATUS_REFUSED), 0, char(count), 0};
        reply->append(head, sizeof head);
        for (uint32_t i = 0; i < count; ++i) {
            double &value = values_[keys[i]], most = field(decision, i, MAX_VALUE);
            double after = value + field(decision, i, AMOUNT);
            double numbers[5] = {std::max(most - after, 0.0), 3.6e9, 0, 0, 3.6e9};
            double granted = std::floor(std::min(field(decision, i, LEASE_WANTED), numbers[0] / 8));
            if (fits) {
                numbers[GRANTED] = granted < double(SMALLEST_LEASE) ? 0 : granted;
                value = after + numbers[GRANTED];
            }
            char verdict[VERDICT_SIZE] = {char(fits)};
            std::memcpy(verdict + 8, numbers, sizeof numbers);
            reply->append(verdict, sizeof verdict);
        }
    }

    std::map<std::string, double> values_;
};

StoreOptions options() { return {100000, 1 << 26, false, false, int64_t(1000000000), 1000}; }

// Where results of one thread's decisions arrive; the ticket's connection says which thread.
struct Inbox {
    std::mutex lock;
    std::vector<std::string> results;
};

int run_threads() {
    CounterStore store(options());
    Inbox inboxes[THREADS];
    std::atomic<uint64_t> admitted[COUNTERS] = {}, undecided{0};
    std::atomic<int> running{THREADS};
    auto work = [&](int number) {
        std::minstd_rand chance(unsigned(number) + 1);
        auto drain = [&] {
            std::vector<std::string> arrived;
            {
                std::lock_guard<std::mutex> hold(inboxes[number].lock);
                arrived.swap(inboxes[number].results);
            }
            for (std::string &result : arrived) {
                CounterHit hit = hit_of(result[0] - '0');
                read_result(result.data() + 1, result.size() - 1, &hit, 1);
                admitted[result[0] - '0'] += hit.fits;
                --undecided;
            }
        };
        for (int i = 0; i < HITS; ++i) {
            int counter = int(chance() % COUNTERS);
            CounterHit hit = hit_of(counter);
            Ticket ticket{1, 0, counter, uint64_t(number), 1};
            uint64_t decision = 0;
            ++undecided;
            Begun begun = store.begin(&hit, 1, CHECK_AND_ADD, CLOCK, CLOCK.mono_ns, TAG, ticket,
                                      &decision);
            if (begun != QUEUED) { admitted[counter] += begun == SETTLED && hit.fits; --undecided; }
            if (begun == QUEUED && chance() % 50 == 0) {
                StoreDecision gone;
                if (store.queue.give_up(decision, &gone)) {
                    for (LeaseAsk &ask : gone.asks) store.leases.refused(ask.key);
                    --undecided;
                }
            }
            drain();
        }
        --running;
        while (undecided.load()) { drain(); std::this_thread::yield(); }
    };
    std::vector<std::thread> threads;
    for (int i = 0; i < THREADS; ++i) threads.emplace_back(work, i);
    Script script;
    while (running.load() || undecided.load()) {
        for (StoreGroup &group : store.queue.take(64)) {
            std::vector<Delivery> out;
            std::string reply = script.decide(group);
            if (store.settle(&group, reply.data(), reply.size(), CLOCK.mono_ns, &out)) return 1;
            for (Delivery &each : out) {
                Inbox &inbox = inboxes[each.ticket.connection];
                std::lock_guard<std::mutex> hold(inbox.lock);
                inbox.results.push_back(char('0' + each.ticket.stream) + each.result);
            }
        }
        std::this_thread::yield();
    }
    for (std::thread &thread : threads) thread.join();
    for (auto &each : admitted) std::printf("%llu ", (unsigned long long) each.load());
    std::printf("\n");
    return 0;
}

void damage(std::string *reply, std::mt19937 &chance) {
    switch (chance() % 4) {
    case 0: reply->resize(chance() % (reply->size() + 1)); break;
    case 1: reply->append(chance() % 200, char(chance())); break;
    default:
        for (uint32_t i = chance() % 8; i > 0; --i)
            (*reply)[chance() % reply->size()] = char(chance());
    }
}

int run_fuzz(unsigned seed) {
    std::mt19937 chance(seed);
    long malformed = 0, rounds = 6000;
    CounterStore store(options());
    Script script;
    for (long round = 0; round < rounds; ++round) {
        uint32_t decisions = chance() % 5 + 1;
        for (uint32_t i = 0; i < decisions; ++i) {
            CounterHit hits[2] = {hit_of(0), hit_of(1)};
            uint64_t number;
            store.begin(hits, chance() % 2 + 1, CHECK_AND_ADD, CLOCK, CLOCK.mono_ns, TAG,
                        Ticket{1, 0, 0, 0, 1}, &number);
        }
        for (StoreGroup &group : store.queue.take(100)) {
            std::string reply = script.decide(group);
            if (reply.empty() || chance() % 4 == 0) continue;
            damage(&reply, chance);
            std::vector<Delivery> out;
            malformed += store.settle(&group, reply.data(), reply.size(), CLOCK.mono_ns, &out) < 0;
            for (Delivery &each : out) {
                CounterHit hits[2] = {hit_of(0), hit_of(1)};
                for (uint32_t count = 1; count <= 2; ++count)
                    read_result(each.result.data(), each.result.size(), hits, count);
            }
        }
        if (round % 100 == 0) store.sweep(CLOCK.mono_ns + 10, true);
    }
    std::printf("%ld\n", malformed);
    return 0;
}

}  // namespace

int main(int count, char **words) {
    if (count == 3 && std::string(words[1]) == "fuzz") return run_fuzz(unsigned(atoi(words[2])));
    return run_threads();
}
