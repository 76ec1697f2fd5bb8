// Scratch memory of one thread, given back whole after each request.
//
// Chunks grow by doubling and reset() keeps the largest up to KEEP bytes, so a thread in steady state
// allocates nothing and one giant request does not pin its memory. Past the bound take() returns
// nullptr and the request is refused.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdlib>

namespace tollhouse {

class Arena {
  public:
    static constexpr size_t KEEP = 1u << 20;

    explicit Arena(size_t bound = 32u << 20) : bound_(bound) {}
    ~Arena() { drop(nullptr); }
    Arena(const Arena &) = delete;
    Arena &operator=(const Arena &) = delete;

    // 8-byte aligned, uninitialized; valid until reset().
    void *take(size_t size) {
        size = (size + 7) & ~size_t(7);
        if (size <= left_) {
            void *at = next_;
            next_ += size;
            left_ -= size;
            return at;
        }
        return grow(size);
    }

    void reset() {
        if (!head_) return;
        if (head_->before) { drop(head_); head_->before = nullptr; total_ = head_->size; }
        if (head_->size > KEEP) {
            drop(nullptr);
            head_ = nullptr;
            next_ = nullptr;
            left_ = total_ = 0;
            return;
        }
        next_ = reinterpret_cast<char *>(head_ + 1);
        left_ = head_->size;
    }

  private:
    struct Chunk { Chunk *before; size_t size; };

    void *grow(size_t size) {
        size_t want = head_ ? head_->size * 2 : 16384;
        while (want < size) want *= 2;
        if (want > bound_ || total_ + want > 2 * bound_) return nullptr;
        Chunk *chunk = static_cast<Chunk *>(std::malloc(sizeof(Chunk) + want));
        if (!chunk) return nullptr;
        chunk->before = head_;
        chunk->size = want;
        head_ = chunk;
        total_ += want;
        next_ = reinterpret_cast<char *>(chunk + 1) + size;
        left_ = want - size;
        return chunk + 1;
    }

    void drop(Chunk *keep) {
        Chunk *chunk = keep ? keep->before : head_;
        while (chunk) { Chunk *before = chunk->before; std::free(chunk); chunk = before; }
    }

    Chunk *head_ = nullptr;
    char *next_ = nullptr;
    size_t left_ = 0, total_ = 0, bound_;
};

}  // namespace tollhouse
