"""Compiled expressions: a builder that checks them and an evaluator that trusts them.

An expression is a tree of nodes walked recursively. Errors are values: an operation answers the
first error among its operands, `&&` and `||` absorb errors as CEL has it, except for those marked
FATAL, which end cel-cpp's evaluation and so end ours. Loops hold their variables in the frame, the
iteration budget counts over the whole evaluation, and depth is bounded when the program is built.
"""

from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset
from libcpp.vector cimport vector

from _fastpath.conversions cimport (
    fold_case,
    to_bool,
    to_bytes,
    to_double,
    to_int,
    to_string,
    to_uint,
)
from _fastpath.counted cimport Counted, drop
from _fastpath.document cimport Document, NativeDocument, build_document, python_value
from _fastpath.operators cimport (
    ORDER_EQUAL,
    ORDER_GREATER,
    ORDER_LESS,
    ORDER_REFUSED,
    Order,
    add,
    arithmetic,
    compare,
    equals,
    index,
    length,
    membership,
    negate,
    optional_index,
)
from _fastpath.strings cimport TextFunction, find_text, text_function
from _fastpath.text cimport value_text
from _fastpath.value cimport (
    ABSENT,
    BOOL,
    BUDGET_EXCEEDED,
    ERROR,
    INT,
    LIST,
    MAP,
    NO_MATCHING_OVERLOAD,
    NO_SUCH_FIELD,
    NO_SUCH_KEY,
    NULL_VALUE,
    OTHER_ERROR,
    OUT_OF_MEMORY,
    STRING,
    UINT,
    UNKNOWN_VARIABLE,
    Entry,
    ErrorCode,
    absent_value,
    bool_value,
    error_value,
    int_value,
    list_value,
    map_get,
    map_value,
    null_value,
)


cdef extern from "program.hpp" namespace "tollhouse" nogil:
    const RE2 *add_pattern(Program *program, const char *text, size_t size)


# In the order of _NAMES. HAS to UPPER take one operand, INDEX to OPTIONAL_INDEX two.
cdef enum Op:
    CONSTANT, LOCAL, ROOT, ITEM_FIELD, AND, OR, SELECT
    HAS, NOT, MATCHES, SIZE, NEGATE
    INT_OF, UINT_OF, DOUBLE_OF, BOOL_OF, STRING_OF, BYTES_OF, LOWER, UPPER
    INDEX, EQUAL, NOT_EQUAL, LESS, LESS_EQUAL, GREATER, GREATER_EQUAL, IN
    ADD, SUBTRACT, MULTIPLY, DIVIDE, MODULO
    STARTS_WITH, ENDS_WITH, CONTAINS, OPTIONAL_INDEX
    CONDITIONAL, FOLD, APPEND, NOT_STRICTLY_FALSE, MAKE_LIST, MAKE_MAP, MAXIMUM, MINIMUM
    CALL_SPLIT, CALL_REPLACE, CALL_SUBSTRING, CALL_INDEX_OF, CALL_CHAR_AT, CALL_TRIM
    ROOT_OR_ABSENT, OR_VALUE, OR_OPTIONAL
    OPTIONAL_SELECT, CHAIN_SELECT, CHAIN_HAS, HAS_VALUE, VALUE_OF
    MEMBER, TEXT_EQUAL, TEXT_NOT_EQUAL, INCLUDES, EXCLUDES, TEXT_MATCHES

cdef enum:
    FATAL = 1               # flag of an ERROR that && and || do not absorb
    LOCALS = 32
    DEPTH = 250
    NODES = 65535
    BUDGET = 10000
    ROOT_SLOTS = 6

MAX_DEPTH = DEPTH
MAX_NODES = NODES
MAX_LOCALS = LOCALS
ITERATION_BUDGET = BUDGET

_NAMES = (
    ("constant", 0), ("local", 0), ("root", 0), ("item_field", 0), ("and", 2), ("or", 2),
    ("select", 1),
    ("has", 1), ("not", 1), ("matches", 1), ("size", 1), ("negate", 1),
    ("int", 1), ("uint", 1), ("double", 1), ("bool", 1), ("string", 1), ("bytes", 1),
    ("lower_ascii", 1), ("upper_ascii", 1),
    ("index", 2), ("equal", 2), ("not_equal", 2), ("less", 2), ("less_equal", 2), ("greater", 2),
    ("greater_equal", 2), ("in", 2),
    ("add", 2), ("subtract", 2), ("multiply", 2), ("divide", 2), ("modulo", 2),
    ("starts_with", 2), ("ends_with", 2), ("contains", 2), ("optional_index", 2),
    ("conditional", 3), ("fold", 5), ("append", 1), ("not_strictly_false", 1),
    ("list", -1), ("map", -1), ("max", -1), ("min", -1),
    ("split", -1), ("replace", -1), ("substring", -1), ("index_of", -1), ("char_at", -1),
    ("trim", -1),
    ("root_or_absent", 0), ("or_value", 2), ("or_optional", 2),
    ("optional_select", 1), ("chain_select", 1), ("chain_has", 1), ("has_value", 1),
    ("value_of", 1),
    ("member", 1), ("text_equal", 1), ("text_not_equal", 1), ("includes", 1), ("excludes", 1),
    ("text_matches", 1),
)
OPERATIONS = dict(_NAMES)
_COUNTS = {
    "map": range(0, NODES, 2), "split": (2, 3), "replace": (3, 4), "substring": (2, 3),
    "index_of": (2,), "char_at": (2,), "trim": (1,),
}
_CODES = {name: code for code, (name, _) in enumerate(_NAMES)}


cdef const char *_SIGNS = b"-*/%"


cdef struct Frame:
    const Node *nodes
    const uint32_t *children
    Evaluation *evaluation
    int iterations
    Value locals[LOCALS]
    uint32_t capacity[LOCALS]   # items allocated for the list that a fold grows


cdef Value evaluate(const Program *program, Evaluation *evaluation) noexcept nogil:
    cdef Frame frame
    frame.nodes = program.nodes.data()
    frame.children = program.children.data()
    frame.evaluation = evaluation
    frame.iterations = 0
    return _run(&frame, <uint32_t> program.nodes.size() - 1)


cdef inline Value _fatal(ErrorCode code) noexcept nogil:
    cdef Value value = error_value(code)
    value.flags = FATAL
    return value


cdef Value _run(Frame *frame, uint32_t at) noexcept nogil:
    cdef const Node *node = frame.nodes + at
    cdef int op = node.op
    cdef Value left
    cdef const Value *found
    if op == CONSTANT:
        return node.constant
    if op == LOCAL:
        return frame.locals[node.slot]
    if op == ROOT:
        left = frame.evaluation.root(frame.evaluation.state, node.slot)
        return error_value(UNKNOWN_VARIABLE) if left.kind == ABSENT else left
    if op == AND or op == OR:
        return _logic(frame, node)
    if op == SELECT or op == ITEM_FIELD:
        left = _run(frame, node.a) if op == SELECT else _item(frame, node)
        if left.kind != MAP:
            return left if left.kind == ERROR else error_value(NO_SUCH_FIELD)
        found = map_get(left, node.constant.text, node.constant.size)
        return error_value(NO_SUCH_KEY) if found == NULL else found[0]
    if op < INDEX:
        return _unary(frame, node)
    if op < CONDITIONAL:
        return _binary(frame, node)
    return _special(frame, node)


cdef Value _item(Frame *frame, const Node *node) noexcept nogil:
    """`root[number]`, where most conditions of limits begin."""
    cdef Value root = frame.evaluation.root(frame.evaluation.state, node.slot)
    if root.kind == LIST and node.b < root.size:
        return root.items[node.b]
    if root.kind == ABSENT or root.kind == ERROR:
        return error_value(UNKNOWN_VARIABLE) if root.kind == ABSENT else root
    return index(root, int_value(node.b))


cdef Value _logic(Frame *frame, const Node *node) noexcept nogil:
    """`&&` and `||`: the deciding value wins over an error on the other side."""
    cdef bint decisive = node.op == OR
    cdef Value left = _run(frame, node.a)
    cdef Value right
    if left.kind == BOOL and left.boolean == decisive:
        return left
    if left.kind == ERROR and left.flags & FATAL:
        return left
    right = _run(frame, node.b)
    if right.kind == ERROR and right.flags & FATAL:
        return right
    if right.kind == BOOL and (right.boolean == decisive or left.kind == BOOL):
        return right
    if left.kind == ERROR:
        return left
    return right if right.kind == ERROR else error_value(NO_MATCHING_OVERLOAD)


cdef Value _binary(Frame *frame, const Node *node) noexcept nogil:
    cdef int op = node.op
    cdef Value left = _run(frame, node.a)
    cdef Value right
    cdef Order order
    if left.kind == ERROR and left.flags & FATAL:
        return left
    # Evaluated even when the left side failed: it may be fatal, and it spends budget.
    right = _run(frame, node.b)
    if left.kind == ERROR or right.kind == ERROR:
        return left if left.kind == ERROR and not (
            right.kind == ERROR and right.flags & FATAL) else right
    if op == EQUAL:
        return bool_value(equals(left, right))
    if op == INDEX:
        return index(left, right)
    if op == NOT_EQUAL:
        return bool_value(not equals(left, right))
    if op <= GREATER_EQUAL:
        order = compare(left, right)
        if order == ORDER_REFUSED:
            return error_value(NO_MATCHING_OVERLOAD)
        if op == LESS:
            return bool_value(order == ORDER_LESS)
        if op == LESS_EQUAL:
            return bool_value(order == ORDER_LESS or order == ORDER_EQUAL)
        if op == GREATER:
            return bool_value(order == ORDER_GREATER)
        return bool_value(order == ORDER_GREATER or order == ORDER_EQUAL)
    if op == IN:
        return membership(left, right)
    if op == ADD:
        return add(left, right, frame.evaluation.arena)
    if op == OPTIONAL_INDEX:
        return left if left.kind == ABSENT else optional_index(left, right)
    if op >= STARTS_WITH:
        return _text_test(op, left, right)
    return arithmetic(_SIGNS[op - SUBTRACT], left, right)


cdef Value _text_test(int op, Value text, Value part) noexcept nogil:
    if text.kind != STRING or part.kind != STRING:
        return error_value(NO_MATCHING_OVERLOAD)
    if op == CONTAINS:
        return bool_value(find_text(text.text, text.size, part) != NULL)
    if part.size > text.size:
        return bool_value(False)
    if op == ENDS_WITH:
        text.text += text.size - part.size
    return bool_value(part.size == 0 or memcmp(text.text, part.text, part.size) == 0)


cdef Value _unary(Frame *frame, const Node *node) noexcept nogil:
    cdef int op = node.op
    cdef Arena *arena = frame.evaluation.arena
    cdef Value value = _run(frame, node.a)
    if value.kind == ERROR:
        return value
    if op == NOT:
        if value.kind != BOOL:
            return error_value(NO_MATCHING_OVERLOAD)
        return bool_value(not value.boolean)
    if op == HAS:
        if value.kind != MAP:
            return error_value(NO_SUCH_FIELD)
        return bool_value(map_get(value, node.constant.text, node.constant.size) != NULL)
    if op == MATCHES:
        if value.kind != STRING:
            return error_value(NO_MATCHING_OVERLOAD)
        return bool_value(pattern_found(node.pattern, value.text, value.size))
    if op == SIZE:
        return length(value)
    if op == NEGATE:
        return negate(value)
    if op == INT_OF:
        return to_int(value)
    if op == UINT_OF:
        return to_uint(value)
    if op == DOUBLE_OF:
        return to_double(value)
    if op == BOOL_OF:
        return to_bool(value)
    if op == STRING_OF:
        return to_string(value, arena)
    if op == BYTES_OF:
        return to_bytes(value)
    return fold_case(value, op == UPPER, arena)


cdef Value _special(Frame *frame, const Node *node) noexcept nogil:
    cdef int op = node.op
    cdef Value value
    if op == CONDITIONAL:
        value = _run(frame, node.a)
        if value.kind == BOOL:
            return _run(frame, node.b if value.boolean else node.c)
        return value if value.kind == ERROR else error_value(NO_MATCHING_OVERLOAD)
    if op == FOLD:
        return _fold(frame, node)
    if op == APPEND:
        return _append(frame, node)
    if op == NOT_STRICTLY_FALSE:
        value = _run(frame, node.a)
        if value.kind == BOOL or (value.kind == ERROR and value.flags & FATAL):
            return value
        return bool_value(True)
    if op == MAKE_LIST:
        return _make_list(frame, node)
    if op == MAKE_MAP:
        return _make_map(frame, node)
    if op == MAXIMUM or op == MINIMUM:
        return _extreme(frame, node)
    if op >= CALL_SPLIT and op <= CALL_TRIM:
        return _text_call(frame, node)
    if op == ROOT_OR_ABSENT:
        return frame.evaluation.root(frame.evaluation.state, node.slot)
    if op == OR_VALUE or op == OR_OPTIONAL:
        value = _run(frame, node.a)
        return _run(frame, node.b) if value.kind == ABSENT else value
    value = _run(frame, node.a)
    if value.kind == ERROR:
        return value
    return _optional(node, value) if op < MEMBER else _text_operation(frame, node, value)


cdef Value _optional(const Node *node, Value value) noexcept nogil:
    """Operations on an optional, and the selection that makes one."""
    cdef int op = node.op
    cdef const Value *found
    if op == HAS_VALUE:
        return bool_value(value.kind != ABSENT)
    if op == VALUE_OF:
        return error_value(OTHER_ERROR) if value.kind == ABSENT else value
    if value.kind == ABSENT:
        return bool_value(False) if op == CHAIN_HAS else value
    if value.kind != MAP:
        # cel-cpp ends the evaluation for a plain selection of an optional, not for `.?`.
        return error_value(NO_MATCHING_OVERLOAD) if op == OPTIONAL_SELECT else (
            _fatal(NO_SUCH_FIELD))
    found = map_get(value, node.constant.text, node.constant.size)
    if op == CHAIN_HAS:
        return bool_value(found != NULL)
    return absent_value() if found == NULL else found[0]


cdef Value _fold(Frame *frame, const Node *node) noexcept nogil:
    """A comprehension: children are range, start, condition, step and result."""
    cdef const uint32_t *part = frame.children + node.a
    cdef Value domain = _run(frame, part[0])
    cdef Value *variable = frame.locals + node.slot
    cdef Value *accumulator = variable + 1
    cdef Value test
    cdef uint32_t i
    if domain.kind != LIST and domain.kind != MAP:
        return domain if domain.kind == ERROR else error_value(NO_MATCHING_OVERLOAD)
    accumulator[0] = _run(frame, part[1])
    frame.capacity[node.slot + 1] = 0
    for i in range(domain.size):
        frame.iterations += 1
        if frame.iterations >= BUDGET:
            return _fatal(BUDGET_EXCEEDED)
        variable[0] = domain.items[i] if domain.kind == LIST else domain.entries[i].key
        test = _run(frame, part[2])
        if test.kind != BOOL:
            return test if test.kind == ERROR else error_value(NO_MATCHING_OVERLOAD)
        if not test.boolean:
            break
        accumulator[0] = _run(frame, part[3])
        if accumulator.kind == ERROR and accumulator.flags & FATAL:
            return accumulator[0]
    return _run(frame, part[4])


cdef Value _append(Frame *frame, const Node *node) noexcept nogil:
    """`accumulator + [item]`, in place: only the step of its own fold sees the accumulator."""
    cdef Value *collected = frame.locals + node.slot
    cdef uint32_t *capacity = frame.capacity + node.slot
    cdef Value *items
    cdef uint32_t wider
    cdef Value item = _run(frame, node.a)
    if collected.kind == ERROR:
        return item if item.kind == ERROR and item.flags & FATAL else collected[0]
    if item.kind == ERROR:
        return item
    if collected.size == capacity[0]:
        wider = capacity[0] * 2 if capacity[0] else 8
        items = <Value *> frame.evaluation.arena.take(wider * sizeof(Value))
        if items == NULL:
            return _fatal(OUT_OF_MEMORY)
        if collected.size:
            memcpy(items, collected.items, collected.size * sizeof(Value))
        collected.items = items
        capacity[0] = wider
    (<Value *> collected.items)[collected.size] = item
    collected.size += 1
    return collected[0]


cdef Value *_operands(Frame *frame, const Node *node, Value *failed) noexcept nogil:
    """The values of all children; `failed` is their first error, NULL only if that is fatal.

    All are evaluated even after an error, since a later one may be fatal or spend budget.
    """
    cdef Value *values = <Value *> frame.evaluation.arena.take(node.b * sizeof(Value) + 1)
    cdef uint32_t i
    failed.kind = NULL_VALUE
    if values == NULL:
        failed[0] = _fatal(OUT_OF_MEMORY)
        return NULL
    for i in range(node.b):
        values[i] = _run(frame, frame.children[node.a + i])
        if values[i].kind == ERROR:
            if values[i].flags & FATAL:
                failed[0] = values[i]
                return NULL
            if failed.kind != ERROR:
                failed[0] = values[i]
    return values


cdef Value _make_list(Frame *frame, const Node *node) noexcept nogil:
    cdef Value failed
    cdef Value *items = _operands(frame, node, &failed)
    cdef uint32_t i, size = 0
    if failed.kind == ERROR:
        return failed
    for i in range(node.b):
        if items[i].kind != ABSENT:
            items[size] = items[i]
            size += 1
    return list_value(items, size)


cdef Value _make_map(Frame *frame, const Node *node) noexcept nogil:
    """Children are keys and values in turn, which lie in memory as entries do."""
    cdef Value failed
    cdef Entry *entries = <Entry *> _operands(frame, node, &failed)
    cdef uint32_t i, j, size = node.b // 2
    if failed.kind == ERROR:
        return failed
    for i in range(size):
        if entries[i].key.kind not in (STRING, INT, UINT, BOOL):
            return error_value(NO_MATCHING_OVERLOAD)
        for j in range(i):
            if entries[j].key.kind == entries[i].key.kind and equals(
                    entries[j].key, entries[i].key):
                return _fatal(OTHER_ERROR)
    return map_value(entries, size, False)


cdef Value _extreme(Frame *frame, const Node *node) noexcept nogil:
    """max and min over the arguments, or over the items of a single list."""
    cdef Value failed, item
    cdef Value best = null_value()
    cdef const Value *items = _operands(frame, node, &failed)
    cdef uint32_t i, count = node.b
    cdef Order order
    if failed.kind == ERROR:
        return failed
    if count == 1 and items[0].kind == LIST:
        count = items[0].size
        items = items[0].items
    for i in range(count):
        item = items[i]
        # The full lane's function is Python, where an unsigned integer that fits is a plain one.
        if item.kind == UINT and item.natural <= <uint64_t> INT64_MAX:
            item = int_value(<int64_t> item.natural)
        if i == 0:
            best = item
            continue
        order = compare(item, best)
        if order == ORDER_REFUSED:
            return error_value(NO_MATCHING_OVERLOAD)
        if order == (ORDER_GREATER if node.op == MAXIMUM else ORDER_LESS):
            best = item
    return best


cdef Value _text_call(Frame *frame, const Node *node) noexcept nogil:
    cdef Value failed
    cdef Value *values = _operands(frame, node, &failed)
    if failed.kind == ERROR:
        return failed
    return text_function(
        <TextFunction> (node.op - CALL_SPLIT), values, node.b, frame.evaluation.arena)


cdef Value _text_operation(Frame *frame, const Node *node, Value value) noexcept nogil:
    """Steps of selectors and the operators of patterns; absent means the path led nowhere."""
    cdef int op = node.op
    cdef const Value *found
    cdef Value text
    if op == MEMBER:
        if value.kind == MAP:
            found = map_get(value, node.constant.text, node.constant.size)
            return absent_value() if found == NULL else found[0]
        if value.kind == LIST and node.b < value.size:
            return value.items[node.b]
        return absent_value()
    if op == INCLUDES or op == EXCLUDES:
        return _inclusion(frame, node, value)
    text = value_text(value, frame.evaluation.arena)
    if text.kind == ERROR:
        return text
    if op == TEXT_MATCHES:
        return bool_value(pattern_found(node.pattern, text.text, text.size))
    return bool_value(equals(text, node.constant) == (op == TEXT_EQUAL))


cdef Value _inclusion(Frame *frame, const Node *node, Value value) noexcept nogil:
    """Whether an item's text is the operand; a scalar counts as one item, null as none."""
    cdef const Value *items = value.items if value.kind == LIST else &value
    cdef uint32_t i, count = value.size if value.kind == LIST else 1
    cdef Value text
    if value.kind == ABSENT or value.kind == NULL_VALUE:
        count = 0
    for i in range(count):
        text = value_text(items[i], frame.evaluation.arena)
        if text.kind == ERROR:
            return text
        if equals(text, node.constant):
            return bool_value(node.op == INCLUDES)
    return bool_value(node.op == EXCLUDES)


cdef Value _document_root(void *state, uint32_t slot) noexcept nogil:
    return (<Value *> state)[slot]


cdef class NativeProgram(Unit):
    """A compiled expression that threads evaluate without the interpreter lock."""

    def run(self, roots):
        """See program.pyi."""
        cdef Value values[ROOT_SLOTS]
        cdef Evaluation evaluation
        cdef Value result
        cdef NativeDocument document
        cdef Arena *arena
        cdef int slot
        for slot in range(ROOT_SLOTS):
            values[slot] = absent_value()
            if slot < len(roots) and roots[slot] is not None:
                document = roots[slot]
                values[slot] = (<Document *> document.pointer).root
        arena = new Arena()
        evaluation.arena = arena
        evaluation.root = _document_root
        evaluation.state = values
        try:
            with nogil:
                result = evaluate(<Program *> self.pointer, &evaluation)
            if result.kind == ERROR:
                return <int> result.code, None
            return 0, python_value(result)
        finally:
            del arena


cdef class ProgramBuilder:
    """Collects nodes, children first; see program.pyi."""
    cdef Program *program
    cdef list literals          # Python values of the constants, by node
    cdef vector[uint8_t] depths

    def __cinit__(self):
        self.program = new Program()
        self.literals = []

    def __dealloc__(self):
        drop(<Counted *> self.program)

    cdef uint32_t _add(self, int op, int slot, int depth) except? 0xffffffff:
        cdef Node node
        if self.program.nodes.size() >= NODES:
            raise ValueError(f"an expression of more than {NODES} nodes")
        if depth > DEPTH:
            raise ValueError(f"an expression deeper than {DEPTH} levels")
        memset(&node, 0, sizeof(node))
        node.op = <uint16_t> op
        node.slot = <uint16_t> slot
        self.program.nodes.push_back(node)
        self.depths.push_back(<uint8_t> depth)
        return <uint32_t> self.program.nodes.size() - 1

    cdef int _hold(self, uint32_t at, object literal) except -1:
        self.literals.append((at, literal))
        return 0

    def constant(self, value):
        """See program.pyi."""
        at = self._add(CONSTANT, 0, 1)
        self._hold(at, value)
        return at

    def error(self, int code):
        """See program.pyi."""
        at = self._add(CONSTANT, 0, 1)
        self.program.nodes[at].constant = error_value(<ErrorCode> code)
        return at

    def absent(self):
        """See program.pyi."""
        at = self._add(CONSTANT, 0, 1)
        self.program.nodes[at].constant = absent_value()
        return at

    def node(
        self, str op, *children, int slot=0, str text="", uint32_t item=0, pattern=None,
    ):
        """See program.pyi."""
        cdef int depth = 0
        cdef uint32_t at
        cdef uint32_t known = <uint32_t> self.program.nodes.size()
        if op not in OPERATIONS or op == "constant":
            raise ValueError(f"no operation {op!r}")
        if OPERATIONS[op] not in (-1, len(children)):
            raise ValueError(f"{op} takes {OPERATIONS[op]} operands, not {len(children)}")
        if op in _COUNTS and len(children) not in _COUNTS[op]:
            raise ValueError(f"{op} of {len(children)} operands")
        for child in children:
            if not 0 <= child < known:
                raise ValueError(f"operand {child} is no earlier node")
            depth = max(depth, self.depths[child])
        roots = op in ("root", "root_or_absent", "item_field")
        if not 0 <= slot < (ROOT_SLOTS if roots else LOCALS - (op == "fold")):
            raise ValueError(f"{op} with slot {slot}")
        at = self._add(_CODES[op], slot, depth + 1)
        self._operands(at, op, children)
        if op == "item_field":
            self.program.nodes[at].b = item
        if op == "member":
            self.program.nodes[at].b = _list_index(text)
        if op in ("matches", "text_matches"):
            self._pattern(at, pattern)
        self._hold(at, text)
        return at

    cdef int _operands(self, uint32_t at, str op, tuple children) except -1:
        cdef Node *node = &self.program.nodes[at]
        if OPERATIONS[op] == -1 or len(children) > 3:
            node.a = <uint32_t> self.program.children.size()
            node.b = <uint32_t> len(children)
            for child in children:
                self.program.children.push_back(<uint32_t> child)
            return 0
        node.a = children[0] if len(children) > 0 else 0
        node.b = children[1] if len(children) > 1 else 0
        node.c = children[2] if len(children) > 2 else 0
        return 0

    cdef int _pattern(self, uint32_t at, str pattern) except -1:
        cdef bytes raw = pattern.encode()
        cdef const RE2 *compiled = add_pattern(self.program, raw, <size_t> len(raw))
        if compiled == NULL:
            raise ValueError(f"RE2 refuses the pattern {pattern!r}")
        self.program.nodes[at].pattern = compiled
        return 0

    def finish(self):
        """See program.pyi."""
        cdef NativeProgram native = NativeProgram.__new__(NativeProgram)
        cdef Document *constants
        cdef uint32_t i
        if self.program.nodes.empty():
            raise ValueError("an expression without nodes")
        constants = build_document([literal for _, literal in self.literals], False)
        self.program.constants = constants
        for i in range(len(self.literals)):
            self.program.nodes[<uint32_t> self.literals[i][0]].constant = constants.root.items[i]
        native.pointer = <Counted *> self.program
        self.program = new Program()
        self.literals = []
        self.depths.clear()
        return native


cdef uint32_t _list_index(str text) noexcept:
    """The index a selector's part stands for in a list, past every list when it is none."""
    if text.isascii() and text.isdigit() and len(text) < 10:
        return <uint32_t> int(text)
    return 0xffffffff
