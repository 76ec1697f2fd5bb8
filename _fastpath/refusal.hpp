// What a limit adds to the answer when a request is refused and the limit is reported for it.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "arena.hpp"
#include "rls_codec.hpp"

namespace tollhouse {

struct RefusalReply {
    std::string body;
    std::vector<std::pair<std::string, std::string>> headers;
    bool has_metadata = false;
    std::string metadata;  // an encoded google.protobuf.Struct
};

inline TextView refusal_text(const std::string &text) { return {text.data(), uint32_t(text.size())}; }

// Puts the reply into the response, its headers behind those that are there; the views point into
// the reply. False when the arena is exhausted.
inline bool add_refusal(const RefusalReply &reply, Arena *arena, ResponseView *response) {
    response->raw_body = refusal_text(reply.body);
    if (reply.has_metadata) response->dynamic_metadata = refusal_text(reply.metadata);
    if (reply.headers.empty()) return true;
    uint32_t count = response->response_header_count;
    size_t all = count + reply.headers.size();
    HeaderView *headers = static_cast<HeaderView *>(arena->take(all * sizeof(HeaderView)));
    if (!headers) return false;
    std::copy_n(response->response_headers, count, headers);
    for (auto &[name, value] : reply.headers)
        headers[count++] = {refusal_text(name), refusal_text(value)};
    response->response_headers = headers;
    response->response_header_count = count;
    return true;
}

}  // namespace tollhouse
