// The published configuration: one pointer, swapped whole.
//
// Every reading thread owns a slot that remembers the plan it last saw. A read compares one
// generation and returns the remembered pointer; only after a publish does it take the lock once.
// The plan a slot lets go of is retired, never deleted there: collect() deletes, on the publisher's
// side.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "counted.hpp"

namespace tollhouse {

struct Plan : Counted {
    uint64_t generation = 0;
    Counted *limits = nullptr;  // LimitIndex of limit_index.hpp, or null
    Counted *hosts = nullptr;   // HostIndex of host_index.hpp, or null
    Counted *labels = nullptr;  // LabelSet of label_series.hpp, or null
    ~Plan() override { drop(limits); drop(hosts); drop(labels); }
};

class PlanStore {
  public:
    explicit PlanStore(uint32_t readers) : slots_(new Slot[readers]), readers_(readers) {}
    ~PlanStore() {
        for (uint32_t i = 0; i < readers_; ++i) drop(slots_[i].plan);
        drop(current_);
        for (Plan *plan : retired_) delete plan;
    }

    // Takes over the caller's references to the parts. Returns the generation.
    uint64_t publish(Counted *limits, Counted *hosts, Counted *labels) {
        Plan *plan = new Plan;
        plan->limits = limits;
        plan->hosts = hosts;
        plan->labels = labels;
        std::lock_guard<std::mutex> hold(lock_);
        uint64_t generation = generation_.load(std::memory_order_relaxed) + 1;
        plan->generation = generation;
        if (release(current_)) retired_.push_back(current_);
        current_ = plan;
        generation_.store(generation, std::memory_order_release);
        return generation;
    }

    // The current plan, or null before the first publish. Valid until this reader reads again.
    Plan *read(uint32_t reader) {
        Slot &slot = slots_[reader];
        if (slot.generation != generation_.load(std::memory_order_acquire)) refresh(slot);
        return slot.plan;
    }

    void let_go(Plan *plan) {
        if (!release(plan)) return;
        std::lock_guard<std::mutex> hold(lock_);
        retired_.push_back(plan);
    }

    // Deletes retired plans. An idle reader keeps its old plan until it wakes, which bounds the
    // memory of old plans at one per reader.
    void collect() {
        std::vector<Plan *> gone;
        {
            std::lock_guard<std::mutex> hold(lock_);
            gone.swap(retired_);
        }
        for (Plan *plan : gone) delete plan;
    }

    uint64_t generation() const { return generation_.load(std::memory_order_acquire); }
    uint32_t readers() const { return readers_; }

  private:
    struct alignas(64) Slot { uint64_t generation = 0; Plan *plan = nullptr; };

    void refresh(Slot &slot) {
        std::lock_guard<std::mutex> hold(lock_);
        if (release(slot.plan)) retired_.push_back(slot.plan);
        slot.plan = current_;
        retain(slot.plan);
        slot.generation = generation_.load(std::memory_order_relaxed);
    }

    std::unique_ptr<Slot[]> slots_;
    uint32_t readers_;
    std::mutex lock_;
    Plan *current_ = nullptr;
    std::atomic<uint64_t> generation_{0};
    std::vector<Plan *> retired_;
};

}  // namespace tollhouse
