"""The Python edge of CheckRequest, and the one encoder of CheckResponse.

Field numbers are those of envoy/service/auth/v3/external_auth.proto. The encoder writes fields in
ascending order and Struct keys sorted by bytes, so equal answers are equal bytes.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.string cimport memchr, memcpy, memset

from _fastpath.arena cimport Arena
from _fastpath.attributes cimport (
    ROOT_CONTEXT,
    ROOT_DESTINATION,
    ROOT_METADATA,
    ROOT_REQUEST,
    ROOT_SOURCE,
    attribute_root,
    begin_facts,
    sort_entries,
)
from _fastpath.check_view cimport (
    DECODE_MALFORMED,
    DECODED,
    CheckView,
    Decoded,
    Pair,
    decode_check,
    find_pair,
)
from _fastpath.credential cimport find_credential
from _fastpath.handler cimport Clock
from _fastpath.value cimport (
    BOOL,
    DOUBLE,
    ERROR,
    INT,
    LIST,
    MAP,
    SORTED,
    STRING,
    UINT,
    Entry,
    Value,
    bool_value,
    double_value,
    list_value,
    map_value,
    null_value,
    string_value,
)
from _fastpath.wire cimport TextView, WireWriter

from _fastpath.errors import WireError

INVALID_REQUEST = "Invalid request"
SERVICE_NOT_FOUND = "Service not found"

cdef const char *REASON_NAME = b"X-Ext-Auth-Reason"


cdef bint write_value(
    WireWriter *writer, const Value *value, Arena *arena, int depth
) noexcept nogil:
    """The content of a google.protobuf.Value; False for what a Struct cannot hold."""
    if depth < 0:
        return False
    if value.kind == MAP:
        return write_map_value(writer, value, arena, depth)
    if value.kind == LIST:
        return write_list_value(writer, value, arena, depth)
    if value.kind == STRING:
        writer.bytes_field(3, value.text, value.size)
    elif value.kind == DOUBLE:
        writer.double_field(2, value.number)
    elif value.kind == INT:
        writer.double_field(2, <double> value.integer)
    elif value.kind == UINT:
        writer.double_field(2, <double> value.natural)
    elif value.kind == BOOL:
        writer.varint_field(4, value.boolean)
    else:
        writer.varint_field(1, 0)
    return True


cdef bint write_map_value(
    WireWriter *writer, const Value *value, Arena *arena, int depth
) noexcept nogil:
    cdef size_t mark = writer.size()
    if not write_struct(writer, value, arena, depth - 1):
        return False
    writer.message_field(5, mark)
    return True


cdef bint write_list_value(
    WireWriter *writer, const Value *value, Arena *arena, int depth
) noexcept nogil:
    cdef size_t mark = writer.size(), item
    cdef uint32_t i = value.size
    while i > 0:
        i -= 1
        item = writer.size()
        if not write_value(writer, &value.items[i], arena, depth - 1):
            return False
        writer.message_field(1, item)
    writer.message_field(6, mark)
    return True


cdef bint write_struct(
    WireWriter *writer, const Value *map, Arena *arena, int depth
) noexcept nogil:
    cdef const Entry *entries = map.entries
    cdef Entry *copy
    cdef uint32_t count = map.size, i
    cdef size_t mark
    for i in range(count):
        if entries[i].key.kind != STRING:
            return False
    if not map.flags & SORTED and count > 1:
        copy = <Entry *> arena.take(count * sizeof(Entry))
        if copy == NULL:
            return False
        memcpy(copy, entries, count * sizeof(Entry))
        count = sort_entries(copy, count)
        entries = copy
    i = count
    while i > 0:
        i -= 1
        mark = writer.size()
        if not write_value(writer, &entries[i].value, arena, depth):
            return False
        writer.message_field(2, mark)
        writer.bytes_field(1, entries[i].key.text, entries[i].key.size)
        writer.message_field(1, mark)
    return True


cdef bint unsafe_character(TextView text) noexcept nogil:
    return text.size != 0 and (
        memchr(text.text, c"\n", text.size) != NULL or memchr(text.text, c"\r", text.size) != NULL
        or memchr(text.text, 0, text.size) != NULL)


cdef TextView header_text(TextView text, Arena *arena) noexcept nogil:
    """CR, LF and NUL as spaces: what RFC 9110 section 5.5 tells a recipient to make of them."""
    cdef char *copy
    cdef uint32_t i
    if not unsafe_character(text):
        return text
    copy = <char *> arena.take(text.size)
    if copy == NULL:
        text.size = 0
        return text
    for i in range(text.size):
        copy[i] = text.text[i]
        if copy[i] == c"\n" or copy[i] == c"\r" or copy[i] == 0:
            copy[i] = c" "
    text.text = copy
    return text


cdef void write_header(
    WireWriter *writer, uint32_t field, TextView name, TextView value, Arena *arena
) noexcept nogil:
    """HeaderValueOption{header 1: HeaderValue{key 1, value 2}}, append left unset."""
    cdef size_t mark = writer.size()
    name = header_text(name, arena)
    value = header_text(value, arena)
    if value.size:
        writer.bytes_field(2, value.text, value.size)
    if name.size:
        writer.bytes_field(1, name.text, name.size)
    writer.message_field(1, mark)
    writer.message_field(field, mark)


cdef void write_headers(
    WireWriter *writer, uint32_t field, const Pair *headers, uint32_t count, Arena *arena
) noexcept nogil:
    while count > 0:
        count -= 1
        write_header(writer, field, headers[count].name, headers[count].value, arena)


cdef void write_denied(WireWriter *writer, const Answer *answer, Arena *arena) noexcept nogil:
    cdef TextView name
    cdef size_t mark = writer.size(), status
    if answer.body.size:
        writer.bytes_field(3, answer.body.text, answer.body.size)
    if answer.has_reason:
        name.text = REASON_NAME
        name.size = 17
        write_header(writer, 2, name, answer.reason, arena)
    write_headers(writer, 2, answer.headers, answer.header_count, arena)
    status = writer.size()
    if answer.http_status:
        writer.varint_field(1, answer.http_status)
    writer.message_field(1, status)
    writer.message_field(2, mark)


cdef void write_ok(WireWriter *writer, const Answer *answer, Arena *arena) noexcept nogil:
    cdef size_t mark = writer.size()
    write_headers(writer, 6, answer.response_headers, answer.response_header_count, arena)
    write_headers(writer, 2, answer.headers, answer.header_count, arena)
    writer.message_field(3, mark)


cdef bint write_answer(
    const Answer *answer, Arena *arena, const uint8_t **message, size_t *size
) noexcept nogil:
    """False when the arena is exhausted or the metadata is no JSON object."""
    cdef WireWriter writer = WireWriter(arena)
    cdef size_t mark
    if answer.has_metadata:
        if not write_struct(&writer, &answer.metadata, arena, 100):
            return False
        writer.message_field(4, 0)
    if answer.code == 0:
        write_ok(&writer, answer, arena)
    else:
        write_denied(&writer, answer, arena)
    mark = writer.size()
    if answer.code:
        writer.varint_field(1, answer.code)
    writer.message_field(1, mark)
    if writer.failed:
        return False
    message[0] = writer.data()
    size[0] = writer.size()
    return True


cdef TextView lookup_host(const CheckView *view) noexcept nogil:
    cdef TextView host
    if not find_pair(&view.context_extensions, b"host", 4, &host):
        host = view.host
    return host


cdef str text_of(TextView text):
    return text.text[:text.size].decode("utf-8", "replace") if text.size else ""


cdef object python_value(const Value *value):
    cdef uint32_t i
    if value.kind == MAP:
        return {
            value.entries[i].key.text[:value.entries[i].key.size].decode(): python_value(
                &value.entries[i].value)
            for i in range(value.size)
        }
    if value.kind == LIST:
        return [python_value(&value.items[i]) for i in range(value.size)]
    if value.kind == STRING:
        return value.text[:value.size].decode() if value.size else ""
    if value.kind == DOUBLE:
        return value.number
    if value.kind == BOOL:
        return bool(value.boolean)
    if value.kind == ERROR:
        raise MemoryError("request too large to evaluate")
    return None


cdef class CheckRequest:
    def __cinit__(self):
        self.arena = new Arena()

    def __dealloc__(self):
        del self.arena

    @property
    def has_http(self) -> bool:
        return self.view.has_http

    @property
    def host(self) -> str:
        return text_of(lookup_host(&self.view))

    def attributes(self) -> dict:
        return {name: self.root(slot) for name, slot in (
            ("context", ROOT_CONTEXT),
            ("request", ROOT_REQUEST),
            ("source", ROOT_SOURCE),
            ("destination", ROOT_DESTINATION),
            ("metadata", ROOT_METADATA),
        )}

    cdef object root(self, uint32_t slot):
        cdef Value value = attribute_root(&self.facts, slot)
        return python_value(&value)

    def credential(self, int place, str name):
        cdef bytes text = (name.lower() if place in (1, 5) else name).encode()
        cdef TextView wanted, found
        wanted.text = PyBytes_AS_STRING(text)
        wanted.size = <uint32_t> PyBytes_GET_SIZE(text)
        if not find_credential(&self.facts, place, wanted, &found):
            return None
        return found.text[:found.size]


def decode_check_request(bytes data, int64_t mono_ns, int64_t wall_ns) -> CheckRequest:
    cdef CheckRequest request = CheckRequest.__new__(CheckRequest)
    cdef Clock clock
    cdef Decoded outcome = decode_check(
        &request.view, request.arena,
        <const uint8_t *> PyBytes_AS_STRING(data), <size_t> PyBytes_GET_SIZE(data))
    if outcome == DECODE_MALFORMED:
        raise WireError("malformed CheckRequest")
    if outcome != DECODED:
        raise WireError("CheckRequest has too many parts", too_large=True)
    request.data = data
    clock.mono_ns = mono_ns
    clock.wall_ns = wall_ns
    begin_facts(&request.facts, &request.view, clock)
    return request


cdef TextView kept_text(str text, Arena *arena) except *:
    cdef bytes encoded = text.encode("utf-8", "replace")
    cdef TextView view
    cdef char *copy = <char *> arena.take(len(encoded) + 1)
    if copy == NULL:
        raise MemoryError("answer too large")
    memcpy(copy, PyBytes_AS_STRING(encoded), len(encoded))
    view.text = copy
    view.size = <uint32_t> len(encoded)
    return view


cdef Value value_of(object source, Arena *arena, int depth) except *:
    cdef TextView text
    cdef Entry *entries
    cdef Value *items
    cdef uint32_t count = 0
    if source is None:
        return null_value()
    if isinstance(source, bool):
        return bool_value(source)
    if isinstance(source, (int, float)):
        return double_value(float(source))
    if isinstance(source, str):
        text = kept_text(source, arena)
        return string_value(text.text, text.size)
    if depth < 0:
        raise ValueError("dynamic metadata is nested too deep")
    if isinstance(source, dict):
        entries = <Entry *> arena.take((len(source) + 1) * sizeof(Entry))
        if entries == NULL:
            raise MemoryError("answer too large")
        for key, member in source.items():
            text = kept_text(key, arena)
            entries[count].key = string_value(text.text, text.size)
            entries[count].value = value_of(member, arena, depth - 1)
            count += 1
        return map_value(entries, sort_entries(entries, count), True)
    if isinstance(source, (list, tuple)):
        items = <Value *> arena.take((len(source) + 1) * sizeof(Value))
        if items == NULL:
            raise MemoryError("answer too large")
        for member in source:
            items[count] = value_of(member, arena, depth - 1)
            count += 1
        return list_value(items, count)
    raise TypeError(f"{type(source).__name__} cannot be dynamic metadata")


cdef const Pair *pairs_of(object headers, Arena *arena) except? NULL:
    cdef Pair *pairs = <Pair *> arena.take((len(headers) + 1) * sizeof(Pair))
    cdef uint32_t count = 0
    if pairs == NULL:
        raise MemoryError("answer too large")
    for name, value in headers:
        pairs[count].name = kept_text(name, arena)
        pairs[count].value = kept_text(value, arena)
        count += 1
    return pairs


cdef bytes encode(
    Arena *arena, int code, int http_status, headers, reason, body, response_headers, metadata
):
    cdef Answer answer
    cdef const uint8_t *message
    cdef size_t size
    memset(&answer, 0, sizeof(Answer))
    answer.code = code
    answer.http_status = http_status
    answer.headers = pairs_of(headers, arena)
    answer.header_count = len(headers)
    answer.response_headers = pairs_of(response_headers, arena)
    answer.response_header_count = len(response_headers)
    answer.has_reason = reason is not None and code != 0
    if reason is not None:
        answer.reason = kept_text(reason, arena)
    answer.body = kept_text(body, arena)
    answer.has_metadata = metadata is not None or code == 0
    if answer.has_metadata:
        answer.metadata = value_of(metadata if metadata is not None else {}, arena, 98)
    if not write_answer(&answer, arena, &message, &size):
        raise MemoryError("answer too large")
    return PyBytes_FromStringAndSize(<const char *> message, size)


def encode_check_response(
    int code,
    *,
    int http_status=0,
    headers=(),
    reason=None,
    body="",
    response_headers=(),
    dynamic_metadata=None,
) -> bytes:
    cdef Arena *arena = new Arena()
    try:
        return encode(
            arena, code, http_status, headers, reason, body, response_headers, dynamic_metadata)
    finally:
        del arena
