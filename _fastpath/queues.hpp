// What crosses threads: events from I/O threads to the interpreter, commands to I/O threads.
//
// Both name their stream by numbers, never by pointer: connection ids and call ids are not reused.
#pragma once
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

namespace tollhouse {

struct ServerBounds {
    size_t message_bytes, header_list_bytes, connection_request_bytes, process_request_bytes;
    size_t stream_output_bytes, connection_output_bytes, handover_calls, handover_bytes;
    uint32_t concurrent_streams, connections, stream_window_bytes;
    int64_t handover_age_ns, idle_ns, request_ns, stalled_output_ns;
    uint32_t resets_per_second, pings_per_second, settings_per_second, empty_frames_per_second;
};

enum EventKind : uint8_t { CALL, STREAM_OPEN, STREAM_MESSAGE, STREAM_END, CANCELLED, SENT };

struct Event {
    EventKind kind;
    uint32_t thread = 0, method = 0;
    int32_t stream = 0;
    uint64_t connection = 0, call = 0, generation = 0;
    int64_t mono_ns = 0, wall_ns = 0, deadline_ns = 0;
    size_t amount = 0;  // SENT: bytes
    std::string metadata, payload, peer;
};

enum CommandKind : uint8_t { ANSWER, MESSAGE, FINISH, CONSUMED, RESUME, ADOPT, LISTEN, DRAIN, STOP };

struct Command {
    CommandKind kind;
    int32_t stream = 0;
    uint64_t connection = 0, call = 0;
    int status = 0;
    int fd = -1;
    size_t amount = 0;
    std::string payload, detail, trailer, peer;
};

// Many I/O threads to one reader.
//
// Calls are bounded until their handlers have finished, not only while they wait here: a loop that
// takes calls faster than it ends them would otherwise only move the queue.
class HandOver {
  public:
    HandOver() : wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}
    ~HandOver() { close(wake_); }
    int descriptor() const { return wake_; }

    // False when the call does not fit the bounds or the loop has taken nothing for too long.
    bool put_call(Event &event, const ServerBounds &bounds) {
        const size_t size = event.payload.size();
        std::lock_guard<std::mutex> hold(lock_);
        if (calls_.load(std::memory_order_relaxed) >= bounds.handover_calls) return false;
        if (bytes_.load(std::memory_order_relaxed) + size > bounds.handover_bytes) return false;
        if (waiting_ && event.mono_ns - oldest_ns_ > bounds.handover_age_ns) return false;
        if (!waiting_++) oldest_ns_ = event.mono_ns;
        calls_.fetch_add(1, std::memory_order_relaxed);
        bytes_.fetch_add(size, std::memory_order_relaxed);
        push(event);
        return true;
    }

    // News of a call that was put; bounded by the windows of its stream.
    void put_news(Event &event) {
        std::lock_guard<std::mutex> hold(lock_);
        push(event);
    }

    void take(std::vector<Event> &into) {
        uint64_t count;
        while (read(wake_, &count, sizeof count) > 0) {}
        std::lock_guard<std::mutex> hold(lock_);
        into.swap(events_);
        waiting_ = 0;
    }

    // The handler of a call with `size` request bytes has ended.
    void done(size_t size) {
        calls_.fetch_sub(1, std::memory_order_relaxed);
        bytes_.fetch_sub(size, std::memory_order_relaxed);
    }
    size_t calls() const { return calls_.load(std::memory_order_relaxed); }

  private:
    void push(Event &event) {
        if (events_.empty()) {
            uint64_t one = 1;
            (void)!write(wake_, &one, sizeof one);
        }
        events_.push_back(std::move(event));
    }

    int wake_;
    std::mutex lock_;
    std::vector<Event> events_;
    size_t waiting_ = 0;  // calls among the events
    int64_t oldest_ns_ = 0;
    std::atomic<size_t> calls_{0}, bytes_{0};
};

// Anyone to one I/O thread.
class Mailbox {
  public:
    Mailbox() : wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}
    ~Mailbox() { close(wake_); }
    int descriptor() const { return wake_; }

    void put(Command &command) {
        bool first;
        {
            std::lock_guard<std::mutex> hold(lock_);
            first = commands_.empty();
            commands_.push_back(std::move(command));
        }
        uint64_t one = 1;
        if (first) (void)!write(wake_, &one, sizeof one);
    }

    // The same for many at once; leaves `commands` empty.
    void put_all(std::vector<Command> &commands) {
        bool first;
        {
            std::lock_guard<std::mutex> hold(lock_);
            first = commands_.empty();
            if (first) {
                commands_.swap(commands);
            } else {
                for (Command &command : commands) commands_.push_back(std::move(command));
            }
        }
        commands.clear();
        uint64_t one = 1;
        if (first) (void)!write(wake_, &one, sizeof one);
    }

    void take(std::vector<Command> &into) {
        uint64_t count;
        while (read(wake_, &count, sizeof count) > 0) {}
        std::lock_guard<std::mutex> hold(lock_);
        into.swap(commands_);
    }

  private:
    int wake_;
    std::mutex lock_;
    std::vector<Command> commands_;
};

}  // namespace tollhouse
