// Decisions on their way to a counter store: many threads put them, one reader takes batches.
//
// What waits is bounded by count and bytes, and so is what a batch takes. Whoever gives a decision
// up while it waits removes it; what was taken is settled by the reader, and a result for a call
// that is gone is dropped on the way (suspension.pyx).
#pragma once
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

#include "store_record.hpp"
#include "ticket.hpp"

namespace tollhouse {

struct StoreDecision {
    uint64_t number = 0;
    Ticket ticket{};       // call 0: nobody waits for the result
    uint32_t counters = 0;
    uint32_t keys_size = 0;  // of text: the keys, then the decision, as RESP bulk strings
    bool given_up = false;
    StoreTag tag;
    std::string text;
    std::vector<LeaseAsk> asks;
};

// Decisions of one tag in the form that is sent: the keys, the time, the decisions.
struct StoreGroup {
    StoreTag tag;
    uint32_t keys = 0;
    std::string body;
    std::vector<StoreDecision> decisions;  // without their text
    bool settled = false;
};

class StoreQueue {
  public:
    StoreQueue(size_t max_decisions, size_t max_bytes, bool by_tag)
        : wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
          max_decisions_(max_decisions), max_bytes_(max_bytes), by_tag_(by_tag) {}
    ~StoreQueue() { close(wake_); }
    StoreQueue(const StoreQueue &) = delete;
    StoreQueue &operator=(const StoreQueue &) = delete;

    int descriptor() const { return wake_; }  // readable while something waits

    // Numbers the decision (from 1 on) and takes it over; 0 when it does not fit the bounds.
    uint64_t put(StoreDecision &decision) {
        std::lock_guard<std::mutex> hold(lock_);
        if (live_ >= max_decisions_ || bytes_ + decision.text.size() > max_bytes_) {
            ++refused_;
            return 0;
        }
        if (waiting_.empty()) wake();
        decision.number = ++last_;
        bytes_ += decision.text.size();
        ++live_;
        waiting_.push_back(std::move(decision));
        return last_;
    }

    // Removes a decision that still waits; false when it was taken before. `gone` gets it.
    bool give_up(uint64_t number, StoreDecision *gone) {
        std::lock_guard<std::mutex> hold(lock_);
        auto at = std::lower_bound(
            waiting_.begin(), waiting_.end(), number,
            [](const StoreDecision &each, uint64_t wanted) { return each.number < wanted; });
        if (at == waiting_.end() || at->number != number || at->given_up) return false;
        forget(*at);
        *gone = std::move(*at);
        at->number = number;
        at->given_up = true;
        std::string().swap(at->text);
        at->asks.clear();
        while (!waiting_.empty() && waiting_.front().given_up) waiting_.pop_front();
        return true;
    }

    // The next `most` decisions, grouped by tag where tags are kept apart; empty when none waits.
    std::vector<StoreGroup> take(size_t most) {
        std::vector<StoreDecision> taken;
        {
            uint64_t count;
            while (read(wake_, &count, sizeof count) > 0) {}
            std::lock_guard<std::mutex> hold(lock_);
            while (!waiting_.empty() && taken.size() < most) {
                if (!waiting_.front().given_up) {
                    forget(waiting_.front());
                    taken.push_back(std::move(waiting_.front()));
                }
                waiting_.pop_front();
            }
            if (!waiting_.empty()) wake();
        }
        std::vector<StoreGroup> groups;
        for (StoreDecision &decision : taken)
            group_of(groups, decision.tag).decisions.push_back(std::move(decision));
        for (StoreGroup &group : groups) write_body(group);
        return groups;
    }

    size_t waiting() {
        std::lock_guard<std::mutex> hold(lock_);
        return live_;
    }
    uint64_t refused() {
        std::lock_guard<std::mutex> hold(lock_);
        return refused_;
    }

  private:
    void wake() {
        uint64_t one = 1;
        (void)!write(wake_, &one, sizeof one);
    }

    void forget(const StoreDecision &decision) {
        bytes_ -= decision.text.size();
        --live_;
    }

    StoreGroup &group_of(std::vector<StoreGroup> &groups, const StoreTag &tag) {
        auto same = [&](const StoreGroup &each) {
            return !by_tag_ || (each.tag.size == tag.size &&
                                !std::memcmp(each.tag.text, tag.text, tag.size));
        };
        auto at = std::find_if(groups.begin(), groups.end(), same);
        if (at != groups.end()) return *at;
        groups.emplace_back();
        groups.back().tag = tag;
        return groups.back();
    }

    static void write_body(StoreGroup &group) {
        size_t size = 0;
        for (StoreDecision &decision : group.decisions) {
            size += decision.text.size();
            group.keys += decision.counters;
        }
        group.body.reserve(size + 6);
        for (StoreDecision &decision : group.decisions)
            group.body.append(decision.text, 0, decision.keys_size);
        group.body.append("$0\r\n\r\n");
        for (StoreDecision &decision : group.decisions) {
            group.body.append(decision.text, decision.keys_size, std::string::npos);
            std::string().swap(decision.text);
        }
    }

    int wake_;
    std::mutex lock_;
    std::deque<StoreDecision> waiting_;  // by ascending number
    uint64_t last_ = 0, refused_ = 0;
    size_t live_ = 0, bytes_ = 0;
    size_t max_decisions_, max_bytes_;
    bool by_tag_;
};

}  // namespace tollhouse
