from libc.stdint cimport uint32_t, uint64_t
from libcpp.string cimport string
from libcpp.vector cimport vector

from _fastpath.counted cimport Counted
from _fastpath.host_index cimport HostOwner, Owner


cdef extern from "rule.hpp" namespace "tollhouse" nogil:
    cdef enum ConditionKind "tollhouse::RuleCondition::Kind":
        CONDITION_TEST "tollhouse::RuleCondition::TEST"
        CONDITION_ALL "tollhouse::RuleCondition::ALL"
        CONDITION_ANY "tollhouse::RuleCondition::ANY"

    cdef cppclass RuleCondition:
        ConditionKind kind
        uint32_t end
        Counted *program

    cdef cppclass RuleConditions:
        vector[RuleCondition] nodes
        size_t open(ConditionKind kind) except +
        void close(size_t node)
        void test(Counted *program) except +

    cdef cppclass RuleSource:
        Counted *program
        Counted *document
        void set_program(Counted *unit)
        void set_document(Counted *unit)
        bint given()

    cdef cppclass NamedSource:
        string name
        RuleSource source

    cdef cppclass RememberedRule:
        uint64_t scope
        RuleSource key

    cdef cppclass EntryRule:
        string name
        uint32_t group
        bint waits
        bint foreign
        bint counted
        uint32_t total_series
        uint32_t ignored_series
        uint32_t denied_series
        RememberedRule remembered
        RuleConditions when

    cdef enum AuthenticationMethod "tollhouse::AuthenticationRule::Method":
        METHOD_ANONYMOUS "tollhouse::AuthenticationRule::ANONYMOUS"
        METHOD_API_KEY "tollhouse::AuthenticationRule::API_KEY"
        METHOD_PLAIN "tollhouse::AuthenticationRule::PLAIN"
        METHOD_REMEMBERED "tollhouse::AuthenticationRule::REMEMBERED"

    cdef cppclass AuthenticationRule(EntryRule):
        AuthenticationMethod method
        string json_name
        string challenge
        string credential
        int place
        bint takes_credential
        bint paired
        string app_id
        int app_id_place
        uint64_t key_set
        RuleSource plain
        vector[NamedSource] defaults
        vector[NamedSource] overrides

    cdef cppclass MetadataRule(EntryRule):
        bint required

    cdef cppclass AuthorizationRule(EntryRule):
        RuleConditions patterns

    cdef cppclass DenialRule:
        int code
        RuleSource message
        RuleSource body
        bint has_headers
        vector[NamedSource] headers

    cdef cppclass SuccessRule(EntryRule):
        string key
        bint metadata
        bint json
        RuleSource plain
        vector[NamedSource] properties

    cdef cppclass RuleData "tollhouse::Rule"(HostOwner):
        RuleData() except +
        RuleConditions when
        bint skip_failed_conditions
        vector[AuthenticationRule] authentication
        vector[MetadataRule] metadata
        vector[AuthorizationRule] authorization
        vector[SuccessRule] success
        vector[uint32_t] authentication_order
        vector[uint32_t] metadata_order
        vector[uint32_t] authorization_order
        vector[uint32_t] success_order
        vector[uint32_t] reason_order
        DenialRule unauthenticated
        DenialRule unauthorized
        uint32_t total_series
        uint32_t ok_series
        uint32_t unauthenticated_series
        uint32_t denied_series
        uint32_t exhausted_series
        uint32_t throttled_series[2]
        uint32_t deferred_series


cdef class Rule(Owner):
    pass
