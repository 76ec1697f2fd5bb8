"""The loop of one I/O thread: accept, read, decide, write, and what falls due.

Every thread watches all listeners; whoever wakes accepts and gives the connection to the thread
that has the fewest, ties in turn. Connections that have something to write are collected while a
wake-up is worked through and flushed once at its end.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libcpp.string cimport string
from libcpp.vector cimport vector

from _fastpath.connection cimport (
    BROKEN, DONE, Remainder, discard, end_session, expire, flush, obey, open_session, receive,
    say_goodbye,
)
from _fastpath.request cimport look_after
from _fastpath.transport cimport *

cdef extern from "sockets.hpp" namespace "tollhouse" nogil:
    int accept_one(int listener, int &spare, string &peer)


cdef extern from "unistd.h" nogil:
    int close(int fd)


cdef extern from "sys/epoll.h" nogil:
    ctypedef union epoll_data_t:
        void *ptr
        uint64_t u64
    cdef struct epoll_event:
        uint32_t events
        epoll_data_t data
    int epoll_create1(int flags)
    int epoll_ctl(int poll, int operation, int fd, epoll_event *event)
    int epoll_wait(int poll, epoll_event *events, int most, int timeout_ms)
    enum:
        EPOLLIN, EPOLLOUT, EPOLLEXCLUSIVE, EPOLL_CLOEXEC
        EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL

cdef enum:
    EVENTS = 64
    ACCEPTS = 16                # per wake-up of a listener
    SWEEP_NS = 250000000
    FAREWELL_NS = 1000000000
    MILLISECOND_NS = 1000000
    LISTENER_TAG = 1            # low bit of a listener's epoll data; 2 is the mailbox


cdef bint watch(
    IoThread *thread, int operation, int fd, uint32_t events, uint64_t data
) noexcept nogil:
    cdef epoll_event event
    event.events = events
    event.data.u64 = data
    return epoll_ctl(thread.poll, operation, fd, &event) == 0


cdef bint open_thread(IoThread *thread, ServerState *server) noexcept nogil:
    thread.server = server
    thread.poll = epoll_create1(EPOLL_CLOEXEC)
    return thread.poll >= 0 and watch(
        thread, EPOLL_CTL_ADD, thread.mailbox.descriptor(), EPOLLIN, 2)


cdef bint watch_listener(IoThread *thread, int fd) noexcept nogil:
    thread.listeners.push_back(fd)
    return watch(
        thread, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLEXCLUSIVE, (<uint64_t> fd << 8) | LISTENER_TAG)


cdef void welcome(IoThread *thread, int listener) noexcept nogil:
    """Accept what waits and hand each connection to the thread with the fewest."""
    cdef ServerState *server = thread.server
    cdef IoThread *best
    cdef Command command
    cdef int _attempt
    for _attempt in range(ACCEPTS):
        command.fd = accept_one(listener, thread.spare, command.peer)
        if command.fd < 0:
            return
        if server.connections.fetch_add(1) >= server.bounds.connections:
            server.connections.fetch_sub(1)
            close(command.fd)
            count(thread.stats.refused)
            continue
        best = server.choose()
        if best == thread:
            adopt(thread, command.fd, command.peer)
        else:
            command.kind = ADOPT
            best.mailbox.put(command)


cdef void adopt(IoThread *thread, int fd, string &peer) noexcept nogil:
    cdef Connection *connection = new Connection()
    cdef ServerState *server = thread.server
    count(thread.stats.accepted)
    connection.id = thread.next_connection
    thread.next_connection += 1
    connection.thread = thread
    connection.channel.fd = fd
    connection.channel.kind = server.channel
    connection.channel.config = server.channel_config
    connection.peer.swap(peer)
    connection.opened_ns = connection.quiet_ns = thread.now_ns
    connection.watched = EPOLLIN
    thread.remember(connection)
    if not open_session(connection) or not watch(
            thread, EPOLL_CTL_ADD, fd, EPOLLIN, <uint64_t> connection):
        doom(connection)
        return
    if thread.draining:
        say_goodbye(connection, False)
    if shake_hands(connection):
        touch(connection)


cdef inline void touch(Connection *connection) noexcept nogil:
    """Flush this connection at the end of the wake-up."""
    if not connection.dirty:
        connection.dirty = True
        connection.thread.dirty.push_back(connection)


cdef void doom(Connection *connection) noexcept nogil:
    """Bury at the end of the wake-up: events of the same batch may still name it."""
    if not connection.doomed:
        connection.doomed = True
        connection.thread.doomed.push_back(connection)


cdef void part(Connection *connection) noexcept nogil:
    """Our side of an ended session is closed, the peer's is read to its end: bytes that nobody
    read would make the system reset the connection, and the last frames would be lost with it."""
    if connection.ended_ns or connection.doomed:
        return
    connection.ended_ns = connection.thread.now_ns
    connection.channel.kind.finish(&connection.channel)
    connection.watched = EPOLLIN
    watch(connection.thread, EPOLL_CTL_MOD, connection.channel.fd, EPOLLIN,
          <uint64_t> connection)


cdef void bury(IoThread *thread) noexcept nogil:
    cdef Connection *connection
    while thread.doomed.size():
        connection = thread.doomed.back()
        thread.doomed.pop_back()
        end_session(connection)
        connection.channel.kind.close(&connection.channel)
        thread.forget(connection)
        thread.server.connections.fetch_sub(1)
        count(thread.stats.closed)
        del connection


cdef void flush_dirty(IoThread *thread) noexcept nogil:
    cdef Connection *connection
    cdef Remainder left
    cdef uint32_t wanted
    cdef size_t enough = thread.server.bounds.connection_output_bytes // 2
    cdef size_t i = 0
    while i < thread.dirty.size():
        connection = thread.dirty[i]
        i += 1
        connection.dirty = False
        if connection.doomed or connection.ended_ns or not connection.channel.ready:
            continue
        left = flush(connection)
        if left == BROKEN:
            doom(connection)
            continue
        if left == DONE:
            part(connection)
            continue
        wanted = EPOLLOUT if connection.pending.size() else 0
        if connection.pending.size() == 0 or (
                connection.answers + connection.pending.size() <= enough):
            # Answers that wait for windows need the frames of the peer; those in the socket do not.
            wanted |= EPOLLIN
        if wanted != connection.watched:
            connection.watched = wanted
            watch(thread, EPOLL_CTL_MOD, connection.channel.fd, wanted, <uint64_t> connection)
    thread.dirty.clear()


cdef bint shake_hands(Connection *connection) noexcept nogil:
    """True once the channel may carry data; its handshake asks for what it waits for."""
    cdef int answer
    cdef uint32_t wanted
    if connection.channel.ready:
        return True
    answer = connection.channel.kind.handshake(&connection.channel)
    if answer == CHANNEL_FAILED:
        doom(connection)
        return False
    if answer == CHANNEL_WANTS_READ or answer == CHANNEL_WANTS_WRITE:
        wanted = EPOLLOUT if answer == CHANNEL_WANTS_WRITE else EPOLLIN
        if wanted != connection.watched:
            connection.watched = wanted
            watch(connection.thread, EPOLL_CTL_MOD, connection.channel.fd, wanted,
                  <uint64_t> connection)
        return False
    connection.channel.ready = True
    return True


cdef void handle(IoThread *thread, Connection *connection, uint32_t events) noexcept nogil:
    if connection.doomed or not shake_hands(connection):
        return
    if connection.ended_ns:
        if not discard(connection):
            doom(connection)
        return
    if events & ~(<uint32_t> EPOLLOUT) and not receive(connection):
        # What was answered before the peer went may still be wanted; an error has no reader.
        flush(connection)
        doom(connection)
        return
    touch(connection)


cdef void read_mail(IoThread *thread, vector[Command] &commands) noexcept nogil:
    cdef size_t i
    cdef Connection *connection
    thread.mailbox.take(commands)
    for i in range(commands.size()):
        if commands[i].kind == ADOPT:
            adopt(thread, commands[i].fd, commands[i].peer)
        elif commands[i].kind == LISTEN:
            if not thread.draining:
                watch_listener(thread, commands[i].fd)
        elif commands[i].kind == DRAIN:
            start_drain(thread)
        elif commands[i].kind == STOP:
            thread.stopping = True
        else:
            obey(thread, &commands[i])
            connection = thread.find(commands[i].connection)
            if connection != NULL and not connection.doomed:
                touch(connection)
    commands.clear()


cdef void refuse_mail(IoThread *thread, vector[Command] &commands) noexcept nogil:
    """Close connections that were on their way to this thread when it stopped."""
    cdef size_t i
    thread.mailbox.take(commands)
    for i in range(commands.size()):
        if commands[i].kind == ADOPT:
            close(commands[i].fd)
            thread.server.connections.fetch_sub(1)
            thread.load.fetch_sub(1)
    commands.clear()


cdef void start_drain(IoThread *thread) noexcept nogil:
    cdef Connection *connection = thread.first
    cdef size_t i
    thread.draining = True
    for i in range(thread.listeners.size()):
        watch(thread, EPOLL_CTL_DEL, thread.listeners[i], 0, 0)
    while connection != NULL:
        if not connection.doomed:
            say_goodbye(connection, False)
            touch(connection)
        connection = connection.after


cdef void sweep(IoThread *thread) noexcept nogil:
    """Close what is idle, never spoke, or reads nothing."""
    cdef const ServerBounds *bounds = &thread.server.bounds
    cdef int64_t now = thread.now_ns
    cdef Connection *connection = thread.first
    thread.swept_ns = now
    while connection != NULL:
        if connection.ended_ns:
            if now - connection.ended_ns > FAREWELL_NS:
                doom(connection)
        elif connection.pending.size() and now - connection.stalled_ns > bounds.stalled_output_ns:
            doom(connection)
        elif not connection.served and now - connection.opened_ns > bounds.request_ns:
            doom(connection)
        elif connection.header_ns and now - connection.header_ns > bounds.request_ns:
            doom(connection)
        elif connection.draining and now - connection.notice_ns > SWEEP_NS:
            # The peer does not acknowledge the PING of the drain: go on without it.
            say_goodbye(connection, True)
            touch(connection)
        elif connection.open_streams:
            look_after(connection)
            touch(connection)
        elif bounds.idle_ns and now - connection.quiet_ns > bounds.idle_ns:
            say_goodbye(connection, True)
            touch(connection)
        connection = connection.after


cdef int patience_ms(IoThread *thread) noexcept nogil:
    """How long epoll may sleep: until the next deadline or sweep."""
    cdef int64_t due = thread.next_deadline()
    cdef int64_t left
    if due == 0:
        return 250 if thread.first != NULL else 1000
    left = (due - thread.now_ns + MILLISECOND_NS - 1) // MILLISECOND_NS
    return 0 if left < 0 else (250 if left > 250 else <int> left)


cdef void run(IoThread *thread) noexcept nogil:
    """Until a STOP command; the caller owns the thread."""
    cdef epoll_event[EVENTS] events
    cdef vector[Command] commands
    cdef int ready, i
    cdef uint64_t data
    cdef Connection *connection
    thread.now_ns = monotonic_ns()
    while not thread.stopping:
        ready = epoll_wait(thread.poll, events, EVENTS, patience_ms(thread))
        thread.now_ns = monotonic_ns()
        for i in range(ready):
            data = events[i].data.u64
            if data == 2:
                read_mail(thread, commands)
            elif data & LISTENER_TAG:
                if not thread.draining:
                    welcome(thread, <int> (data >> 8))
            else:
                handle(thread, <Connection *> data, events[i].events)
        expire(thread)
        flush_dirty(thread)
        if thread.now_ns - thread.swept_ns > SWEEP_NS:
            sweep(thread)
            flush_dirty(thread)
        bury(thread)
    connection = thread.first
    while connection != NULL:
        flush(connection)
        doom(connection)
        connection = connection.after
    bury(thread)
    refuse_mail(thread, commands)
