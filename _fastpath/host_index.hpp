// Immutable trie of host labels, read from the rightmost label: "a.example.com" is com, example, a.
//
// The children of a node stand in a hash tree of 32-way branches, so that an edit copies one path of
// a few small objects however many siblings there are, and shares the rest by counted reference. A
// node that nobody else references is edited in place, which makes building an index linear. Label
// hashes are keyed per process; equal hashes at every level are told apart by further levels.
#pragma once
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "counted.hpp"
#include "digest.hpp"

namespace tollhouse {

// What a host maps to. `rule` is a Rule of rule.hpp or a Refusal.
struct HostOwner : Counted {
    std::string id;      // namespace/name of the AuthConfig
    std::string reason;  // why refused, or why decided by the full lane; empty otherwise
    bool refused = false;
};

struct HostBranch;

struct HostNode : Counted {
    std::string label;
    HostOwner *owner = nullptr;      // of the host that ends here
    HostBranch *children = nullptr;
    HostNode *wildcard = nullptr;    // the child "*", also one of the children in meaning

    explicit HostNode(std::string_view label) : label(label) {}
    HostNode(const HostNode &other);
    ~HostNode() override;
};

// Up to 32 slots, those in use packed in order. A slot is a HostNode, or a branch one level down.
struct HostBranch : Counted {
    uint32_t used = 0, branches = 0;
    std::vector<Counted *> slots;

    HostBranch() = default;
    HostBranch(const HostBranch &other)
        : Counted(), used(other.used), branches(other.branches), slots(other.slots) {
        for (Counted *slot : slots) retain(slot);
    }
    ~HostBranch() override { for (Counted *slot : slots) drop(slot); }
};

inline HostNode::HostNode(const HostNode &other)
    : Counted(), label(other.label), owner(other.owner), children(other.children),
      wildcard(other.wildcard) {
    retain(owner);
    retain(children);
    retain(wildcard);
}

inline HostNode::~HostNode() { drop(owner); drop(children); drop(wildcard); }

class HostIndex : public Counted {
  public:
    HostIndex() : root_(new HostNode("")) {}
    // Shares everything with the other until one of them is edited.
    HostIndex(const HostIndex &other) : Counted(), size_(other.size_), root_(other.root_) { retain(root_); }
    ~HostIndex() override { drop(root_); }

    size_t size() const { return size_; }

    // Patterns and hosts are normalized by the caller. Takes a reference to `owner`.
    void put(std::string_view pattern, HostOwner *owner) {
        retain(owner);
        root_ = unshared(root_);
        if (edit(root_, pattern, owner)) ++size_;
    }

    void remove(std::string_view pattern) {
        root_ = unshared(root_);
        if (edit(root_, pattern, nullptr)) --size_;
    }

    // See host_index.pyi for the order. The owner lives as long as this index.
    HostOwner *find(std::string_view host, std::string_view without_port) const {
        bool has_port = without_port.size() != host.size();
        if (HostOwner *owner = exact(host)) return owner;
        if (has_port)
            if (HostOwner *owner = exact(without_port)) return owner;
        if (has_port)
            if (HostOwner *owner = climb(host)) return owner;
        if (HostOwner *owner = climb(without_port)) return owner;
        return root_->wildcard ? root_->wildcard->owner : nullptr;
    }

  private:
    static constexpr int BITS = 5, LEVELS = 12;

    // Each twelve levels take a new hash, so equal hashes only cost depth.
    static uint64_t hash(std::string_view label, int round) {
        static const Secret secret;
        SipHasher hasher(secret);
        hasher.add(uint64_t(round));
        hasher.add(label.data(), label.size());
        return hasher.digest().low;
    }

    static uint32_t slot_of(std::string_view label, int level, uint64_t *hashed) {
        if (level % LEVELS == 0) *hashed = hash(label, level / LEVELS);
        return uint32_t(*hashed >> (BITS * (level % LEVELS))) & 31;
    }

    static std::string_view last_label(std::string_view host, std::string_view *rest) {
        size_t dot = host.rfind('.');
        if (dot == std::string_view::npos) {
            *rest = {};
            return host;
        }
        *rest = host.substr(0, dot);
        return host.substr(dot + 1);
    }

    static HostNode *child(const HostNode *node, std::string_view label) {
        if (label == "*") return node->wildcard;
        HostBranch *branch = node->children;
        uint64_t hashed = 0;
        for (int level = 0; branch; ++level) {
            uint32_t bit = 1u << slot_of(label, level, &hashed);
            if (!(branch->used & bit)) return nullptr;
            Counted *slot = branch->slots[__builtin_popcount(branch->used & (bit - 1))];
            if (!(branch->branches & bit)) {
                HostNode *found = static_cast<HostNode *>(slot);
                return found->label == label ? found : nullptr;
            }
            branch = static_cast<HostBranch *>(slot);
        }
        return nullptr;
    }

    HostOwner *exact(std::string_view host) const {
        const HostNode *node = root_;
        for (bool more = true; more;) {
            more = host.rfind('.') != std::string_view::npos;
            std::string_view rest;
            node = child(node, last_label(host, &rest));
            if (!node) return nullptr;
            host = rest;
        }
        return node->owner;
    }

    // The wildcard of the longest suffix; the catch-all "*" does not count here.
    HostOwner *climb(std::string_view host) const {
        const HostNode *node = root_;
        HostOwner *best = nullptr;
        for (bool more = true; more;) {
            more = host.rfind('.') != std::string_view::npos;
            std::string_view rest;
            node = child(node, last_label(host, &rest));
            if (!node) break;
            if (node->wildcard && node->wildcard->owner) best = node->wildcard->owner;
            host = rest;
        }
        return best;
    }

    // An object this index may change: itself when nobody shares it, else a copy.
    template <class T> static T *unshared(T *shared) {
        if (shared->refs.load(std::memory_order_acquire) == 1) return shared;
        T *copy = new T(*shared);
        drop(shared);
        return copy;
    }

    static bool is_empty(const HostNode *node) { return !node->owner && !node->children && !node->wildcard; }

    // Sets (or with null clears) the owner; true when the number of patterns changed. `node` is
    // unshared. Takes over the reference to `owner`.
    static bool edit(HostNode *node, std::string_view host, HostOwner *owner) {
        std::string_view rest;
        bool last = host.rfind('.') == std::string_view::npos;
        std::string_view label = last_label(host, &rest);
        HostNode *found = child(node, label);
        if (!found && !owner) return false;
        HostNode *next;
        if (!found) {
            next = new HostNode(label);
        } else {
            retain(found);
            detach(node, label);
            next = unshared(found);
        }
        bool changed;
        if (last) {
            changed = !next->owner != !owner;
            drop(next->owner);
            next->owner = owner;
        } else {
            changed = edit(next, rest, owner);
        }
        if (is_empty(next)) drop(next); else attach(node, next);
        return changed;
    }

    static void attach(HostNode *node, HostNode *next) {
        if (next->label == "*") { node->wildcard = next; return; }
        node->children = insert(node->children, next, 0, 0);
    }

    static void detach(HostNode *node, std::string_view label) {
        if (label == "*") { drop(node->wildcard); node->wildcard = nullptr; return; }
        node->children = erase(node->children, label, 0, 0);
    }

    static uint64_t hash_at(std::string_view label, int level, uint64_t hashed) {
        return level % LEVELS == 0 ? hash(label, level / LEVELS) : hashed;
    }

    static HostBranch *insert(HostBranch *branch, HostNode *node, int level, uint64_t hashed) {
        branch = branch ? unshared(branch) : new HostBranch;
        hashed = hash_at(node->label, level, hashed);
        uint32_t bit = 1u << ((hashed >> (BITS * (level % LEVELS))) & 31);
        size_t at = size_t(__builtin_popcount(branch->used & (bit - 1)));
        if (!(branch->used & bit)) {
            branch->slots.insert(branch->slots.begin() + long(at), node);
            branch->used |= bit;
        } else if (branch->branches & bit) {
            branch->slots[at] = insert(static_cast<HostBranch *>(branch->slots[at]), node, level + 1, hashed);
        } else {
            HostNode *other = static_cast<HostNode *>(branch->slots[at]);
            uint64_t theirs = hash(other->label, level / LEVELS);
            HostBranch *deeper = insert(nullptr, other, level + 1, theirs);
            branch->slots[at] = insert(deeper, node, level + 1, hashed);
            branch->branches |= bit;
        }
        return branch;
    }

    // Removes a label that is there; null when the branch became empty.
    static HostBranch *erase(HostBranch *branch, std::string_view label, int level, uint64_t hashed) {
        branch = unshared(branch);
        hashed = hash_at(label, level, hashed);
        uint32_t bit = 1u << ((hashed >> (BITS * (level % LEVELS))) & 31);
        size_t at = size_t(__builtin_popcount(branch->used & (bit - 1)));
        if (branch->branches & bit) {
            HostBranch *deeper = erase(static_cast<HostBranch *>(branch->slots[at]), label, level + 1, hashed);
            branch->slots[at] = deeper;
            if (deeper) return branch;
        } else {
            drop(branch->slots[at]);
        }
        branch->slots.erase(branch->slots.begin() + long(at));
        branch->used &= ~bit;
        branch->branches &= ~bit;
        if (branch->used) return branch;
        drop(branch);
        return nullptr;
    }

    size_t size_ = 0;
    HostNode *root_;
};

}  // namespace tollhouse
