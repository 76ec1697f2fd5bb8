// Names a suspended call for whoever brings its result, from any thread, also after it is gone.
#pragma once
#include <cstdint>
#include <string>

namespace tollhouse {

struct Ticket {
    uint64_t server;  // 0: a call from Python
    uint32_t thread;
    int32_t stream;
    uint64_t connection;
    uint64_t call;
};

struct Delivery {
    Ticket ticket;
    std::string result;
};

}  // namespace tollhouse
