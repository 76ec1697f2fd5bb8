// Counters that live elsewhere: a decision is made from leases, or waits in a batch for its result,
// or follows the policies of its limits when the store does not answer.
//
// The owner of a decision keeps its hits while it waits. Its result is a few bytes (store_record.hpp)
// that `read_result` turns back into verdicts; no bytes at all mean that the store did not answer.
#pragma once
#include <atomic>
#include <string>
#include <vector>

#include "lease_table.hpp"
#include "store_queue.hpp"

namespace tollhouse {

enum FailPolicy : uint8_t { FAIL_CLOSED = 0, FAIL_OPEN = 1, FAIL_LOCAL = 2, FAIL_ERROR = 3 };
enum Begun { SETTLED, QUEUED, OVERLOADED };

struct StoreOptions {
    size_t max_decisions, max_bytes;
    bool by_tag;      // batches hold keys of one tag only
    bool key_tags;    // every key has a tag of its own
    int64_t lease_ns;  // 0: every decision is exact
    uint64_t max_leases;
};

class CounterStore {
  public:
    explicit CounterStore(const StoreOptions &options)
        : queue(options.max_decisions, options.max_bytes, options.by_tag),
          leases(options.lease_ns, options.max_leases), key_tags_(options.key_tags) {}

    StoreQueue queue;
    LeaseTable leases;
    std::atomic<uint64_t> failed[4] = {};  // hits that followed each policy

    // Whether a decision over so many counters has to be made in parts, which only Python does.
    bool splits(size_t count) const { return key_tags_ && count > 1; }

    // SETTLED: the hits are filled. QUEUED: the result comes by `ticket`, and `number` names the
    // decision until then. OVERLOADED: nothing waits, and the policies apply. `now` is monotonic
    // and current; `of_namespace` has StoreTag::NAMESPACE_SIZE bytes.
    Begun begin(CounterHit *hits, uint32_t count, HitMode mode, Clock clock, int64_t now,
                const char *of_namespace, const Ticket &ticket, uint64_t *number) {
        if (leases.enabled()) {
            std::vector<LeasedCounter> renew;
            bool decided = leases.decide(hits, count, now, mode, &renew);
            for (LeasedCounter &each : renew) send_alone(each, true);
            if (decided) return SETTLED;
        }
        if (count > UINT16_MAX) return OVERLOADED;
        StoreDecision decision;
        decision.ticket = ticket;
        write(&decision, hits, count, mode, clock, of_namespace);
        *number = put(decision);
        return *number ? QUEUED : OVERLOADED;
    }

    // The decision is not wanted any more; its result is dropped if it was sent already.
    void give_up(uint64_t number) {
        StoreDecision gone;
        if (queue.give_up(number, &gone)) refuse_asks(gone);
    }

    // Results of a group that was sent at `sent_ns`. Returns how many decisions failed in the
    // store, or -1 for a malformed reply, which fails them all.
    long settle(StoreGroup *group, const char *reply, size_t size, int64_t sent_ns,
                std::vector<Delivery> *out) {
        if (!well_formed(*group, reply, size)) {
            fail(group, out);
            return -1;
        }
        long failures = 0;
        group->settled = true;
        for (StoreDecision &decision : group->decisions) {
            size_t whole = result_size(reply, size, decision.counters);
            failures += reply[0] == STATUS_FAILED;
            note_grants(decision, reply, whole, sent_ns);
            if (decision.ticket.call)
                out->push_back({decision.ticket, std::string(reply, whole)});
            reply += whole;
            size -= whole;
        }
        return failures;
    }

    // The store did not answer; a group that is settled already is left alone.
    void fail(StoreGroup *group, std::vector<Delivery> *out) {
        if (group->settled) return;
        group->settled = true;
        for (StoreDecision &decision : group->decisions) {
            refuse_asks(decision);
            if (decision.ticket.call) out->push_back({decision.ticket, std::string()});
        }
    }

    // Gives back what ended, or everything that is held; to be called a few times per lease.
    void sweep(int64_t now, bool all) {
        std::vector<LeasedCounter> back;
        leases.sweep(now, all, &back);
        for (LeasedCounter &each : back) send_alone(each, false);
    }

    // Decides without the store, each hit by its policy; false when the call has to fail. Hits that
    // fail open are left as they are. What is counted here is counted in `local`, unless a limit
    // refuses anyway.
    bool decide_without(CounterHit *hits, uint32_t count, const FailPolicy *policies,
                        CounterTable *local, Clock clock, HitMode mode) {
        std::vector<CounterHit> counted;
        for (uint32_t i = 0; i < count; ++i) {
            failed[policies[i]].fetch_add(1, std::memory_order_relaxed);
            if (policies[i] == FAIL_ERROR) return false;
            if (policies[i] == FAIL_LOCAL) counted.push_back(hits[i]);
            if (policies[i] != FAIL_CLOSED) continue;
            hits[i].fits = false;
            hits[i].remaining = 0;
            hits[i].reset_ns = hits[i].retry_ns = 0;
            if (hits[i].binding && mode == CHECK_AND_ADD) mode = CHECK;
        }
        if (counted.empty()) return true;
        if (local->decide(counted.data(), counted.size(), clock, mode) == NO_ROOM) return false;
        for (uint32_t i = 0, next = 0; i < count; ++i)
            if (policies[i] == FAIL_LOCAL) hits[i] = counted[next++];
        return true;
    }

  private:
    void write(StoreDecision *decision, const CounterHit *hits, uint32_t count, HitMode mode,
               Clock clock, const char *of_namespace) {
        decision->counters = count;
        decision->text.reserve(count * (RECORD_SIZE + 96) + 32);
        decision->tag = store_tag(of_namespace, key_tags_ ? &hits[0] : nullptr);
        for (uint32_t i = 0; i < count; ++i)
            append_store_key(&decision->text, decision->tag, hits[i].key, hits[i].key_size);
        decision->keys_size = uint32_t(decision->text.size());
        append_decision_head(&decision->text, mode, count);
        for (uint32_t i = 0; i < count; ++i) {
            double wanted = 0;
            uint32_t terms = 0;
            if (leases.enabled() && mode != CHECK)
                wanted = leases.ask(hits[i], clock, decision->tag, &terms);
            if (wanted)
                decision->asks.push_back({i, terms, std::string(hits[i].key, hits[i].key_size)});
            char record[RECORD_SIZE];
            write_record(record, hits[i], clock, wanted);
            decision->text.append(record, RECORD_SIZE);
        }
        decision->text.append("\r\n");
    }

    // A decision of one counter that nobody waits for: a renewal, or the return of a lease.
    void send_alone(const LeasedCounter &counter, bool asks) {
        StoreDecision decision;
        decision.counters = 1;
        decision.tag = counter.tag;
        append_store_key(&decision.text, counter.tag, counter.key.data(), counter.key.size());
        decision.keys_size = uint32_t(decision.text.size());
        append_decision_head(&decision.text, CHECK_AND_ADD, 1);
        decision.text.append(counter.record, RECORD_SIZE).append("\r\n");
        if (asks) decision.asks.push_back({0, counter.terms, counter.key});
        put(decision);
    }

    uint64_t put(StoreDecision &decision) {
        uint64_t number = queue.put(decision);
        if (!number) refuse_asks(decision);
        return number;
    }

    void refuse_asks(const StoreDecision &decision) {
        for (const LeaseAsk &ask : decision.asks) leases.refused(ask.key);
    }

    void note_grants(const StoreDecision &decision, const char *reply, size_t whole,
                     int64_t sent_ns) {
        for (const LeaseAsk &ask : decision.asks) {
            StoreVerdict verdict;
            size_t at = DECISION_HEAD + ask.counter * VERDICT_SIZE;
            if (at + VERDICT_SIZE <= whole && read_verdict(reply + at, &verdict))
                leases.granted(ask, verdict, sent_ns);
            else
                leases.refused(ask.key);
        }
    }

    static bool well_formed(const StoreGroup &group, const char *reply, size_t size) {
        for (const StoreDecision &decision : group.decisions) {
            size_t whole = result_size(reply, size, decision.counters);
            if (!whole) return false;
            reply += whole;
            size -= whole;
        }
        return size == 0;
    }

    bool key_tags_;
};

}  // namespace tollhouse
