# distutils: language = c++
"""Puts TLS under a server through the channel seam."""
from libcpp.string cimport string

from _fastpath.server cimport Server
from _fastpath.transport cimport ChannelKind

cdef extern from "tls_channel.hpp" namespace "trial":
    const ChannelKind *tls_channel()
    void *make_config(const char *certificate, const char *key)
    cppclass Lock "std::mutex":
        void lock()
        void unlock()
    Lock identity_lock
    string last_identity


def install(Server server, bytes certificate, bytes key):
    """Before `start`; paths of PEM files."""
    cdef void *config = make_config(certificate, key)
    if config == NULL:
        raise ValueError("unusable certificate or key")
    server.state.channel = tls_channel()
    server.state.channel_config = config


def identity() -> bytes:
    """DER of the certificate that the latest peer showed."""
    identity_lock.lock()
    found = <bytes> last_identity
    identity_lock.unlock()
    return found
