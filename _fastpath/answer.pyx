"""Answers of one stream: messages, trailers, errors of the transport, plain HTTP errors.

Submitting only queues; nghttp2 asks for the bytes (`give_output`) when the connection is flushed
and the peer's windows allow.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int32_t, uint8_t, uint32_t
from libc.string cimport memcpy, strlen

from _fastpath.handover cimport drop_work, tell
from _fastpath.http2 cimport *
from _fastpath.intake cimport consume, let_go
from _fastpath.transport cimport *

cdef enum:
    STATUS_DEADLINE_EXCEEDED = 4
    STATUS_RESOURCE_EXHAUSTED = 8
    MESSAGE_PREFIX = 5
    PAIRS = 64              # of trailers; arbitrary, Envoy takes 100 header fields
    REPORT_BYTES = 16384    # arbitrary: sent bytes are told to the interpreter in such steps

cdef nghttp2_nv[2] ANSWER_HEAD
cdef nghttp2_nv[1] ANSWER_TAIL


cdef inline nghttp2_nv pair(const char *name, size_t n, const char *value, size_t v) noexcept nogil:
    """A header whose bytes outlive the session."""
    cdef nghttp2_nv nv
    nv.name = <uint8_t *> name
    nv.namelen = n
    nv.value = <uint8_t *> value
    nv.valuelen = v
    nv.flags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE
    return nv


cdef inline nghttp2_nv copied(
    const char *name, size_t n, const char *value, size_t v
) noexcept nogil:
    cdef nghttp2_nv nv = pair(name, n, value, v)
    nv.flags = NGHTTP2_NV_FLAG_NONE
    return nv


cdef ssize_t give_output(
    nghttp2_session *session, int32_t id, uint8_t *into, size_t room, uint32_t *flags,
    nghttp2_data_source *source, void *owner
) noexcept nogil:
    cdef Stream *stream = <Stream *> source.ptr
    cdef Connection *connection = stream.connection
    cdef size_t size = stream.output.size - stream.sent
    if size > room:
        size = room
    if size:
        memcpy(into, stream.output.data + stream.sent, size)
        stream.sent += size
        connection.answers -= size
        connection.conduct.messages += 1
        if stream.phase == STREAMING:
            report_sent(stream, size)
    if stream.sent < stream.output.size:
        return <ssize_t> size
    if stream.finished:
        flags[0] |= NGHTTP2_DATA_FLAG_EOF
        if stream.http_status == 0:
            flags[0] |= NGHTTP2_DATA_FLAG_NO_END_STREAM
            send_trailers(stream)
        return <ssize_t> size
    stream.output.reset()
    stream.sent = 0
    return <ssize_t> size if size else NGHTTP2_ERR_DEFERRED


cdef void report_sent(Stream *stream, size_t size) noexcept nogil:
    stream.unreported += size
    if stream.unreported < REPORT_BYTES and stream.sent < stream.output.size:
        return
    tell(stream, SENT, stream.unreported)
    stream.unreported = 0


cdef void send_trailers(Stream *stream) noexcept nogil:
    cdef nghttp2_nv[PAIRS] pairs
    cdef char[4] digits
    cdef size_t count
    if stream.trailers_sent:
        return
    stream.trailers_sent = True
    if stream.status == 0 and stream.trailer.empty():
        nghttp2_submit_trailer(stream.connection.session, stream.id, ANSWER_TAIL, 1)
        return
    count = fill_trailers(stream, pairs, 0, digits)
    nghttp2_submit_trailer(stream.connection.session, stream.id, pairs, count)


cdef size_t fill_trailers(
    Stream *stream, nghttp2_nv *pairs, size_t at, char *digits
) noexcept nogil:
    """Append grpc-status, grpc-message and the extra metadata; `pairs` has room for PAIRS."""
    cdef size_t length = 1
    if stream.status >= 10:
        digits[0] = c'0' + <char> (stream.status // 10)
        digits[1] = c'0' + <char> (stream.status % 10)
        length = 2
    else:
        digits[0] = c'0' + <char> stream.status
    pairs[at] = copied(b"grpc-status", 11, digits, length)
    at += 1
    if stream.detail.size():
        pairs[at] = copied(b"grpc-message", 12, stream.detail.data(), stream.detail.size())
        at += 1
    cdef const uint8_t *place = <const uint8_t *> stream.trailer.data()
    cdef const uint8_t *end = place + stream.trailer.size()
    cdef uint32_t name_size = 0, value_size = 0
    while place + PAIR_PREFIX <= end and at < PAIRS:
        name_size = place[0] | (<uint32_t> place[1] << 8)
        memcpy(&value_size, place + 2, 4)
        place += PAIR_PREFIX
        pairs[at] = copied(<const char *> place, name_size,
                           <const char *> place + name_size, value_size)
        place += name_size + value_size
        at += 1
    return at


cdef bint put_message(Stream *stream, const uint8_t *message, size_t size) noexcept nogil:
    """Append one framed message to the output; False when memory is out."""
    cdef uint8_t *place
    if stream.sent > 0 and stream.sent >= stream.output.size // 2:
        # A peer that always lags a little must not make the sent part grow.
        stream.output.drop(stream.sent)
        stream.sent = 0
    if not stream.output.reserve(stream.output.size + MESSAGE_PREFIX + size):
        return False
    place = stream.output.data + stream.output.size
    place[0] = 0
    place[1] = <uint8_t> (size >> 24)
    place[2] = <uint8_t> (size >> 16)
    place[3] = <uint8_t> (size >> 8)
    place[4] = <uint8_t> size
    memcpy(place + MESSAGE_PREFIX, message, size)
    stream.output.size += MESSAGE_PREFIX + size
    stream.connection.answers += MESSAGE_PREFIX + size
    return True


cdef void send_head(Stream *stream) noexcept nogil:
    """Start the answer, or let nghttp2 ask for more of it."""
    cdef nghttp2_data_provider provider
    if stream.head_sent:
        nghttp2_session_resume_data(stream.connection.session, stream.id)
        return
    stream.head_sent = True
    provider.source.ptr = stream
    provider.read_callback = give_output
    nghttp2_submit_response(stream.connection.session, stream.id, ANSWER_HEAD, 2, &provider)


cdef inline void note_end(Stream *stream) noexcept nogil:
    stream.phase = ANSWERED
    stream.finished = True
    stream.connection.thread.untime(stream)
    if not stream.half_closed and not stream.early:
        stream.early = True
        stream.connection.early += 1


cdef void answer(Stream *stream, const uint8_t *message, size_t size) noexcept nogil:
    """The one answer of a unary call."""
    if not put_message(stream, message, size):
        fail(stream, STATUS_RESOURCE_EXHAUSTED, b"out of memory")
        return
    note_end(stream)
    send_head(stream)


cdef void finish_with(Stream *stream, int status) noexcept nogil:
    """End the call with what `detail` and `trailer` hold; trailers-only if nothing was sent."""
    cdef nghttp2_nv[PAIRS] pairs
    cdef char[4] digits
    cdef size_t count
    stream.status = status
    note_end(stream)
    if stream.head_sent:
        nghttp2_session_resume_data(stream.connection.session, stream.id)
    elif stream.output.size or status == 0:
        send_head(stream)
    else:
        stream.head_sent = stream.trailers_sent = True
        pairs[0] = ANSWER_HEAD[0]
        pairs[1] = ANSWER_HEAD[1]
        count = fill_trailers(stream, pairs, 2, digits)
        nghttp2_submit_response(stream.connection.session, stream.id, pairs, count, NULL)
    stop_upload(stream)


cdef void stop_upload(Stream *stream) noexcept nogil:
    """Let go of what a refused request has sent; what still comes is consumed and dropped."""
    consume(stream, stream.unconsumed)
    if stream.held:
        let_go(stream, stream.held)
    stream.body.reset()


cdef void fail(Stream *stream, int status, const char *text) noexcept nogil:
    """Answer with an error of the transport; a running handler is cancelled."""
    if stream.phase == ANSWERED:
        return
    count(stream.connection.thread.stats.refused)
    if stream.phase != RECEIVING:
        drop_work(stream)
    stream.detail.assign(text)
    finish_with(stream, status)


cdef void time_out(Stream *stream) noexcept nogil:
    count(stream.connection.thread.stats.timed_out)
    if stream.phase != RECEIVING:
        drop_work(stream)
    stream.detail.assign(b"deadline exceeded")
    finish_with(stream, STATUS_DEADLINE_EXCEEDED)


cdef void refuse(Stream *stream) noexcept nogil:
    """Answer what the request's headers or a bound objected to."""
    cdef nghttp2_data_provider provider
    cdef nghttp2_nv[3] pairs
    cdef const char *text
    if stream.http_status == 0:
        fail(stream, stream.refusal, stream.refusal_text)
        return
    count(stream.connection.thread.stats.refused)
    if stream.http_status == 405:
        pairs[0] = pair(b":status", 7, b"405", 3)
        pairs[2] = pair(b"allow", 5, b"POST", 4)
        text = b"this port speaks gRPC: use POST\n"
    else:
        pairs[0] = pair(b":status", 7, b"415", 3)
        pairs[2] = pair(b"accept", 6, b"application/grpc", 16)
        text = b"this port speaks gRPC: content-type must be application/grpc\n"
    pairs[1] = pair(b"content-type", 12, b"text/plain; charset=utf-8", 25)
    if stream.output.append(text, strlen(text)):
        stream.connection.answers += strlen(text)
    note_end(stream)
    stream.head_sent = stream.trailers_sent = True
    provider.source.ptr = stream
    provider.read_callback = give_output
    nghttp2_submit_response(stream.connection.session, stream.id, pairs, 3, &provider)
    stop_upload(stream)


ANSWER_HEAD[0] = pair(b":status", 7, b"200", 3)
ANSWER_HEAD[1] = pair(b"content-type", 12, b"application/grpc", 16)
ANSWER_TAIL[0] = pair(b"grpc-status", 11, b"0", 1)
