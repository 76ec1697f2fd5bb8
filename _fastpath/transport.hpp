// The state of the native gRPC server: what one I/O thread, connection and stream hold.
//
// A connection and its streams belong to one I/O thread and are touched by no other; everything that
// crosses threads stands in queues.hpp.
#pragma once
#include <nghttp2/nghttp2.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <new>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "arena.hpp"
#include "channel.hpp"
#include "grpc_text.hpp"
#include "queues.hpp"
#include "stream_ledger.hpp"

namespace tollhouse {

struct MethodEntry {
    std::string path;
    void *function = nullptr;  // native_function, or null
    void *state = nullptr;
    bool streaming = false;
    std::string overload;  // answer when the interpreter is overloaded; empty = UNAVAILABLE
    uint32_t index = 0;
};

enum Phase : uint8_t {
    RECEIVING,   // headers or body of a request
    WAITING,     // with the interpreter or suspended
    STREAMING,   // a streaming handler runs
    ANSWERED,    // the answer is submitted
};

struct Connection;

struct Stream {
    Stream *next = nullptr;  // in the pool, or of the connection
    Stream *previous = nullptr;
    Connection *connection = nullptr;
    const MethodEntry *method = nullptr;
    uint64_t call = 0;
    int64_t opened_ns = 0;
    int64_t deadline_ns = 0;           // 0: none
    int64_t mono_ns = 0, wall_ns = 0;  // the clocks of the decision, read once
    uint64_t generation = 0;           // of the plan that suspended the call
    int32_t id = 0;
    int status = 0;       // of the answer
    int http_status = 0;  // not 0: refuse as HTTP with this status
    int refusal = 0;      // not 0: refuse as gRPC with this status
    const char *refusal_text = nullptr;
    Phase phase = RECEIVING;
    bool grpc = false, post = false, half_closed = false, peer_reset = false, early = false;
    bool timed = false, finished = false, head_sent = false, trailers_sent = false, end_told = false;
    uint32_t header_bytes = 0;
    uint32_t queued = 0;    // messages with the interpreter that its handler has not taken
    size_t held = 0;        // request bytes counted against the bounds
    size_t unconsumed = 0;  // request bytes the connection's window still waits for
    size_t withheld = 0;    // request bytes the stream's window waits for while memory is short
    size_t advanced = 0;    // bytes of `body` for which the stream's window was opened early
    size_t credit = 0;      // bytes so opened that the handler has not taken yet
    size_t sent = 0;        // of output
    size_t unreported = 0;  // sent bytes not yet told to the interpreter
    void *kept = nullptr;   // a suspended handler's
    void *resume = nullptr;
    void (*discard)(void *) = nullptr;
    Buffer<1024> metadata;  // packed as put_pair does
    Buffer<1024> body;      // received bytes, frames included
    Buffer<1024> output;    // framed messages
    std::string trailer;    // extra trailing metadata, packed
    std::string detail;     // percent-encoded grpc-message

    void recycle() {
        next = previous = nullptr;
        connection = nullptr;
        method = nullptr;
        opened_ns = deadline_ns = mono_ns = wall_ns = 0;
        generation = 0;
        status = http_status = refusal = 0;
        refusal_text = nullptr;
        phase = RECEIVING;
        grpc = post = half_closed = peer_reset = early = false;
        timed = finished = head_sent = trailers_sent = end_told = false;
        header_bytes = queued = 0;
        held = unconsumed = withheld = advanced = credit = sent = unreported = 0;
        kept = resume = nullptr;
        discard = nullptr;
        metadata.reset();
        body.reset();
        output.reset();
        clear(trailer);
        clear(detail);
    }
    static void clear(std::string &text) {
        if (text.capacity() > 64) std::string().swap(text); else text.clear();
    }
};

// What one connection did in the running second.
struct Conduct {
    int64_t since_ns = 0;
    uint32_t resets = 0, pings = 0, settings = 0, empty = 0;
    uint32_t streams = 0, messages = 0;  // opened; DATA frames either way
    uint32_t earlier_streams = 0, earlier_messages = 0;  // of the second before

    void turn(int64_t now_ns) {
        constexpr int64_t second = 1000000000;
        if (now_ns - since_ns < second) return;
        const bool next = now_ns - since_ns < 2 * second;
        earlier_streams = next ? streams : 0;
        earlier_messages = next ? messages : 0;
        since_ns = now_ns;
        resets = pings = settings = empty = streams = messages = 0;
    }
};

struct IoThread;

struct Connection {
    uint64_t id = 0;
    Channel channel;
    nghttp2_session *session = nullptr;
    IoThread *thread = nullptr;
    Conduct conduct;
    StreamLedger ledger;
    Connection *before = nullptr, *after = nullptr;  // in the thread's list
    size_t held = 0;                                 // request bytes
    size_t answers = 0;                              // bytes of answers not yet framed
    int64_t opened_ns = 0;
    int64_t quiet_ns = 0;    // since when no stream is open
    int64_t stalled_ns = 0;  // last progress of a waiting write
    int64_t header_ns = 0;   // start of a header block that is not complete; 0: none
    int64_t notice_ns = 0;   // when the drain was announced
    int64_t ended_ns = 0;    // when the last byte to the peer was written; 0: not yet
    uint32_t open_streams = 0;
    uint32_t early = 0;  // answered streams whose peer still sends
    Stream *streams = nullptr;
    uint32_t watched = 0;  // epoll events asked for
    bool dirty = false, doomed = false, draining = false, said_goodbye = false, served = false;
    bool abusive = false, short_of_memory = false;
    std::string peer;
    std::vector<uint8_t> pending;  // framed output that the socket did not take
    size_t pending_sent = 0;

    void adopt(Stream *stream) {
        stream->connection = this;
        stream->previous = nullptr;
        stream->next = streams;
        if (streams) streams->previous = stream;
        streams = stream;
        ++open_streams;
    }
    void disown(Stream *stream) {
        if (stream->previous) stream->previous->next = stream->next;
        else streams = stream->next;
        if (stream->next) stream->next->previous = stream->previous;
        --open_streams;
    }
};

struct alignas(64) ThreadStats {
    std::atomic<uint64_t> accepted{0}, closed{0}, calls{0}, answered_native{0}, handed_over{0};
    std::atomic<uint64_t> overloaded{0}, refused{0}, cancelled{0}, timed_out{0}, abusive{0}, suspended{0}, writes{0};
};

inline void count(std::atomic<uint64_t> &cell) {
    cell.store(cell.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

struct ServerState {
    ServerBounds bounds{};
    std::vector<MethodEntry> methods;
    HandOver handover;
    std::vector<IoThread *> threads;
    std::atomic<uint32_t> connections{0};
    std::atomic<size_t> held{0};                  // request bytes over all connections
    const ChannelKind *channel = plain_channel();
    void *channel_config = nullptr;               // handed to each Channel
    uint64_t number = 0;                          // for tickets, see suspension.pyx
    std::mutex choosing;
    uint32_t turn = 0;
    nghttp2_session_callbacks *callbacks = nullptr;
    nghttp2_option *option = nullptr;
    ~ServerState();
    IoThread *choose();
};

constexpr size_t INPUT_BYTES = 64 * 1024, OUTPUT_BYTES = 256 * 1024;

struct IoThread {
    ServerState *server = nullptr;
    uint32_t number = 0;
    int poll = -1;
    Mailbox mailbox;
    ThreadStats stats;
    std::atomic<uint32_t> load{0};  // connections, also those on their way here
    Connection *first = nullptr;
    std::unordered_map<uint64_t, Connection *> connections;
    std::vector<Connection *> dirty;
    std::vector<Connection *> doomed;
    std::set<std::pair<int64_t, Stream *>> deadlines;
    Stream *pool = nullptr;
    uint32_t pooled = 0;
    uint64_t next_connection = 1, next_call = 1;
    int64_t swept_ns = 0, now_ns = 0;  // now_ns: of the current wake-up
    std::vector<int> listeners;
    int spare = -1;  // a descriptor to give up when there are none left, see accept_one
    bool draining = false, stopping = false;
    Arena arena;
    uint8_t input[INPUT_BYTES];
    uint8_t output[OUTPUT_BYTES];

    ~IoThread() {
        while (pool) { Stream *next = pool->next; delete pool; pool = next; }
        if (poll >= 0) close(poll);
        if (spare >= 0) close(spare);
    }

    Stream *take_stream() {
        Stream *stream = pool;
        if (stream) { pool = stream->next; --pooled; } else stream = new (std::nothrow) Stream;
        return stream;
    }
    void remember(Connection *connection) {
        connection->after = first;
        if (first) first->before = connection;
        first = connection;
        connections[connection->id] = connection;
    }
    void forget(Connection *connection) {
        if (connection->before) connection->before->after = connection->after;
        else first = connection->after;
        if (connection->after) connection->after->before = connection->before;
        connections.erase(connection->id);
        load.fetch_sub(1, std::memory_order_relaxed);
    }
    Connection *find(uint64_t id) const {
        auto place = connections.find(id);
        return place == connections.end() ? nullptr : place->second;
    }

    void time(Stream *stream) {
        stream->timed = true;
        deadlines.emplace(stream->deadline_ns, stream);
    }
    void untime(Stream *stream) {
        if (stream->timed) deadlines.erase({stream->deadline_ns, stream});
        stream->timed = false;
    }
    Stream *overdue(int64_t now_ns) const {
        return deadlines.empty() || deadlines.begin()->first > now_ns ? nullptr : deadlines.begin()->second;
    }
    int64_t next_deadline() const { return deadlines.empty() ? 0 : deadlines.begin()->first; }

    void give_stream(Stream *stream) {
        stream->recycle();
        if (pooled >= 4096) { delete stream; return; }
        stream->next = pool;
        pool = stream;
        ++pooled;
    }
};

inline ServerState::~ServerState() {
    for (IoThread *thread : threads) delete thread;
    if (callbacks) nghttp2_session_callbacks_del(callbacks);
    if (option) nghttp2_option_del(option);
}

// The thread with the fewest connections, ties in turn; counts the new one there at once, so that
// connections which arrive together are spread as well.
inline IoThread *ServerState::choose() {
    std::lock_guard<std::mutex> hold(choosing);
    const size_t number = threads.size(), offset = turn++;
    IoThread *best = threads[offset % number];
    for (size_t i = 1; i < number; ++i) {
        IoThread *other = threads[(offset + i) % number];
        if (other->load.load() < best->load.load()) best = other;
    }
    best->load.fetch_add(1);
    return best;
}

inline int64_t clock_ns(clockid_t which) {
    struct timespec now;
    clock_gettime(which, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}
inline int64_t monotonic_ns() { return clock_ns(CLOCK_MONOTONIC); }
inline int64_t wall_ns() { return clock_ns(CLOCK_REALTIME); }

}  // namespace tollhouse
