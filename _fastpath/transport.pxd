"""Declarations of transport.hpp, queues.hpp, grpc_text.hpp and channel.hpp; the fields' meaning
stands there."""
from libc.stddef cimport size_t
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libcpp cimport bool as cbool
from libcpp.string cimport string
from libcpp.vector cimport vector

from _fastpath.arena cimport Arena
from _fastpath.http2 cimport nghttp2_option, nghttp2_session, nghttp2_session_callbacks


cdef extern from "channel.hpp" namespace "tollhouse" nogil:
    enum: CHANNEL_FAILED, CHANNEL_WANTS_READ, CHANNEL_WANTS_WRITE

    cdef struct ChannelKind:
        int (*handshake)(Channel *) noexcept nogil
        ssize_t (*read)(Channel *, void *, size_t) noexcept nogil
        ssize_t (*write)(Channel *, const void *, size_t) noexcept nogil
        void (*finish)(Channel *) noexcept nogil
        void (*close)(Channel *) noexcept nogil

    cdef struct Channel:
        int fd
        cbool ready, more
        void *state
        void *config
        const ChannelKind *kind

    const ChannelKind *plain_channel()


cdef extern from "transport.hpp" namespace "tollhouse" nogil:
    cdef struct ServerBounds:
        size_t message_bytes, header_list_bytes, connection_request_bytes, process_request_bytes
        size_t stream_output_bytes, connection_output_bytes, handover_calls, handover_bytes
        uint32_t concurrent_streams, connections, stream_window_bytes
        int64_t handover_age_ns, idle_ns, request_ns, stalled_output_ns
        uint32_t resets_per_second, pings_per_second, settings_per_second, empty_frames_per_second

    cdef cppclass MethodEntry:
        string path
        void *function
        void *state
        cbool streaming
        string overload
        uint32_t index

    cdef cppclass Bytes "tollhouse::Buffer<1024>":
        uint8_t *data
        size_t size, capacity
        cbool append(const void *, size_t)
        cbool reserve(size_t)
        void drop(size_t)
        void reset()

    cdef enum Phase:
        RECEIVING, WAITING, STREAMING, ANSWERED

    cdef cppclass Stream:
        Stream *next
        Stream *previous
        Connection *connection
        const MethodEntry *method
        uint64_t call
        int64_t opened_ns, deadline_ns, mono_ns, wall_ns
        uint64_t generation
        int32_t id
        int status, http_status, refusal
        const char *refusal_text
        Phase phase
        cbool grpc, post, half_closed, peer_reset, early
        cbool timed, finished, head_sent, trailers_sent, end_told
        uint32_t header_bytes, queued
        size_t held, unconsumed, withheld, advanced, credit, sent, unreported
        void *kept
        void *resume
        void (*discard)(void *) noexcept
        Bytes metadata
        Bytes body
        Bytes output
        string trailer
        string detail

    cdef cppclass Conduct:
        uint32_t resets, pings, settings, empty
        uint32_t streams, messages, earlier_streams, earlier_messages
        void turn(int64_t now_ns)

    cdef enum Standing:
        IN_ORDER, NEVER_OPENED, ENDED

    cdef cppclass StreamLedger:
        Standing standing
        size_t scan(const uint8_t *data, size_t size)

    cdef cppclass Connection:
        Connection()
        uint64_t id
        Channel channel
        nghttp2_session *session
        IoThread *thread
        Conduct conduct
        StreamLedger ledger
        Connection *before
        Connection *after
        size_t held, answers
        int64_t opened_ns, quiet_ns, stalled_ns, header_ns, notice_ns, ended_ns
        uint32_t open_streams, early, watched
        Stream *streams
        cbool dirty, doomed, draining, said_goodbye, served, abusive, short_of_memory
        string peer
        vector[uint8_t] pending
        size_t pending_sent
        void adopt(Stream *stream)
        void disown(Stream *stream)

    cdef enum EventKind:
        CALL, STREAM_OPEN, STREAM_MESSAGE, STREAM_END, CANCELLED, SENT

    cdef cppclass Event:
        Event()
        EventKind kind
        uint32_t thread, method
        int32_t stream
        uint64_t connection, call, generation
        int64_t mono_ns, wall_ns, deadline_ns
        size_t amount
        string metadata, payload, peer

    cdef enum CommandKind:
        ANSWER, MESSAGE, FINISH, CONSUMED, RESUME, ADOPT, LISTEN, DRAIN, STOP

    cdef cppclass Command:
        Command()
        CommandKind kind
        int32_t stream
        uint64_t connection, call
        int status, fd
        size_t amount
        string payload, detail, trailer, peer

    cdef cppclass HandOver:
        int descriptor()
        cbool put_call(Event &event, const ServerBounds &bounds)
        void put_news(Event &event)
        void take(vector[Event] &into)
        void done(size_t size)
        size_t calls()

    cdef cppclass Mailbox:
        int descriptor()
        void put(Command &command)
        void put_all(vector[Command] &commands)
        void take(vector[Command] &into)

    cdef cppclass Cell "std::atomic<uint64_t>":
        uint64_t load()

    cdef cppclass Gauge "std::atomic<uint32_t>":
        uint32_t load()
        uint32_t fetch_add(uint32_t)
        uint32_t fetch_sub(uint32_t)

    cdef cppclass Amount "std::atomic<size_t>":
        size_t load()
        size_t fetch_add(size_t)
        size_t fetch_sub(size_t)

    cdef cppclass ThreadStats:
        Cell accepted, closed, calls, answered_native, handed_over, overloaded
        Cell refused, cancelled, timed_out, abusive, suspended, writes

    void count(Cell &cell)

    cdef cppclass ServerState:
        ServerState() except +
        ServerBounds bounds
        vector[MethodEntry] methods
        HandOver handover
        vector[IoThread *] threads
        Gauge connections
        Amount held
        const ChannelKind *channel
        void *channel_config
        uint64_t number
        IoThread *choose()
        nghttp2_session_callbacks *callbacks
        nghttp2_option *option

    enum: INPUT_BYTES, OUTPUT_BYTES

    cdef cppclass IoThread:
        IoThread() except +
        ServerState *server
        uint32_t number
        int poll
        Mailbox mailbox
        ThreadStats stats
        Gauge load
        Connection *first
        vector[Connection *] dirty
        vector[Connection *] doomed
        uint64_t next_connection, next_call
        int64_t swept_ns, now_ns
        vector[int] listeners
        int spare
        cbool draining, stopping
        Arena arena
        uint8_t *input
        uint8_t *output
        Stream *take_stream()
        void give_stream(Stream *stream)
        void remember(Connection *connection)
        void forget(Connection *connection)
        Connection *find(uint64_t connection)
        void time(Stream *stream)
        void untime(Stream *stream)
        Stream *overdue(int64_t now_ns)
        int64_t next_deadline()

    int64_t monotonic_ns()
    int64_t wall_ns()
    int64_t parse_timeout(const uint8_t *text, size_t size)
    void percent_encode(const char *text, size_t size, string &into)
    enum: PAIR_PREFIX
    cbool put_pair(Bytes &into, const void *name, size_t name_size, const void *value,
                   size_t value_size)
