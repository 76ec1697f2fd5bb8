// The seam between a connection and its bytes: plain sockets here, TLS by other functions.
//
// read and write return the count, 0 at the end of the stream, or one of the negative answers. The
// descriptor is touched by these functions and by epoll registration only. A kind that keeps bytes, or
// the end, behind epoll's back says so in `more` and is read again at once.
#pragma once
#include <errno.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

namespace tollhouse {

enum ChannelAnswer : int { CHANNEL_FAILED = -1, CHANNEL_WANTS_READ = -2, CHANNEL_WANTS_WRITE = -3 };

struct Channel;

struct ChannelKind {
    // 1 when the handshake is done, else a ChannelAnswer; called until it is done.
    int (*handshake)(Channel *);
    ssize_t (*read)(Channel *, void *, size_t);
    ssize_t (*write)(Channel *, const void *, size_t);
    // No more bytes to the peer; what it still sends can be read.
    void (*finish)(Channel *);
    void (*close)(Channel *);
    // The verified peer certificate as DER; 0 bytes when there is none.
    size_t (*identity)(Channel *, const uint8_t **);
};

struct Channel {
    int fd = -1;
    bool ready = false;            // handshake done
    bool more = false;             // there is something to read that epoll does not see
    void *state = nullptr;         // the kind's own, per connection
    void *config = nullptr;        // the kind's own, per server
    const ChannelKind *kind = nullptr;
};

inline int plain_handshake(Channel *) { return 1; }
inline ssize_t plain_read(Channel *channel, void *into, size_t room) {
    ssize_t got = recv(channel->fd, into, room, 0);
    if (got >= 0) return got;
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? CHANNEL_WANTS_READ : CHANNEL_FAILED;
}
inline ssize_t plain_write(Channel *channel, const void *bytes, size_t size) {
    ssize_t sent = send(channel->fd, bytes, size, MSG_NOSIGNAL);
    if (sent >= 0) return sent;
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? CHANNEL_WANTS_WRITE : CHANNEL_FAILED;
}
inline void plain_finish(Channel *channel) { shutdown(channel->fd, SHUT_WR); }
inline void plain_close(Channel *channel) {
    if (channel->fd >= 0) close(channel->fd);
    channel->fd = -1;
}
inline size_t plain_identity(Channel *, const uint8_t **der) { *der = nullptr; return 0; }

inline const ChannelKind *plain_channel() {
    static const ChannelKind kind = {plain_handshake, plain_read, plain_write, plain_finish, plain_close, plain_identity};
    return &kind;
}

}  // namespace tollhouse
