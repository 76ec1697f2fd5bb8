// A compiled expression: an immutable tree of nodes, children before parents.
//
// Nodes come from NativeProgram's builder alone, which checks operation, arity, order and depth, so
// the evaluator trusts them.
#pragma once
#include <re2/re2.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "arena.hpp"
#include "counted.hpp"
#include "document.hpp"
#include "value.hpp"

namespace tollhouse {

struct Node {
    uint16_t op;
    uint16_t slot;      // root or local variable
    uint32_t a, b, c;   // children; or a: first of `b` children in Program::children
    Value constant;     // literal, field name or compiled operand; points into Program::constants
    const re2::RE2 *pattern;
};

struct Program : Counted {
    std::vector<Node> nodes;  // the last is the whole expression
    std::vector<uint32_t> children;
    std::vector<std::unique_ptr<re2::RE2>> patterns;
    Document *constants = nullptr;

    ~Program() override { drop(constants); }
};

// Compiles a pattern that the program then owns; null when this RE2 refuses it.
inline const re2::RE2 *add_pattern(Program *program, const char *text, size_t size) {
    re2::RE2::Options options;
    options.set_log_errors(false);
    auto pattern = std::make_unique<re2::RE2>(re2::StringPiece(text, size), options);
    if (!pattern->ok()) return nullptr;
    program->patterns.push_back(std::move(pattern));
    return program->patterns.back().get();
}

inline bool pattern_found(const re2::RE2 *pattern, const char *text, size_t size) {
    return re2::RE2::PartialMatch(re2::StringPiece(text, size), *pattern);
}

}  // namespace tollhouse
