// Counters of events, one cell per series and thread, summed when somebody looks.
//
// Series ids are handed out once and never reused, so they survive reloads. A thread writes only its
// own cells: no contention, no lock prefix. Chunks are published by pointer and never move.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>

namespace tollhouse {

class Cells {
  public:
    static constexpr uint32_t CHUNK = 1024, CHUNKS = 256;  // up to 262,144 series

    explicit Cells(uint32_t threads) : rows_(new Row[threads]), threads_(threads) {}

    void add(uint32_t thread, uint32_t series, uint64_t amount) {
        if (series >= CHUNK * CHUNKS) return;
        std::atomic<Chunk *> &place = rows_[thread].chunks[series / CHUNK];
        Chunk *chunk = place.load(std::memory_order_acquire);
        if (!chunk) { chunk = new Chunk(); place.store(chunk, std::memory_order_release); }
        std::atomic<uint64_t> &cell = chunk->cells[series % CHUNK];
        cell.store(cell.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
    }

    uint64_t sum(uint32_t series) const {
        if (series >= CHUNK * CHUNKS) return 0;
        uint64_t total = 0;
        for (uint32_t t = 0; t < threads_; ++t)
            if (Chunk *chunk = rows_[t].chunks[series / CHUNK].load(std::memory_order_acquire))
                total += chunk->cells[series % CHUNK].load(std::memory_order_relaxed);
        return total;
    }

  private:
    struct alignas(64) Chunk { std::atomic<uint64_t> cells[CHUNK] = {}; };
    struct alignas(64) Row {
        std::atomic<Chunk *> chunks[CHUNKS] = {};
        ~Row() { for (auto &c : chunks) delete c.load(); }
    };
    std::unique_ptr<Row[]> rows_;
    uint32_t threads_;
};

}  // namespace tollhouse
