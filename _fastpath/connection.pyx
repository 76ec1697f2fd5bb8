"""One HTTP/2 connection: its session's life, reading, writing, and commands for its streams.

Everything here runs on the connection's I/O thread without the interpreter lock.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int32_t, uint8_t, uint32_t
from libc.string cimport memcpy

from _fastpath.answer cimport answer, fail, finish_with, put_message, send_head, time_out
from _fastpath.decision cimport resume
from _fastpath.http2 cimport *
from _fastpath.intake cimport consume, let_go
from _fastpath.message cimport take_messages
from _fastpath.request cimport listen_to_requests, release_stream, say_last
from _fastpath.transport cimport *

cdef enum:
    STATUS_RESOURCE_EXHAUSTED = 8
    LONGEST_WINDOW = 0x7fffffff
    ACKS = 4096             # of PING and SETTINGS, waiting to be written


# ---- commands from other threads

cdef void obey(IoThread *thread, Command *command) noexcept nogil:
    """Carry out a command about one stream; one that is gone is ignored."""
    cdef Connection *connection = thread.find(command.connection)
    if connection == NULL or connection.doomed:
        return
    cdef Stream *stream = <Stream *> nghttp2_session_get_stream_user_data(
        connection.session, command.stream)
    if stream == NULL or stream.call != command.call or stream.phase == ANSWERED:
        return
    if stream.deadline_ns and thread.now_ns >= stream.deadline_ns:
        time_out(stream)
    elif command.kind == RESUME:
        resume(stream, command)
    elif command.kind == ANSWER:
        stream.detail.swap(command.detail)
        stream.trailer.swap(command.trailer)
        if command.status == 0:
            answer(stream, <const uint8_t *> command.payload.data(), command.payload.size())
        else:
            finish_with(stream, command.status)
    elif command.kind == MESSAGE:
        if put_message(stream, <const uint8_t *> command.payload.data(), command.payload.size()):
            send_head(stream)
        else:
            fail(stream, STATUS_RESOURCE_EXHAUSTED, b"out of memory")
    elif command.kind == FINISH:
        stream.detail.swap(command.detail)
        stream.trailer.swap(command.trailer)
        finish_with(stream, command.status)
    elif command.kind == CONSUMED and command.amount <= stream.held:
        give_back(stream, command.amount)


cdef void give_back(Stream *stream, size_t amount) noexcept nogil:
    """A streaming handler took one message: open the windows for its bytes, give it the next."""
    let_go(stream, amount)
    consume(stream, amount)
    stream.queued -= 1
    cdef size_t early = amount if amount < stream.credit else stream.credit
    stream.credit -= early
    if amount > early:
        nghttp2_session_consume_stream(
            stream.connection.session, stream.id, amount - early)
    take_messages(stream)


cdef void expire(IoThread *thread) noexcept nogil:
    """End every call whose deadline has passed."""
    cdef Stream *stream = thread.overdue(thread.now_ns)
    cdef Connection *connection
    while stream != NULL:
        connection = stream.connection
        thread.untime(stream)
        time_out(stream)
        if not connection.dirty:
            connection.dirty = True
            thread.dirty.push_back(connection)
        stream = thread.overdue(thread.now_ns)


# ---- the session's life

cdef int prepare(ServerState *server) noexcept nogil:
    """Callbacks and options shared by all sessions; 0 or nghttp2's error."""
    cdef int code = nghttp2_session_callbacks_new(&server.callbacks)
    if code == 0:
        code = nghttp2_option_new(&server.option)
    if code != 0:
        return code
    listen_to_requests(server.callbacks)
    nghttp2_option_set_no_auto_window_update(server.option, 1)
    nghttp2_option_set_no_closed_streams(server.option, 1)
    nghttp2_option_set_max_outbound_ack(server.option, ACKS)
    # Resets are judged by conduct.pyx, which knows a timeout from an attack.
    nghttp2_option_set_stream_reset_rate_limit(server.option, 1 << 40, 1 << 40)
    return 0


cdef bint open_session(Connection *connection) noexcept nogil:
    cdef ServerState *server = connection.thread.server
    cdef nghttp2_settings_entry[3] settings
    if nghttp2_session_server_new2(
            &connection.session, server.callbacks, connection, server.option) != 0:
        return False
    settings[0].settings_id = NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS
    settings[0].value = server.bounds.concurrent_streams
    settings[1].settings_id = NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE
    settings[1].value = server.bounds.stream_window_bytes
    settings[2].settings_id = NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE
    settings[2].value = <uint32_t> server.bounds.header_list_bytes
    nghttp2_submit_settings(connection.session, NGHTTP2_FLAG_NONE, settings, 3)
    cdef size_t window = server.bounds.connection_request_bytes
    if window > LONGEST_WINDOW:
        window = LONGEST_WINDOW
    nghttp2_session_set_local_window_size(
        connection.session, NGHTTP2_FLAG_NONE, 0, <int32_t> window)
    return True


cdef bint receive(Connection *connection) noexcept nogil:
    """Read what there is, once for a plain socket; False when the connection is over."""
    if not read_once(connection):
        return False
    while connection.channel.more:
        if not read_once(connection):
            return False
    return True


cdef bint read_once(Connection *connection) noexcept nogil:
    cdef IoThread *thread = connection.thread
    cdef ssize_t got = connection.channel.kind.read(
        &connection.channel, thread.input, INPUT_BYTES)
    if got == CHANNEL_WANTS_READ or got == CHANNEL_WANTS_WRITE:
        return True
    if got <= 0:
        return False
    if connection.ledger.standing != IN_ORDER:
        return True     # the GOAWAY is on its way
    cdef size_t good = connection.ledger.scan(thread.input, got)
    if nghttp2_session_mem_recv(connection.session, thread.input, good) < 0:
        return False
    if connection.ledger.standing == ENDED:
        nghttp2_session_terminate_session(connection.session, NGHTTP2_STREAM_CLOSED)
    elif connection.ledger.standing == NEVER_OPENED:
        nghttp2_session_terminate_session(connection.session, NGHTTP2_PROTOCOL_ERROR)
    return True


cdef bint discard(Connection *connection) noexcept nogil:
    """Read what the peer sends after the end of its session; False once it has closed too."""
    cdef IoThread *thread = connection.thread
    cdef ssize_t got = connection.channel.kind.read(
        &connection.channel, thread.input, INPUT_BYTES)
    return got > 0 or got == CHANNEL_WANTS_READ or got == CHANNEL_WANTS_WRITE


cdef Remainder flush(Connection *connection) noexcept nogil:
    """Write what is ready, in as few writes as it takes."""
    cdef IoThread *thread = connection.thread
    cdef const uint8_t *frame
    cdef ssize_t size
    cdef size_t filled
    cdef bint more = True
    if connection.pending.size() and not write_pending(connection):
        return BROKEN
    while more and connection.pending.size() == 0:
        filled = 0
        more = False
        while True:
            size = nghttp2_session_mem_send(connection.session, &frame)
            if size < 0:
                return BROKEN
            if size == 0:
                break
            if filled + size > OUTPUT_BYTES:
                return BROKEN
            memcpy(thread.output + filled, frame, size)
            filled += size
            if filled > OUTPUT_BYTES - INPUT_BYTES:
                more = True
                break
        if filled and not write_out(connection, filled):
            return BROKEN
    if connection.answers > thread.server.bounds.connection_output_bytes:
        return BROKEN
    if (connection.pending.size() or nghttp2_session_want_read(connection.session)
            or nghttp2_session_want_write(connection.session)):
        return OPEN
    return DONE


cdef bint write_out(Connection *connection, size_t size) noexcept nogil:
    """Write the thread's output buffer; what the socket does not take is kept."""
    cdef uint8_t *bytes = connection.thread.output
    cdef ssize_t sent = connection.channel.kind.write(&connection.channel, bytes, size)
    count(connection.thread.stats.writes)
    if sent == CHANNEL_FAILED:
        return False
    if sent < 0:
        sent = 0
    if <size_t> sent < size:
        connection.pending.assign(bytes + sent, bytes + size)
        connection.pending_sent = 0
        connection.stalled_ns = connection.thread.now_ns
    return True


cdef bint write_pending(Connection *connection) noexcept nogil:
    cdef size_t left = connection.pending.size() - connection.pending_sent
    cdef ssize_t sent = connection.channel.kind.write(
        &connection.channel, connection.pending.data() + connection.pending_sent, left)
    if sent == CHANNEL_FAILED:
        return False
    if sent <= 0:
        return True
    connection.stalled_ns = connection.thread.now_ns
    connection.pending_sent += sent
    if <size_t> sent == left:
        connection.pending.clear()
        connection.pending_sent = 0
    return True


cdef void say_goodbye(Connection *connection, bint final) noexcept nogil:
    """Drain: first the notice with a PING behind it, then the GOAWAY with the true last stream."""
    cdef uint8_t[8] token
    if connection.said_goodbye:
        return
    if final:
        say_last(connection)
        return
    connection.draining = True
    connection.notice_ns = connection.thread.now_ns
    memcpy(token, b"drain...", 8)
    nghttp2_submit_shutdown_notice(connection.session)
    nghttp2_submit_ping(connection.session, NGHTTP2_FLAG_NONE, token)


cdef void end_session(Connection *connection) noexcept nogil:
    """Cancel what is still open and delete the session, which itself calls nobody back."""
    while connection.streams != NULL:
        release_stream(connection.streams)
    if connection.session != NULL:
        nghttp2_session_del(connection.session)
        connection.session = NULL
