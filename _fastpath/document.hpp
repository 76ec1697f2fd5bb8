// An immutable value that owns its memory: identities, constants, static configuration.
#pragma once
#include <cstdlib>

#include "counted.hpp"
#include "value.hpp"

namespace tollhouse {

struct Document : Counted {
    Value root{};
    char *memory = nullptr;  // one block holding every item, entry and text of `root`
    size_t size = 0;         // bytes of that block

    Document() = default;
    Document(const Document &) = delete;
    Document &operator=(const Document &) = delete;
    ~Document() override { std::free(memory); }
};

}  // namespace tollhouse
