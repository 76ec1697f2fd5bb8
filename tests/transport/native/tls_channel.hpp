// A trial of the channel seam: TLS by OpenSSL. Lives with the tests, is not shipped.
#pragma once
#include <openssl/ssl.h>

#include <mutex>
#include <string>

#include "channel.hpp"

namespace trial {

using namespace tollhouse;

inline std::mutex identity_lock;
inline std::string last_identity;

struct Session {
    SSL *ssl = nullptr;
    unsigned char *der = nullptr;
    size_t der_size = 0;
};

inline int wants(Session *session, int answer) {
    switch (SSL_get_error(session->ssl, answer)) {
        case SSL_ERROR_WANT_READ: return CHANNEL_WANTS_READ;
        case SSL_ERROR_WANT_WRITE: return CHANNEL_WANTS_WRITE;
        default: return CHANNEL_FAILED;
    }
}

inline size_t tls_identity(Channel *channel, const uint8_t **der) {
    Session *session = static_cast<Session *>(channel->state);
    *der = session->der;
    return session->der_size;
}

inline int tls_handshake(Channel *channel) {
    Session *session = static_cast<Session *>(channel->state);
    if (!session) {
        channel->state = session = new Session;
        session->ssl = SSL_new(static_cast<SSL_CTX *>(channel->config));
        SSL_set_fd(session->ssl, channel->fd);
        SSL_set_accept_state(session->ssl);
    }
    int answer = SSL_do_handshake(session->ssl);
    if (answer != 1) return wants(session, answer);
    if (X509 *certificate = SSL_get1_peer_certificate(session->ssl)) {
        int size = i2d_X509(certificate, &session->der);
        session->der_size = size > 0 ? size : 0;
        X509_free(certificate);
    }
    const uint8_t *der;
    size_t size = channel->kind->identity(channel, &der);
    std::lock_guard<std::mutex> hold(identity_lock);
    last_identity.assign(reinterpret_cast<const char *>(der), size);
    return 1;
}

inline ssize_t tls_read(Channel *channel, void *into, size_t room) {
    Session *session = static_cast<Session *>(channel->state);
    size_t filled = 0;
    while (filled < room) {
        size_t got = 0;
        int answer = SSL_read_ex(session->ssl, static_cast<char *>(into) + filled, room - filled, &got);
        if (answer != 1) {
            channel->more = false;
            if (SSL_get_error(session->ssl, answer) == SSL_ERROR_ZERO_RETURN) {
                channel->more = filled > 0;
                return static_cast<ssize_t>(filled);
            }
            return filled ? static_cast<ssize_t>(filled) : wants(session, answer);
        }
        filled += got;
    }
    channel->more = SSL_pending(session->ssl) > 0;
    return static_cast<ssize_t>(filled);
}

inline ssize_t tls_write(Channel *channel, const void *bytes, size_t size) {
    Session *session = static_cast<Session *>(channel->state);
    size_t sent = 0;
    int answer = SSL_write_ex(session->ssl, bytes, size, &sent);
    return answer == 1 ? static_cast<ssize_t>(sent) : wants(session, answer);
}

inline void tls_finish(Channel *channel) {
    if (Session *session = static_cast<Session *>(channel->state)) SSL_shutdown(session->ssl);
    plain_finish(channel);
}

inline void tls_close(Channel *channel) {
    if (Session *session = static_cast<Session *>(channel->state)) {
        SSL_free(session->ssl);
        OPENSSL_free(session->der);
        delete session;
        channel->state = nullptr;
    }
    plain_close(channel);
}

inline const ChannelKind *tls_channel() {
    static const ChannelKind kind = {tls_handshake, tls_read, tls_write, tls_finish, tls_close, tls_identity};
    return &kind;
}

inline int choose_h2(SSL *, const unsigned char **out, unsigned char *size, const unsigned char *in,
                     unsigned int in_size, void *) {
    static const unsigned char h2[] = "\x02h2";
    return SSL_select_next_proto(const_cast<unsigned char **>(out), size, h2, 3, in, in_size) ==
                   OPENSSL_NPN_NEGOTIATED
               ? SSL_TLSEXT_ERR_OK
               : SSL_TLSEXT_ERR_ALERT_FATAL;
}

// Null when the files cannot be used. The client must show a certificate signed by `certificate`.
inline SSL_CTX *make_config(const char *certificate, const char *key) {
    SSL_CTX *config = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_mode(config, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_alpn_select_cb(config, choose_h2, nullptr);
    SSL_CTX_set_verify(config, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    if (SSL_CTX_use_certificate_file(config, certificate, SSL_FILETYPE_PEM) == 1 &&
        SSL_CTX_use_PrivateKey_file(config, key, SSL_FILETYPE_PEM) == 1 &&
        SSL_CTX_load_verify_locations(config, certificate, nullptr) == 1)
        return config;
    SSL_CTX_free(config);
    return nullptr;
}

}  // namespace trial
