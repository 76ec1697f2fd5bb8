"""What the steps of the native Check share: one request on its way, and how a step went."""
from libc.stdint cimport uint32_t
from libcpp.string cimport string

from _fastpath.attributes cimport Facts
from _fastpath.cells cimport Cells
from _fastpath.check_codec cimport Answer
from _fastpath.counted cimport Counted
from _fastpath.digest cimport Digest
from _fastpath.identity cimport Identities
from _fastpath.plan cimport PlanStore
from _fastpath.program cimport Evaluation
from _fastpath.remembered cimport Remembered
from _fastpath.rule cimport EntryRule, RuleConditions, RuleData, RuleSource
from _fastpath.throttle cimport NativeThrottle, Suspect
from _fastpath.value cimport Entry, Value, string_value
from _fastpath.wire cimport TextView


# Of google.rpc.Code.
cdef enum:
    CODE_INVALID_ARGUMENT = 3
    CODE_NOT_FOUND = 5
    CODE_PERMISSION_DENIED = 7
    CODE_RESOURCE_EXHAUSTED = 8
    CODE_INTERNAL = 13
    CODE_UNAVAILABLE = 14
    CODE_UNAUTHENTICATED = 16


# How a step of the pipeline went.
cdef enum Step:
    STEP_NO                 # false, or ended with a denial
    STEP_YES
    STEP_FAILED             # evaluation error
    STEP_MISSED             # nothing is remembered
    STEP_DEFER              # the full lane decides, or memory ran out


# An answer that is the same for every request.
cdef struct Constant:
    const char *message
    size_t size


# What every decision shares; lives as long as the CheckDecider.
cdef struct Tables:
    PlanStore *plans
    Identities *identities
    Remembered *remembered
    NativeThrottle *throttle    # or NULL
    Cells *cells
    uint32_t ok_series
    uint32_t unauthenticated_series
    uint32_t denied_series
    uint32_t exhausted_series
    uint32_t not_found_series
    uint32_t unavailable_series
    uint32_t invalid_series
    Constant allowed
    Constant invalid
    Constant not_found
    Constant not_ready


# A value of one of the tables that the decision holds until its end.
cdef struct Held:
    Counted *value
    Held *next


# A series of an evaluator's own, counted once the answer is certain.
cdef struct Note:
    uint32_t series
    Note *next


# What a failed authentication is counted by.
cdef struct Attempt:
    Suspect suspect
    Digest key
    Attempt *next


# Results of a phase by entry, in order of evaluation; later groups see those that are visible.
cdef struct Results:
    Entry *entries
    uint32_t count
    uint32_t visible


# A success item that was evaluated.
cdef struct Item:
    bint present        # not skipped, not dropped
    bint written        # goes into the answer
    Value value         # in JSON form
    TextView text       # of a header


# One request on its way through the pipeline of rule.pyi.
cdef struct Decision:
    Facts facts
    Evaluation evaluation
    const RuleData *rule
    Tables *tables
    bint has_identity
    Value identity
    Held *held
    Note *notes
    Attempt *attempts       # none where nothing is throttled
    Attempt *last_attempt
    Suspect throttled       # by what, in an answer with CODE_RESOURCE_EXHAUSTED
    Results metadata
    Results granted
    Item *items             # by order of declaration
    uint32_t visible_groups  # of success items
    Answer answer


cdef inline TextView literal(const char *text, uint32_t size) noexcept nogil:
    cdef TextView view
    view.text = text
    view.size = size
    return view


cdef inline TextView view_of(const string &text) noexcept nogil:
    return literal(text.data(), <uint32_t> text.size())


cdef inline Value name_value(const string &name) noexcept nogil:
    return string_value(name.data(), <uint32_t> name.size())


cdef bint keep(Decision *decision, Counted *value) noexcept nogil
cdef void note(Decision *decision, uint32_t series) noexcept nogil
cdef bint open_results(Decision *decision, Results *results, size_t room) noexcept nogil
cdef void add_result(Results *results, const string &name, Value value) noexcept nogil
cdef void show_results(Decision *decision, Results *results) noexcept nogil
cdef Step applies(Decision *decision, const EntryRule *entry) noexcept nogil
cdef Value decision_root(void *state, uint32_t slot) noexcept nogil
cdef void auth_changed(Decision *decision) noexcept nogil
cdef Step holds(Decision *decision, const RuleConditions *conditions) noexcept nogil
cdef Value resolve(Decision *decision, const RuleSource *source) noexcept nogil
cdef Step resolve_text(
    Decision *decision, const RuleSource *source, TextView *text) noexcept nogil
