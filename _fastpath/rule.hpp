// One compiled AuthConfig: immutable, shared by the threads that decide by it.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "counted.hpp"
#include "host_index.hpp"

namespace tollhouse {

// One node of a condition tree in preorder; `end` is the index after its last descendant.
struct RuleCondition {
    enum Kind : uint8_t { TEST, ALL, ANY };
    Kind kind = ALL;
    uint32_t end = 0;
    Counted *program = nullptr;  // of a TEST
};

// Nodes in preorder under an implied ALL; empty is true.
struct RuleConditions {
    std::vector<RuleCondition> nodes;

    RuleConditions() = default;
    RuleConditions(const RuleConditions &) = delete;
    RuleConditions &operator=(const RuleConditions &) = delete;
    RuleConditions(RuleConditions &&) = default;
    ~RuleConditions() { for (RuleCondition &node : nodes) drop(node.program); }

    size_t open(RuleCondition::Kind kind) {
        nodes.emplace_back();
        nodes.back().kind = kind;
        return nodes.size() - 1;
    }
    void close(size_t node) { nodes[node].end = uint32_t(nodes.size()); }
    void test(Counted *program) {
        retain(program);
        nodes.emplace_back();
        nodes.back().kind = RuleCondition::TEST;
        nodes.back().program = program;
        nodes.back().end = uint32_t(nodes.size());
    }
};

// Where a value comes from: a program or a document, or neither (not given).
struct RuleSource {
    Counted *program = nullptr;
    Counted *document = nullptr;

    RuleSource() = default;
    RuleSource(const RuleSource &) = delete;
    RuleSource &operator=(const RuleSource &) = delete;
    RuleSource(RuleSource &&other) : program(other.program), document(other.document) {
        other.program = other.document = nullptr;
    }
    ~RuleSource() { drop(program); drop(document); }

    void set_program(Counted *unit) { retain(unit); program = unit; }
    void set_document(Counted *unit) { retain(unit); document = unit; }
    bool given() const { return program || document; }
};

struct NamedSource {
    std::string name;
    RuleSource source;
};

// Where an entry's earlier results are found.
struct RememberedRule {
    uint64_t scope = 0;  // 0: it has none
    RuleSource key;      // not given: the credential is the key
};

// What entries of all phases have.
struct EntryRule {
    std::string name;
    uint32_t group = 0;
    bool waits = false;    // comes after those of its group that do not
    bool foreign = false;  // the full lane decides when it is this entry's turn
    bool counted = false;  // has series of its own
    uint32_t total_series = 0, ignored_series = 0, denied_series = 0;
    RememberedRule remembered;
    RuleConditions when;
};

struct AuthenticationRule : EntryRule {
    enum Method : uint8_t { ANONYMOUS, API_KEY, PLAIN, REMEMBERED };
    Method method = ANONYMOUS;
    std::string json_name;   // quoted, for the reason
    std::string challenge;   // the whole WWW-Authenticate value
    std::string credential;  // prefix, header in lower case, parameter or cookie
    int place = 0;
    bool takes_credential = false;
    bool paired = false;  // an API key comes with an id
    std::string app_id;   // where that is, as `credential`
    int app_id_place = 0;
    uint64_t key_set = 0;
    RuleSource plain;
    std::vector<NamedSource> defaults, overrides;
};

struct MetadataRule : EntryRule {
    bool required = false;
};

struct AuthorizationRule : EntryRule {
    RuleConditions patterns;
};

struct DenialRule {
    int code = 0;
    RuleSource message;
    RuleSource body;
    bool has_headers = false;
    std::vector<NamedSource> headers;
};

struct SuccessRule : EntryRule {
    std::string key;
    bool metadata = false;
    bool json = false;
    RuleSource plain;
    std::vector<NamedSource> properties;  // sorted by the bytes of their names
};

struct Rule : HostOwner {
    RuleConditions when;
    bool skip_failed_conditions = false;
    // In order of declaration; the *_order lists give the order of evaluation.
    std::vector<AuthenticationRule> authentication;
    std::vector<MetadataRule> metadata;
    std::vector<AuthorizationRule> authorization;
    std::vector<SuccessRule> success;
    std::vector<uint32_t> authentication_order, metadata_order, authorization_order, success_order;
    std::vector<uint32_t> reason_order;  // authentication by the bytes of the name
    DenialRule unauthenticated, unauthorized;
    uint32_t total_series = 0, ok_series = 0, unauthenticated_series = 0, denied_series = 0;
    uint32_t exhausted_series = 0, throttled_series[2] = {0, 0};  // by Throttle::Suspect
    uint32_t deferred_series = 0;
};

}  // namespace tollhouse
