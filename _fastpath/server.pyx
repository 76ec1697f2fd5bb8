"""The native gRPC server: its methods, listeners and I/O threads, from start to drain.

I/O threads decide what native handlers can; the rest goes over the bridge to the event loop. Use a
Server from its event loop's thread only.
"""
import asyncio
import os
import threading
import time

from libc.stddef cimport size_t
from libc.stdint cimport uint32_t
from libcpp.string cimport string

from _fastpath.bridge cimport Bridge
from _fastpath.connection cimport prepare
from _fastpath.handler cimport NativeHandler
from _fastpath.io_thread cimport open_thread, run, watch_listener
from _fastpath.suspension cimport admit_server, dismiss_server
from _fastpath.transport cimport *

from _fastpath.bounds import Bounds
from _fastpath.errors import BindError
from _fastpath.rpc import StreamMethod

cdef extern from "<sys/socket.h>" nogil:
    int SHUT_RDWR
    int shutdown(int fd, int how)

cdef extern from "sockets.hpp" namespace "tollhouse" nogil:
    int listen_unix(const string &path, string &error)
    int listen_tcp(const string &host, const string &port, string &error)
    string bound_address(int fd)


cdef class Server:
    """Hosts `methods` over HTTP/2 on `threads` I/O threads.

    Native handlers see their I/O thread's number, 0 … threads - 1, as Call.thread.
    """
    def __cinit__(self, methods, *, int threads, bounds=None):
        cdef IoThread *thread
        self.state = new ServerState()
        self.methods = tuple(methods)
        self.io_threads = []
        self.paths = []
        bounds = bounds if bounds is not None else Bounds()
        set_bounds(&self.state.bounds, bounds)
        for method in self.methods:
            self.add_method(method)
        if prepare(self.state) != 0:
            raise MemoryError
        for number in range(threads):
            thread = new IoThread()
            thread.number = number
            self.state.threads.push_back(thread)
            if not open_thread(thread, self.state):
                raise OSError("cannot create an epoll descriptor")
        self.bridge = Bridge(self.methods, bounds)
        self.bridge.connect(self.state)

    def __dealloc__(self):
        del self.state

    cdef add_method(self, method):
        cdef MethodEntry entry
        cdef NativeHandler native
        entry.path = method.path.encode()
        entry.index = <uint32_t> self.state.methods.size()
        entry.streaming = isinstance(method, StreamMethod)
        entry.function = entry.state = NULL
        if not entry.streaming:
            entry.overload = method.overload
            if method.native is not None:
                native = method.native
                entry.function = <void *> native.function
                entry.state = native.state
        self.state.methods.push_back(entry)

    def listen(self, str address):
        """Open a listener on "HOST:PORT", "[V6]:PORT" or "unix:PATH" and return the bound address.

        Port 0 takes a free one. Raises BindError. Before or after `start`.
        """
        cdef string error
        cdef int fd
        if address.startswith("unix:"):
            fd = listen_unix(address[5:].encode(), error)
        else:
            host, _, port = address.rpartition(":")
            if not (port.isascii() and port.isdigit() and int(port) <= 65535):
                raise BindError(f"cannot listen on {address!r}: it has no port from 0 to 65535")
            fd = listen_tcp(host.strip("[]").encode(), port.encode(), error)
        if fd < 0:
            raise BindError(f"cannot listen on {address}: {error.decode()}")
        self.listeners.push_back(fd)
        if self.io_threads:
            self.tell_threads(LISTEN, fd)
        if address.startswith("unix:"):
            self.paths.append(address[5:])
            return address
        return bound_address(fd).decode()

    def start(self):
        """Serve from now on; must be called inside the running event loop."""
        admit_server(self.state)
        self.bridge.start(asyncio.get_running_loop())
        for number in range(self.state.threads.size()):
            for fd in self.listeners:
                watch_listener(self.state.threads[number], fd)
            worker = threading.Thread(target=self.run_thread, args=(number,), daemon=True,
                                      name=f"tollhouse-io-{number}")
            self.io_threads.append(worker)
            worker.start()

    def run_thread(self, int number):
        cdef IoThread *thread = self.state.threads[number]
        with nogil:
            run(thread)

    # ---- the end

    async def drain(self, double grace_s):
        """Refuse new connections and calls, let running ones finish for `grace_s` seconds, stop."""
        self.tell_threads(DRAIN, -1)
        for fd in self.listeners:
            # From here the system refuses connections; the descriptor stays for the threads.
            shutdown(fd, SHUT_RDWR)
        end = time.monotonic() + grace_s
        while self.state.connections.load() and time.monotonic() < end:
            await asyncio.sleep(0.01)
        tasks = self.bridge.running()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=1.0)
        self.bridge.post()
        self.stop()

    def stop(self):
        """End at once; calls still open are cut."""
        if self.io_threads:
            dismiss_server(self.state)
            self.tell_threads(STOP, -1)
            for worker in self.io_threads:
                worker.join()
            self.io_threads = []
            self.bridge.stop()
        self.close_listeners()

    def close_listeners(self):
        for fd in self.listeners:
            os.close(fd)
        self.listeners.clear()
        for path in self.paths:
            try:
                os.unlink(path)
            except FileNotFoundError:
                continue
        self.paths.clear()

    cdef tell_threads(self, CommandKind kind, int fd):
        cdef Command command
        cdef size_t i
        for i in range(self.state.threads.size()):
            command.kind = kind
            command.fd = fd
            self.state.threads[i].mailbox.put(command)

    def stats(self):
        """Sums over all threads since the start, and the connections open now."""
        totals = dict.fromkeys(
            ("accepted", "closed", "calls", "answered_native", "handed_over", "overloaded",
             "refused", "cancelled", "timed_out", "abusive", "suspended", "writes"), 0)
        cdef size_t i
        cdef IoThread *thread
        for i in range(self.state.threads.size()):
            thread = self.state.threads[i]
            totals["accepted"] += thread.stats.accepted.load()
            totals["closed"] += thread.stats.closed.load()
            totals["calls"] += thread.stats.calls.load()
            totals["answered_native"] += thread.stats.answered_native.load()
            totals["handed_over"] += thread.stats.handed_over.load()
            totals["overloaded"] += thread.stats.overloaded.load()
            totals["refused"] += thread.stats.refused.load()
            totals["cancelled"] += thread.stats.cancelled.load()
            totals["timed_out"] += thread.stats.timed_out.load()
            totals["abusive"] += thread.stats.abusive.load()
            totals["suspended"] += thread.stats.suspended.load()
            totals["writes"] += thread.stats.writes.load()
        totals["connections"] = self.state.connections.load()
        totals["python_calls"] = self.state.handover.calls()
        totals["request_bytes_held"] = self.state.held.load()
        return totals

    def thread_loads(self):
        """Connections per I/O thread."""
        return [self.state.threads[i].load.load() for i in range(self.state.threads.size())]


cdef set_bounds(ServerBounds *target, bounds):
    target.message_bytes = bounds.message_bytes
    target.header_list_bytes = bounds.header_list_bytes
    target.connection_request_bytes = bounds.connection_request_bytes
    target.process_request_bytes = bounds.process_request_bytes
    target.stream_output_bytes = bounds.stream_output_bytes
    target.connection_output_bytes = bounds.connection_output_bytes
    target.handover_calls = bounds.handover_calls
    target.handover_bytes = bounds.handover_bytes
    target.concurrent_streams = bounds.concurrent_streams
    target.connections = bounds.connections
    target.stream_window_bytes = bounds.stream_window_bytes
    target.handover_age_ns = int(bounds.handover_age_seconds * 1e9)
    target.idle_ns = int(bounds.idle_seconds * 1e9)
    target.request_ns = int(bounds.request_seconds * 1e9)
    target.stalled_output_ns = int(bounds.stalled_output_seconds * 1e9)
    target.resets_per_second = bounds.resets_per_second
    target.pings_per_second = bounds.pings_per_second
    target.settings_per_second = bounds.settings_per_second
    target.empty_frames_per_second = bounds.empty_frames_per_second
