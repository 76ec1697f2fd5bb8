"""Requests as nghttp2 reports them: headers, messages, the decision, the hand-over.

Everything runs on the connection's I/O thread while it reads, so all answers of one read leave in
one write.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t
from libc.string cimport memcmp

from _fastpath.answer cimport fail, refuse
from _fastpath.conduct cimport (
    note_empty, note_peer_reset, note_ping, note_reset, note_settings, note_stream,
)
from _fastpath.decision cimport open_streaming, request_complete
from _fastpath.handover cimport drop_work
from _fastpath.http2 cimport *
from _fastpath.intake cimport consume, let_go
from _fastpath.message cimport hold, receive_part, take_messages
from _fastpath.transport cimport *

cdef enum:
    STATUS_DEADLINE_EXCEEDED = 4
    STATUS_RESOURCE_EXHAUSTED = 8
    STATUS_UNIMPLEMENTED = 12
    STATUS_INTERNAL = 13
    STATUS_UNAVAILABLE = 14
    INLINE_BYTES = 1024     # of a stream's buffers, as transport.hpp has it
    HEADER_OVERHEAD = 32    # RFC 9113 §10.5.1
    REFUSED_BYTES = 16384   # arbitrary: of a request that is no gRPC, before it is told to stop


# ---- headers

cdef int on_begin_headers(
    nghttp2_session *session, const nghttp2_frame *frame, void *owner
) noexcept nogil:
    cdef Connection *connection = <Connection *> owner
    connection.header_ns = connection.thread.now_ns
    if frame.headers.cat != NGHTTP2_HCAT_REQUEST:
        return 0
    cdef IoThread *thread = connection.thread
    cdef Stream *stream = thread.take_stream()
    if stream == NULL:
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE
    stream.id = frame.hd.stream_id
    stream.call = thread.next_call
    stream.opened_ns = thread.now_ns
    thread.next_call += 1
    note_stream(connection)
    connection.adopt(stream)
    nghttp2_session_set_stream_user_data(session, stream.id, stream)
    return 0


cdef inline void refuse_later(Stream *stream, int status, const char *text) noexcept nogil:
    if stream.refusal == 0:
        stream.refusal = status
        stream.refusal_text = text


cdef inline void find_method(Stream *stream, const uint8_t *path, size_t size) noexcept nogil:
    cdef ServerState *server = stream.connection.thread.server
    cdef size_t i
    cdef const MethodEntry *entry
    for i in range(server.methods.size()):
        entry = &server.methods[i]
        if entry.path.size() == size and memcmp(entry.path.data(), path, size) == 0:
            stream.method = entry
            return


cdef inline bint is_grpc(const uint8_t *value, size_t size) noexcept nogil:
    """application/grpc, with +suffix or ;parameters."""
    if size < 16 or memcmp(value, b"application/grpc", 16) != 0:
        return False
    return size == 16 or value[16] == c'+' or value[16] == c';'


cdef int on_header(
    nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_size,
    const uint8_t *value, size_t value_size, uint8_t flags, void *owner
) noexcept nogil:
    if frame.headers.cat != NGHTTP2_HCAT_REQUEST:
        return 0
    cdef Connection *connection = <Connection *> owner
    # The stream whose header block is being read was the last one to be adopted.
    cdef Stream *stream = connection.streams
    if stream == NULL or stream.id != frame.hd.stream_id:
        return 0
    stream.header_bytes += <uint32_t> (name_size + value_size + HEADER_OVERHEAD)
    if stream.header_bytes > connection.thread.server.bounds.header_list_bytes:
        refuse_later(stream, STATUS_RESOURCE_EXHAUSTED, b"header list is too large")
        return 0
    if name[0] == c':':
        if name_size == 5 and name[1] == c'p':
            find_method(stream, value, value_size)
        elif name_size == 7 and name[1] == c'm':
            stream.post = value_size == 4 and memcmp(value, b"POST", 4) == 0
        return 0
    if name_size == 2 and memcmp(name, b"te", 2) == 0:
        return 0
    if name_size == 12:
        if memcmp(name, b"content-type", 12) == 0:
            stream.grpc = is_grpc(value, value_size)
            return 0
        if memcmp(name, b"grpc-timeout", 12) == 0:
            set_deadline(stream, value, value_size)
            return 0
    if not put_pair(stream.metadata, name, name_size, value, value_size):
        refuse_later(stream, STATUS_RESOURCE_EXHAUSTED, b"out of memory")
    return 0


cdef void set_deadline(Stream *stream, const uint8_t *value, size_t size) noexcept nogil:
    cdef int64_t timeout = parse_timeout(value, size)
    if timeout < 0:
        refuse_later(stream, STATUS_INTERNAL, b"grpc-timeout is malformed")
    else:
        stream.deadline_ns = stream.connection.thread.now_ns + timeout


cdef void headers_complete(Stream *stream) noexcept nogil:
    cdef Connection *connection = stream.connection
    if not stream.post:
        stream.http_status = 405
    elif not stream.grpc:
        stream.http_status = 415
    elif stream.method == NULL:
        refuse_later(stream, STATUS_UNIMPLEMENTED, b"unknown method")
    if stream.http_status or stream.refusal:
        return
    if connection.draining and connection.said_goodbye:
        refuse_later(stream, STATUS_UNAVAILABLE, b"server is shutting down")
        return
    if stream.metadata.capacity > INLINE_BYTES:
        hold(stream, stream.metadata.capacity)
    if stream.method.streaming and stream.phase == RECEIVING:
        open_streaming(stream)


# ---- messages and frames

cdef int on_data(
    nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t size,
    void *owner
) noexcept nogil:
    cdef Connection *connection = <Connection *> owner
    cdef Stream *stream = <Stream *> nghttp2_session_get_stream_user_data(session, id)
    if stream == NULL or stream.phase == ANSWERED:
        nghttp2_session_consume_connection(session, size)
        return 0
    connection.conduct.messages += 1
    stream.unconsumed += size
    if stream.http_status:
        return 0
    if not stream.body.append(data, size):
        fail(stream, STATUS_RESOURCE_EXHAUSTED, b"out of memory")
        return 0
    if stream.phase == STREAMING:
        hold(stream, size)
        if stream.phase == STREAMING:
            take_messages(stream)
    elif not flags & NGHTTP2_FLAG_END_STREAM:
        receive_part(stream, size)
    return 0


cdef int on_frame(
    nghttp2_session *session, const nghttp2_frame *frame, void *owner
) noexcept nogil:
    cdef Connection *connection = <Connection *> owner
    cdef Stream *stream
    cdef uint8_t kind = frame.hd.type
    if kind == NGHTTP2_DATA or kind == NGHTTP2_HEADERS:
        stream = <Stream *> nghttp2_session_get_stream_user_data(session, frame.hd.stream_id)
        if kind == NGHTTP2_HEADERS:
            connection.header_ns = 0
            if stream != NULL and frame.headers.cat == NGHTTP2_HCAT_REQUEST:
                headers_complete(stream)
        elif frame.hd.length == 0 and not frame.hd.flags & NGHTTP2_FLAG_END_STREAM:
            note_empty(connection)
        if stream == NULL:
            return 0
        if frame.hd.flags & NGHTTP2_FLAG_END_STREAM:
            request_complete(stream)
        elif stream.phase == RECEIVING and (
            stream.refusal or stream.http_status and stream.unconsumed > REFUSED_BYTES
        ):
            refuse(stream)
    elif kind == NGHTTP2_RST_STREAM:
        stream = <Stream *> nghttp2_session_get_stream_user_data(session, frame.hd.stream_id)
        if stream != NULL:
            note_peer_reset(connection, stream)
    elif kind == NGHTTP2_PING:
        if not frame.hd.flags & NGHTTP2_FLAG_ACK:
            note_ping(connection)
        elif connection.draining and not connection.said_goodbye:
            say_last(connection)
    elif kind == NGHTTP2_SETTINGS:
        if not frame.hd.flags & NGHTTP2_FLAG_ACK:
            note_settings(connection)
    elif kind == NGHTTP2_PRIORITY:
        note_empty(connection)
    return 0


cdef void say_last(Connection *connection) noexcept nogil:
    """The second GOAWAY of a drain: every stream the peer opened before it has arrived."""
    connection.said_goodbye = True
    nghttp2_submit_goaway(
        connection.session, NGHTTP2_FLAG_NONE,
        nghttp2_session_get_last_proc_stream_id(connection.session), NGHTTP2_NO_ERROR, NULL, 0)


cdef int on_frame_sent(
    nghttp2_session *session, const nghttp2_frame *frame, void *owner
) noexcept nogil:
    """Behind the last frame of an early answer, ask the peer to stop sending (RFC 9113 §8.1)."""
    cdef Connection *connection = <Connection *> owner
    cdef Stream *stream
    if connection.early == 0 or not frame.hd.flags & NGHTTP2_FLAG_END_STREAM:
        return 0
    if frame.hd.type != NGHTTP2_HEADERS and frame.hd.type != NGHTTP2_DATA:
        return 0
    stream = <Stream *> nghttp2_session_get_stream_user_data(session, frame.hd.stream_id)
    if stream != NULL and stream.early and not stream.half_closed:
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream.id, NGHTTP2_NO_ERROR)
    return 0


cdef int on_invalid_frame(
    nghttp2_session *session, const nghttp2_frame *frame, int code, void *owner
) noexcept nogil:
    note_reset(<Connection *> owner)
    return 0


cdef int on_close(
    nghttp2_session *session, int32_t id, uint32_t code, void *owner
) noexcept nogil:
    cdef Connection *connection = <Connection *> owner
    cdef Stream *stream = <Stream *> nghttp2_session_get_stream_user_data(session, id)
    if stream == NULL:
        return 0
    if code != NGHTTP2_NO_ERROR and not stream.peer_reset:
        note_reset(connection)
    consume(stream, stream.unconsumed)
    nghttp2_session_set_stream_user_data(session, id, NULL)
    release_stream(stream)
    return 0


cdef void release_stream(Stream *stream) noexcept nogil:
    cdef Connection *connection = stream.connection
    cdef IoThread *thread = connection.thread
    if stream.phase == WAITING or stream.phase == STREAMING:
        count(thread.stats.cancelled)
        drop_work(stream)
    if stream.held:
        let_go(stream, stream.held)
    connection.answers -= stream.output.size - stream.sent
    connection.early -= stream.early
    thread.untime(stream)
    connection.disown(stream)
    connection.quiet_ns = thread.now_ns
    thread.give_stream(stream)


# ---- now and then

cdef void look_after(Connection *connection) noexcept nogil:
    """Refuse requests that take too long to arrive; open windows that memory kept shut."""
    cdef ServerState *server = connection.thread.server
    cdef int64_t now = connection.thread.now_ns
    cdef bint relieved = (
        connection.short_of_memory
        and server.held.load() <= server.bounds.process_request_bytes // 4 * 3)
    cdef Stream *stream = connection.streams
    if relieved:
        connection.short_of_memory = False
    while stream != NULL:
        if stream.phase == RECEIVING:
            if relieved and stream.withheld:
                nghttp2_session_consume_stream(connection.session, stream.id, stream.withheld)
                stream.withheld = 0
            if now - stream.opened_ns > server.bounds.request_ns:
                if stream.http_status:
                    refuse(stream)
                else:
                    fail(stream, STATUS_DEADLINE_EXCEEDED, b"request did not arrive in time")
        stream = stream.next


cdef void listen_to_requests(nghttp2_session_callbacks *callbacks) noexcept nogil:
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers)
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header)
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data)
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame)
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent)
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame)
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close)
