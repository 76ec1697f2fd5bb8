"""Results of suspended calls find their way back by ticket: to an I/O thread, or to a future.

A ticket holds numbers only. Servers are listed under numbers that are never reused, so a result may
come when its call, its connection or even its server is gone.
"""
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint64_t
from libcpp.vector cimport vector

from _fastpath.handler cimport Delivery, Ticket
from _fastpath.transport cimport RESUME, Command, ServerState

cdef extern from * nogil:
    """
    #include <map>
    #include <mutex>
    #include <unordered_map>
    #include "ticket.hpp"
    #include "transport.hpp"
    namespace tollhouse {
    // Held while a result is put into a mailbox, so that the server cannot go in between.
    struct Servers {
        std::mutex lock;
        std::unordered_map<uint64_t, ServerState *> running;
        uint64_t next = 1;
        void admit(ServerState *server) {
            std::lock_guard<std::mutex> hold(lock);
            server->number = next++;
            running[server->number] = server;
        }
        void dismiss(ServerState *server) {
            std::lock_guard<std::mutex> hold(lock);
            running.erase(server->number);
        }
        void post(uint64_t number, uint32_t thread, Command &command) {
            std::lock_guard<std::mutex> hold(lock);
            auto place = running.find(number);
            if (place != running.end()) place->second->threads[thread]->mailbox.put(command);
        }
        // One wake-up per thread; leaves the deliveries to Python.
        void post_all(std::vector<Delivery> &deliveries) {
            std::map<std::pair<uint64_t, uint32_t>, std::vector<Command>> by_thread;
            for (Delivery &each : deliveries) {
                if (!each.ticket.server) continue;
                Command command{RESUME};
                command.connection = each.ticket.connection;
                command.stream = each.ticket.stream;
                command.call = each.ticket.call;
                command.payload = std::move(each.result);
                by_thread[{each.ticket.server, each.ticket.thread}].push_back(std::move(command));
            }
            std::lock_guard<std::mutex> hold(lock);
            for (auto &[place, commands] : by_thread) {
                auto server = running.find(place.first);
                if (server == running.end()) continue;
                server->second->threads[place.second]->mailbox.put_all(commands);
            }
        }
    };
    static Servers servers;
    }
    """
    cdef cppclass Servers "tollhouse::Servers":
        void admit(ServerState *server)
        void dismiss(ServerState *server)
        void post(uint64_t number, unsigned thread, Command &command)
        void post_all(vector[Delivery] &deliveries)
    Servers servers "tollhouse::servers"

cdef dict waiting = {}      # call number → future
cdef uint64_t last_call = 0


cdef void admit_server(ServerState *server) noexcept nogil:
    servers.admit(server)


cdef void dismiss_server(ServerState *server) noexcept nogil:
    servers.dismiss(server)


cdef void deliver(const Ticket *ticket, const uint8_t *result, size_t size) noexcept nogil:
    cdef Command command
    if ticket.server == 0:
        with gil:
            deliver_to_python(ticket.call, result[:size])
        return
    command.kind = RESUME
    command.connection = ticket.connection
    command.stream = ticket.stream
    command.call = ticket.call
    command.payload.assign(<const char *> result, size)
    servers.post(ticket.server, ticket.thread, command)


cdef void deliver_all(vector[Delivery] &deliveries) noexcept:
    cdef size_t i
    with nogil:
        servers.post_all(deliveries)
    for i in range(deliveries.size()):
        if deliveries[i].ticket.server == 0:
            deliver_to_python(deliveries[i].ticket.call, deliveries[i].result)


cdef void deliver_to_python(uint64_t call, bytes result) noexcept:
    future = waiting.pop(call, None)
    if future is not None and not future.get_loop().is_closed():
        future.get_loop().call_soon_threadsafe(settle, future, result)


def settle(future, result):
    if not future.done():
        future.set_result(result)


cdef void expect(Ticket *ticket, object future):
    global last_call
    last_call += 1
    ticket.server = ticket.connection = 0
    ticket.thread = 0
    ticket.stream = 0
    ticket.call = last_call
    waiting[last_call] = future


cdef void forget(uint64_t call):
    waiting.pop(call, None)
