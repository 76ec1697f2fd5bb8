// Addresses: opening listeners, accepting, naming peers.
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <string>

namespace tollhouse {

// A listening descriptor, or -1 with `error` filled. A stale socket file is replaced, a live one not.
inline int listen_unix(const std::string &path, std::string &error) {
    struct sockaddr_un place {};
    place.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof place.sun_path) { error = "socket path is empty or too long"; return -1; }
    std::memcpy(place.sun_path, path.data(), path.size());
    struct stat found;
    if (stat(path.c_str(), &found) == 0 && S_ISSOCK(found.st_mode)) {
        int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        bool alive = connect(probe, reinterpret_cast<sockaddr *>(&place), sizeof place) == 0;
        close(probe);
        if (alive) { error = "another process listens there"; return -1; }
        unlink(path.c_str());
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind(fd, reinterpret_cast<sockaddr *>(&place), sizeof place) == 0 && listen(fd, 1024) == 0) return fd;
    error = std::strerror(errno);
    if (fd >= 0) close(fd);
    return -1;
}

inline int listen_tcp(const std::string &host, const std::string &port, std::string &error) {
    struct addrinfo hints {}, *found = nullptr;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    int code = getaddrinfo(host.empty() ? nullptr : host.c_str(), port.c_str(), &hints, &found);
    if (code != 0) { error = gai_strerror(code); return -1; }
    int fd = -1;
    for (struct addrinfo *place = found; place; place = place->ai_next) {
        fd = socket(place->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        int on = 1;
        if (fd >= 0) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        if (fd >= 0 && bind(fd, place->ai_addr, place->ai_addrlen) == 0 && listen(fd, 1024) == 0) break;
        error = std::strerror(errno);
        if (fd >= 0) close(fd);
        fd = -1;
    }
    freeaddrinfo(found);
    return fd;
}

inline std::string name_address(const struct sockaddr *place, socklen_t size) {
    if (place->sa_family == AF_UNIX) return "unix:";
    char host[NI_MAXHOST], port[NI_MAXSERV];
    if (getnameinfo(place, size, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) != 0) return "";
    std::string name = host;
    if (place->sa_family == AF_INET6) name = "[" + name + "]";
    return name + ":" + port;
}

inline std::string bound_address(int fd) {
    struct sockaddr_storage place {};
    socklen_t size = sizeof place;
    if (getsockname(fd, reinterpret_cast<sockaddr *>(&place), &size) != 0) return "";
    return name_address(reinterpret_cast<sockaddr *>(&place), size);
}

// The next waiting connection, or -1; `peer` is its address. With no descriptor left, the `spare` one
// is given up for a moment to accept and close the connection: left waiting, it would wake epoll
// again and again.
inline int accept_one(int listener, int &spare, std::string &peer) {
    struct sockaddr_storage place {};
    socklen_t size = sizeof place;
    if (spare < 0) spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int fd = accept4(listener, reinterpret_cast<sockaddr *>(&place), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        if ((errno == EMFILE || errno == ENFILE) && spare >= 0) {
            close(spare);
            fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
            if (fd >= 0) close(fd);
            spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
        }
        return -1;
    }
    int on = 1;
    if (place.ss_family != AF_UNIX) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    peer = name_address(reinterpret_cast<sockaddr *>(&place), size);
    return fd;
}

}  // namespace tollhouse
