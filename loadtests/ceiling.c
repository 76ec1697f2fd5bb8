/* The yardstick: the least an nghttp2 gRPC server can do for a unary call.
 *
 * One thread, one epoll loop, a fixed answer, no decoding, no limits, no error handling beyond
 * closing the connection. Usage: ceiling PORT ANSWER_FILE (the file holds the bare message).
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { OUTPUT = 128 * 1024, SLACK = 32 * 1024, INPUT = 64 * 1024, EVENTS = 64, BODY = 16 * 1024 };

struct peer {
    int fd;
    nghttp2_session *session;
    size_t pending;
    uint8_t output[OUTPUT];
};

struct call {
    size_t received;
    uint8_t body[BODY];
};

static uint8_t answer[4096];
static size_t answer_size;

#define HEADER(n, v) \
    { (uint8_t *)n, (uint8_t *)v, sizeof n - 1, sizeof v - 1, \
      NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE }
static nghttp2_nv head[] = {HEADER(":status", "200"), HEADER("content-type", "application/grpc")};
static nghttp2_nv tail[] = {HEADER("grpc-status", "0")};

static ssize_t give_body(nghttp2_session *session, int32_t id, uint8_t *into, size_t room,
                         uint32_t *flags, nghttp2_data_source *source, void *owner) {
    (void)room, (void)source, (void)owner;
    memcpy(into, answer, answer_size);
    *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
    nghttp2_submit_trailer(session, id, tail, 1);
    return (ssize_t)answer_size;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *owner) {
    (void)owner;
    int carries = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;
    if (carries && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) {
        nghttp2_data_provider body = {{0}, give_body};
        nghttp2_submit_response(session, frame->hd.stream_id, head, 2, &body);
    }
    return 0;
}

static int on_begin(nghttp2_session *session, const nghttp2_frame *frame, void *owner) {
    (void)owner;
    struct call *call = malloc(sizeof *call);
    if (!call) return NGHTTP2_ERR_CALLBACK_FAILURE;
    call->received = 0;
    return nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, call);
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                   size_t size, void *owner) {
    (void)flags, (void)owner;
    struct call *call = nghttp2_session_get_stream_user_data(session, id);
    if (call && call->received + size <= BODY) {
        memcpy(call->body + call->received, data, size);
        call->received += size;
    }
    return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *owner) {
    (void)code, (void)owner;
    free(nghttp2_session_get_stream_user_data(session, id));
    return 0;
}

static int flush(struct peer *peer) {
    for (;;) {
        const uint8_t *bytes;
        ssize_t got;
        while (peer->pending < OUTPUT - SLACK &&
               (got = nghttp2_session_mem_send(peer->session, &bytes)) > 0) {
            memcpy(peer->output + peer->pending, bytes, (size_t)got);
            peer->pending += (size_t)got;
        }
        if (!peer->pending) return 0;
        ssize_t sent = write(peer->fd, peer->output, peer->pending);
        if (sent <= 0) return -1;
        peer->pending -= (size_t)sent;
        memmove(peer->output, peer->output + sent, peer->pending);
    }
}

static void greet(int listener, int poll, nghttp2_session_callbacks *callbacks) {
    int fd = accept(listener, 0, 0), on = 1;
    struct peer *peer = calloc(1, sizeof *peer);
    if (fd < 0 || !peer) exit(1);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    peer->fd = fd;
    nghttp2_settings_entry streams = {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1000};
    nghttp2_session_server_new(&peer->session, callbacks, peer);
    nghttp2_submit_settings(peer->session, NGHTTP2_FLAG_NONE, &streams, 1);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = peer};
    epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
    flush(peer);
}

static void serve(struct peer *peer) {
    static uint8_t input[INPUT];
    ssize_t got = read(peer->fd, input, sizeof input);
    if (got > 0 && nghttp2_session_mem_recv(peer->session, input, (size_t)got) >= 0 &&
        flush(peer) == 0)
        return;
    close(peer->fd);
    nghttp2_session_del(peer->session);
    free(peer);
}

static size_t read_answer(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) return 0;
    size_t size = fread(answer + 5, 1, sizeof answer - 5, file);
    fclose(file);
    answer[3] = (uint8_t)(size >> 8);
    answer[4] = (uint8_t)size;
    return size + 5;
}

int main(int count, char **words) {
    if (count != 3 || !(answer_size = read_answer(words[2]))) {
        fprintf(stderr, "usage: ceiling PORT ANSWER_FILE\n");
        return 2;
    }
    int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_port = htons(atoi(words[1]))};
    place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&place, sizeof place) || listen(listener, 128)) {
        perror("ceiling");
        return 1;
    }
    nghttp2_session_callbacks *callbacks;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    int poll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}, events[EVENTS];
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int ready = epoll_wait(poll, events, EVENTS, -1);
        for (int i = 0; i < ready; ++i) {
            if (events[i].data.ptr)
                serve(events[i].data.ptr);
            else
                greet(listener, poll, callbacks);
        }
    }
}
