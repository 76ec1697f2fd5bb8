"""Labels of the request counters by the operator's expressions; metric_labels.pyi has the rules."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint32_t
from libc.string cimport memcmp

from _fastpath.arena cimport Arena
from _fastpath.counted cimport retain
from _fastpath.handler cimport Unit
from _fastpath.program cimport NativeProgram, Program, evaluate
from _fastpath.text cimport key_text
from _fastpath.value cimport ERROR, MAP, STRING, Value

RESERVED = frozenset({"limitador_namespace", "namespace", "limit_name"})

cdef extern from "label_series.hpp" namespace "tollhouse" nogil:
    bint label_name(const char *text, uint32_t size)
    size_t label_size(TextView name, TextView value)
    char *write_label(char *to, TextView name, TextView value)


cdef class LabelSetUnit(Unit):
    pass


cdef inline TextView view_of(const Value *value) noexcept nogil:
    cdef TextView view
    view.text = value.text
    view.size = value.size
    return view


cdef inline TextView name_of(const LabelSet *set, size_t place) noexcept nogil:
    cdef TextView view
    view.text = set.labels[place].name.data()
    view.size = <uint32_t> set.labels[place].name.size()
    return view


# Whether a name out of the default map may stand beside the labels of `set`.
cdef bint is_free(const LabelSet *set, const Value *name) noexcept nogil:
    cdef size_t i
    if name.kind != STRING or not label_name(name.text, name.size):
        return False
    if is_reserved(name.text, name.size):
        return False
    for i in range(set.labels.size()):
        if same_text(name_of(set, i), view_of(name)):
            return False
    return True


cdef bint same_text(TextView one, TextView other) noexcept nogil:
    return one.size == other.size and memcmp(one.text, other.text, one.size) == 0


cdef bint is_reserved(const char *text, uint32_t size) noexcept nogil:
    return (
        (size == 19 and memcmp(text, b"limitador_namespace", 19) == 0)
        or (size == 9 and memcmp(text, b"namespace", 9) == 0)
        or (size == 10 and memcmp(text, b"limit_name", 10) == 0)
    )


cdef TextView label_text(const LabelSet *set, Evaluation *evaluation) noexcept nogil:
    cdef Arena *arena = evaluation.arena
    cdef TextView result
    cdef size_t i, count = set.labels.size(), size = 0
    cdef Value *values = <Value *> arena.take((count + 1) * sizeof(Value))
    cdef Value more
    cdef char *at
    result.text = NULL
    result.size = 0
    if values == NULL:
        return result
    more.kind = ERROR
    if set.defaults != NULL:
        more = evaluate(<const Program *> set.defaults, evaluation)
    if more.kind == MAP:
        for i in range(more.size):
            if more.entries[i].value.kind == STRING and is_free(set, &more.entries[i].key):
                size += label_size(view_of(&more.entries[i].key), view_of(&more.entries[i].value))
    for i in range(count):
        values[i] = evaluate(<const Program *> set.labels[i].program, evaluation)
        if values[i].kind != ERROR:
            values[i] = key_text(values[i], arena)
        if values[i].kind == STRING:
            size += label_size(name_of(set, i), view_of(&values[i]))
    at = <char *> arena.take(size + 1)
    if at == NULL:
        return result
    result.text = at
    result.size = <uint32_t> size
    if more.kind == MAP:
        for i in range(more.size):
            if more.entries[i].value.kind == STRING and is_free(set, &more.entries[i].key):
                at = write_label(
                    at, view_of(&more.entries[i].key), view_of(&more.entries[i].value))
    for i in range(count):
        if values[i].kind == STRING:
            at = write_label(at, name_of(set, i), view_of(&values[i]))
    return result


def is_label_name(str name) -> bool:
    cdef bytes text = name.encode()
    return label_name(text, <uint32_t> len(text))


cdef Counted *program_of(unit) except? NULL:
    if not isinstance(unit, NativeProgram):
        raise ValueError(f"not a native program: {unit!r}")
    retain((<Unit> unit).pointer)
    return (<Unit> unit).pointer


def label_set(labels, defaults, bint native) -> Unit:
    cdef LabelSet *made = new LabelSet()
    cdef LabelSetUnit unit = LabelSetUnit()
    cdef LabelProgram label
    unit.pointer = made
    made.native = native and all(program is not None for _, program in labels)
    for name, program in sorted(labels, key=lambda pair: pair[0]):
        if not is_label_name(name) or name in RESERVED:
            raise ValueError(f"not a label name: {name!r}")
        label.name = name.encode()
        label.program = NULL
        if program is not None:
            label.program = program_of(program)
        made.labels.push_back(label)
    if defaults is not None:
        made.defaults = program_of(defaults)
    return unit


def pack_labels(labels) -> bytes:
    cdef TextView name_view, value_view
    cdef bytes name, value, packed
    parts = []
    for key, text in labels:
        name, value = key.encode(), text.encode()
        name_view.text, name_view.size = name, <uint32_t> len(name)
        value_view.text, value_view.size = value, <uint32_t> len(value)
        packed = PyBytes_FromStringAndSize(NULL, label_size(name_view, value_view))
        write_label(PyBytes_AS_STRING(packed), name_view, value_view)
        parts.append(packed)
    return b"".join(parts)


def unpack_labels(bytes text):
    labels = []
    at = 0
    while at < len(text):
        first = at + 4
        second = first + int.from_bytes(text[at:at + 2], "little")
        at = second + int.from_bytes(text[at + 2:at + 4], "little")
        labels.append((text[first:second].decode(), text[second:at].decode()))
    return tuple(labels)
