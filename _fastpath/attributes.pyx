"""The authorization JSON of a request as native values, one root at a time and only when read.

Shape and omission rules are Authorino's: `request` and the peers are flat, `context` is Envoy's
AttributeContext with the member names of its Go structs. Empty strings, zero numbers, empty maps
and messages that did not arrive are left out. Numbers are doubles. A root that cannot be built for
want of memory is the CEL error OUT_OF_MEMORY.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from _fastpath.arena cimport Arena
from _fastpath.check_view cimport (
    ADDRESS_NONE,
    ADDRESS_PIPE,
    ADDRESS_SOCKET,
    PORT_NONE,
    PORT_NUMBER,
    AddressView,
    CheckView,
    MetadataItems,
    MetadataView,
    Pairs,
    PeerView,
    Piece,
    Pieces,
    find_pair,
)
from _fastpath.handler cimport Clock
from _fastpath.request_url cimport UrlView, split_url
from _fastpath.digest cimport Digest, Secret, SipHasher
from _fastpath.value cimport (
    ERROR,
    LIST,
    MAP,
    NULL_VALUE,
    OUT_OF_MEMORY,
    Entry,
    Kind,
    Value,
    bool_value,
    compare_text,
    double_value,
    error_value,
    list_value,
    map_value,
    null_value,
    string_value,
)
from _fastpath.wire cimport WIRE_BYTES, WIRE_FIXED64, WIRE_VARINT, TextView, WireReader

from libcpp.algorithm cimport sort


cdef Secret id_secret
cdef const char *EMPTY = b""


cdef inline Value text_value(TextView text) noexcept nogil:
    return string_value(text.text if text.text != NULL else EMPTY, text.size)


cdef inline Value failed() noexcept nogil:
    return error_value(OUT_OF_MEMORY)


cdef bint open_fields(Fields *fields, uint32_t room, Arena *arena) noexcept nogil:
    fields.entries = <Entry *> arena.take(room * sizeof(Entry))
    fields.count = 0
    return fields.entries != NULL


cdef void put(Fields *fields, const char *name, uint32_t size, Value value) noexcept nogil:
    cdef Entry *entry = &fields.entries[fields.count]
    entry.key = string_value(name, size)
    entry.value = value
    fields.count += 1


cdef inline void put_text(
    Fields *fields, const char *name, uint32_t size, TextView text
) noexcept nogil:
    if text.size:
        put(fields, name, size, string_value(text.text, text.size))


cdef inline void put_number(
    Fields *fields, const char *name, uint32_t size, double number
) noexcept nogil:
    if number != 0:
        put(fields, name, size, double_value(number))


cdef Value close_fields(const Fields *fields) noexcept nogil:
    return map_value(fields.entries, fields.count, True)


cdef bint by_key_then_arrival(const Entry &a, const Entry &b) noexcept nogil:
    cdef int order = compare_text(a.key.text, a.key.size, b.key.text, b.key.size)
    return order < 0 if order else a.key.text < b.key.text


cdef uint32_t sort_entries(Entry *entries, uint32_t count) noexcept nogil:
    """Sort by key; of equal keys the one at the highest address, the last to arrive, is kept."""
    cdef uint32_t i
    cdef uint32_t kept = 0
    sort(entries, entries + count, &by_key_then_arrival)
    for i in range(count):
        if i + 1 < count and entries[i].key.size == entries[i + 1].key.size and memcmp(
                entries[i].key.text, entries[i + 1].key.text, entries[i].key.size) == 0:
            continue
        if kept != i:
            entries[kept] = entries[i]
        kept += 1
    return kept


cdef Value pairs_value(const Pairs *pairs, Arena *arena) noexcept nogil:
    cdef uint32_t i
    cdef Entry *entries = <Entry *> arena.take((pairs.count + 1) * sizeof(Entry))
    if entries == NULL:
        return failed()
    for i in range(pairs.count):
        entries[i].key = text_value(pairs.items[i].name)
        entries[i].value = text_value(pairs.items[i].value)
    return map_value(entries, sort_entries(entries, pairs.count), True)


cdef Value base64_value(TextView raw, Arena *arena) noexcept nogil:
    """Standard alphabet with padding, as Go's JSON writes bytes."""
    cdef const char *alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    cdef size_t size = (<size_t> raw.size + 2) // 3 * 4
    cdef char *out = <char *> arena.take(size + 1)
    cdef const uint8_t *data = <const uint8_t *> raw.text
    cdef uint32_t word, i = 0
    cdef size_t n = 0
    if out == NULL:
        return failed()
    while i < raw.size:
        word = data[i] << 16
        if i + 1 < raw.size:
            word |= data[i + 1] << 8
        if i + 2 < raw.size:
            word |= data[i + 2]
        out[n] = alphabet[word >> 18]
        out[n + 1] = alphabet[word >> 12 & 63]
        out[n + 2] = alphabet[word >> 6 & 63] if i + 1 < raw.size else c"="
        out[n + 3] = alphabet[word & 63] if i + 2 < raw.size else c"="
        i += 3
        n += 4
    return string_value(out, <uint32_t> size)


# google.protobuf.Struct. Pieces were checked by the decoder; the depth there bounds it here.

cdef struct Member:
    Kind kind
    Pieces pieces       # of a map or list
    Value scalar


cdef bint append_piece(Pieces *pieces, TextView content, Arena *arena) noexcept nogil:
    cdef Piece *piece = <Piece *> arena.take(sizeof(Piece))
    if piece == NULL:
        return False
    piece.content = content
    piece.next = NULL
    if pieces.last == NULL:
        pieces.first = piece
    else:
        pieces.last.next = piece
    pieces.last = piece
    pieces.count += 1
    return True


cdef bint read_member(Member *member, WireReader *reader, Arena *arena) noexcept nogil:
    """Apply one field of google.protobuf.Value; False when the arena is exhausted."""
    cdef Kind kind
    cdef uint64_t bits
    cdef double number
    if reader.at_field(5, WIRE_BYTES) or reader.at_field(6, WIRE_BYTES):
        kind = MAP if reader.field == 5 else LIST
        if member.kind != kind:
            memset(&member.pieces, 0, sizeof(Pieces))
        member.kind = kind
        return append_piece(&member.pieces, reader.bytes(), arena)
    if reader.at_field(3, WIRE_BYTES):
        member.scalar = text_value(reader.bytes())
    elif reader.at_field(2, WIRE_FIXED64):
        bits = reader.fixed64()
        memcpy(&number, &bits, 8)
        member.scalar = double_value(number)
    elif reader.at_field(4, WIRE_VARINT):
        member.scalar = bool_value(reader.varint() != 0)
    elif reader.at_field(1, WIRE_VARINT):
        reader.varint()
        member.scalar = null_value()
    else:
        reader.skip()
        return True
    member.kind = member.scalar.kind
    return True


cdef Value member_value(const Pieces *pieces, Arena *arena, int depth) noexcept nogil:
    cdef Member member
    cdef WireReader reader
    cdef const Piece *piece = pieces.first
    memset(&member, 0, sizeof(Member))
    while piece != NULL:
        reader = WireReader(<const uint8_t *> piece.content.text, piece.content.size)
        while reader.next():
            if not read_member(&member, &reader, arena):
                return failed()
        piece = piece.next
    if member.kind == MAP:
        return struct_value(&member.pieces, arena, depth - 1)
    if member.kind == LIST:
        return items_value(&member.pieces, arena, depth - 1)
    return member.scalar


cdef uint32_t count_fields(const Pieces *pieces, uint32_t field) noexcept nogil:
    cdef uint32_t count = 0
    cdef WireReader reader
    cdef const Piece *piece = pieces.first
    while piece != NULL:
        reader = WireReader(<const uint8_t *> piece.content.text, piece.content.size)
        while reader.next():
            count += reader.at_field(field, WIRE_BYTES)
            reader.skip()
        piece = piece.next
    return count


cdef Value items_value(const Pieces *pieces, Arena *arena, int depth) noexcept nogil:
    cdef uint32_t room = count_fields(pieces, 1), count = 0
    cdef Value *items = <Value *> arena.take((room + 1) * sizeof(Value))
    cdef WireReader reader
    cdef Pieces one
    cdef const Piece *piece = pieces.first
    if items == NULL or depth < 0:
        return failed()
    while piece != NULL:
        reader = WireReader(<const uint8_t *> piece.content.text, piece.content.size)
        while reader.next():
            if not reader.at_field(1, WIRE_BYTES):
                reader.skip()
                continue
            memset(&one, 0, sizeof(Pieces))
            if not append_piece(&one, reader.bytes(), arena):
                return failed()
            items[count] = member_value(&one, arena, depth)
            if items[count].kind == ERROR:
                return items[count]
            count += 1
        piece = piece.next
    return list_value(items, count)


cdef Value entry_value(TextView content, TextView *name, Arena *arena, int depth) noexcept nogil:
    cdef WireReader entry = WireReader(<const uint8_t *> content.text, content.size)
    cdef Pieces pieces
    memset(&pieces, 0, sizeof(Pieces))
    name.text = content.text
    name.size = 0
    while entry.next():
        if entry.at_field(1, WIRE_BYTES):
            name[0] = entry.bytes()
        elif entry.at_field(2, WIRE_BYTES):
            if not append_piece(&pieces, entry.bytes(), arena):
                return failed()
        else:
            entry.skip()
    return member_value(&pieces, arena, depth)


cdef Value struct_value(const Pieces *pieces, Arena *arena, int depth) noexcept nogil:
    cdef uint32_t room = count_fields(pieces, 1), count = 0
    cdef Entry *entries = <Entry *> arena.take((room + 1) * sizeof(Entry))
    cdef WireReader reader
    cdef TextView name
    cdef const Piece *piece = pieces.first
    if entries == NULL or depth < 0:
        return failed()
    while piece != NULL:
        reader = WireReader(<const uint8_t *> piece.content.text, piece.content.size)
        while reader.next():
            if not reader.at_field(1, WIRE_BYTES):
                reader.skip()
                continue
            entries[count].value = entry_value(reader.bytes(), &name, arena, depth)
            if entries[count].value.kind == ERROR:
                return entries[count].value
            entries[count].key = text_value(name)
            count += 1
        piece = piece.next
    return map_value(entries, sort_entries(entries, count), True)


cdef Value any_value(const Pieces *pieces, Arena *arena) noexcept nogil:
    """google.protobuf.Any as its Go struct: type_url and value in base64."""
    cdef TextView url, content
    cdef WireReader reader
    cdef Fields fields
    cdef Value encoded
    cdef const Piece *piece = pieces.first
    memset(&url, 0, sizeof(TextView))
    content = url
    while piece != NULL:
        reader = WireReader(<const uint8_t *> piece.content.text, piece.content.size)
        while reader.next():
            if reader.at_field(1, WIRE_BYTES):
                url = reader.bytes()
            elif reader.at_field(2, WIRE_BYTES):
                content = reader.bytes()
            else:
                reader.skip()
        piece = piece.next
    encoded = base64_value(content, arena)
    if encoded.kind == ERROR or not open_fields(&fields, 2, arena):
        return failed()
    put_text(&fields, b"type_url", 8, url)
    if content.size:
        put(&fields, b"value", 5, encoded)
    return close_fields(&fields)


cdef Value metadata_items_value(
    const MetadataItems *items, bint typed, Arena *arena
) noexcept nogil:
    cdef uint32_t i
    cdef Entry *entries = <Entry *> arena.take((items.count + 1) * sizeof(Entry))
    if entries == NULL:
        return failed()
    for i in range(items.count):
        entries[i].key = text_value(items.items[i].name)
        if typed:
            entries[i].value = any_value(&items.items[i].content, arena)
        else:
            entries[i].value = struct_value(&items.items[i].content, arena, 100)
        if entries[i].value.kind == ERROR:
            return entries[i].value
    return map_value(entries, sort_entries(entries, items.count), True)


cdef Value metadata_value(const MetadataView *metadata, Arena *arena) noexcept nogil:
    cdef uint32_t i
    cdef Fields fields
    if not open_fields(&fields, 2, arena):
        return failed()
    if metadata.plain.count:
        put(&fields, b"filter_metadata", 15, metadata_items_value(&metadata.plain, False, arena))
    if metadata.typed.count:
        put(&fields, b"typed_filter_metadata", 21,
            metadata_items_value(&metadata.typed, True, arena))
    for i in range(fields.count):
        if fields.entries[i].value.kind == ERROR:
            return failed()
    return close_fields(&fields)


cdef Value time_value(const CheckView *view, Arena *arena) noexcept nogil:
    cdef Fields fields
    if not open_fields(&fields, 2, arena):
        return failed()
    put_number(&fields, b"nanos", 5, view.nanos)
    put_number(&fields, b"seconds", 7, <double> view.seconds)
    return close_fields(&fields)


cdef TextView header(const CheckView *view, const char *name, uint32_t size) noexcept nogil:
    cdef TextView value
    value.text = NULL
    value.size = 0
    find_pair(&view.headers, name, size, &value)
    return value


cdef TextView generated_id(Facts *facts) noexcept nogil:
    """A version 4 UUID drawn from request, clocks and a secret: the same in both lanes."""
    cdef uint32_t i
    cdef const char *digits = b"0123456789abcdef"
    cdef SipHasher hasher = SipHasher(id_secret)
    cdef Digest digest
    cdef uint8_t raw[16]
    cdef TextView id
    cdef char *out = <char *> facts.arena.take(36)
    cdef uint32_t n = 0
    id.text = out
    id.size = 0
    if out == NULL:
        return id
    hasher.add(<uint64_t> facts.clock.mono_ns)
    hasher.add(<uint64_t> facts.clock.wall_ns)
    hasher.add(facts.view.message.text, facts.view.message.size)
    digest = hasher.digest()
    memcpy(raw, &digest, 16)
    raw[6] = (raw[6] & 0x0F) | 0x40
    raw[8] = (raw[8] & 0x3F) | 0x80
    for i in range(16):
        if i == 4 or i == 6 or i == 8 or i == 10:
            out[n] = c"-"
            n += 1
        out[n] = digits[raw[i] >> 4]
        out[n + 1] = digits[raw[i] & 15]
        n += 2
    id.size = 36
    return id


cdef TextView request_id(Facts *facts) noexcept nogil:
    cdef TextView id = header(facts.view, b"x-request-id", 12)
    if id.size == 0:
        id = facts.view.id
    if id.size == 0:
        id = generated_id(facts)
    return id


cdef const UrlView *request_url(Facts *facts) noexcept nogil:
    """The parts of the request path; NULL when the arena is exhausted."""
    if not facts.url_split:
        if not split_url(facts.view.path, facts.arena, &facts.url):
            return NULL
        facts.url_split = True
    return &facts.url


cdef Value grpc_value(Facts *facts, const UrlView *url) noexcept nogil:
    """{method, service} of a gRPC call, or null when the request is none."""
    cdef uint32_t i
    cdef TextView kind = header(facts.view, b"content-type", 12)
    cdef TextView path = url.path
    cdef Fields fields
    cdef uint32_t slash = 0
    if kind.size < 16 or memcmp(kind.text, b"application/grpc", 16) != 0:
        return null_value()
    if path.size < 4 or path.text[0] != c"/":
        return null_value()
    for i in range(1, path.size):
        if path.text[i] == c"/":
            if slash:
                return null_value()
            slash = i
    if slash < 2 or slash + 1 == path.size:
        return null_value()
    if not open_fields(&fields, 2, facts.arena):
        return failed()
    put(&fields, b"method", 6, string_value(path.text + slash + 1, path.size - slash - 1))
    put(&fields, b"service", 7, string_value(path.text + 1, slash - 1))
    return close_fields(&fields)


cdef Value request_value(Facts *facts) noexcept nogil:
    cdef const CheckView *view = facts.view
    cdef const UrlView *url = request_url(facts)
    cdef Fields fields
    cdef Value grpc
    if url == NULL or not open_fields(&fields, 16, facts.arena):
        return failed()
    put_text(&fields, b"body", 4, view.body)
    if view.context_extensions.count:
        put(&fields, b"context_extensions", 18, pairs_value(&view.context_extensions, facts.arena))
    grpc = grpc_value(facts, url)
    if grpc.kind != NULL_VALUE:
        put(&fields, b"grpc", 4, grpc)
    if view.headers.count:
        put(&fields, b"headers", 7, pairs_value(&view.headers, facts.arena))
    put_text(&fields, b"host", 4, view.host)
    put_text(&fields, b"id", 2, request_id(facts))
    put_text(&fields, b"method", 6, view.method)
    put_text(&fields, b"path", 4, view.path)
    put_text(&fields, b"protocol", 8, view.protocol)
    put_text(&fields, b"query", 5, url.query)
    if view.raw_body.size:
        put(&fields, b"raw_body", 8, base64_value(view.raw_body, facts.arena))
    put_text(&fields, b"referer", 7, header(view, b"referer", 7))
    put_text(&fields, b"scheme", 6, view.scheme)
    put_number(&fields, b"size", 4, <double> view.size)
    if view.has_time:
        put(&fields, b"time", 4, time_value(view, facts.arena))
    put_text(&fields, b"url_path", 8, url.path)
    put_text(&fields, b"user_agent", 10, header(view, b"user-agent", 10))
    return whole(&fields)


cdef Value whole(const Fields *fields) noexcept nogil:
    """The map, unless one of its members could not be built."""
    cdef uint32_t i
    for i in range(fields.count):
        if fields.entries[i].value.kind == ERROR:
            return failed()
    return close_fields(fields)


cdef Value peer_value(const PeerView *peer, Arena *arena) noexcept nogil:
    cdef Fields fields
    cdef bint socket = peer.address.kind == ADDRESS_SOCKET
    if not open_fields(&fields, 6, arena):
        return failed()
    if socket:
        put_text(&fields, b"address", 7, peer.address.host)
    put_text(&fields, b"certificate", 11, peer.certificate)
    if peer.labels.count:
        put(&fields, b"labels", 6, pairs_value(&peer.labels, arena))
    if socket and peer.address.port_kind == PORT_NUMBER:
        put_number(&fields, b"port", 4, peer.address.port)
    put_text(&fields, b"principal", 9, peer.principal)
    put_text(&fields, b"service", 7, peer.service)
    return whole(&fields)


cdef Value wrapped(const char *name, uint32_t size, Value inner, Arena *arena) noexcept nogil:
    cdef Fields fields
    if inner.kind == ERROR or not open_fields(&fields, 1, arena):
        return failed()
    put(&fields, name, size, inner)
    return close_fields(&fields)


cdef Value socket_value(const AddressView *address, Arena *arena) noexcept nogil:
    cdef Fields fields
    cdef Value port = null_value()
    if address.port_kind == PORT_NUMBER:
        port = wrapped(b"PortValue", 9, double_value(address.port), arena)
    elif address.port_kind != PORT_NONE:
        port = wrapped(b"NamedPort", 9, text_value(address.port_name), arena)
    if not open_fields(&fields, 5, arena):
        return failed()
    put(&fields, b"PortSpecifier", 13, port)
    put_text(&fields, b"address", 7, address.host)
    if address.ipv4_compat:
        put(&fields, b"ipv4_compat", 11, bool_value(True))
    put_number(&fields, b"protocol", 8, address.protocol)
    put_text(&fields, b"resolver_name", 13, address.resolver)
    return wrapped(b"SocketAddress", 13, whole(&fields), arena)


cdef Value address_value(const AddressView *address, Arena *arena) noexcept nogil:
    cdef Fields fields
    cdef Value member = null_value()
    if address.kind == ADDRESS_SOCKET:
        member = socket_value(address, arena)
    elif address.kind != ADDRESS_NONE:
        if not open_fields(&fields, 2, arena):
            return failed()
        if address.kind == ADDRESS_PIPE:
            put_number(&fields, b"mode", 4, address.mode)
            put_text(&fields, b"path", 4, address.path)
            member = wrapped(b"Pipe", 4, close_fields(&fields), arena)
        else:
            put(&fields, b"AddressNameSpecifier", 20, null_value() if not address.has_listener
                else wrapped(b"ServerListenerName", 18, text_value(address.listener), arena))
            put_text(&fields, b"endpoint_id", 11, address.endpoint)
            member = wrapped(b"EnvoyInternalAddress", 20, whole(&fields), arena)
    return wrapped(b"Address", 7, member, arena)


cdef Value context_peer(const PeerView *peer, Arena *arena) noexcept nogil:
    cdef Fields fields
    if not open_fields(&fields, 5, arena):
        return failed()
    if peer.address.present:
        put(&fields, b"address", 7, address_value(&peer.address, arena))
    put_text(&fields, b"certificate", 11, peer.certificate)
    if peer.labels.count:
        put(&fields, b"labels", 6, pairs_value(&peer.labels, arena))
    put_text(&fields, b"principal", 9, peer.principal)
    put_text(&fields, b"service", 7, peer.service)
    return whole(&fields)


cdef Value context_http(Facts *facts) noexcept nogil:
    cdef const CheckView *view = facts.view
    cdef Fields fields
    if not open_fields(&fields, 12, facts.arena):
        return failed()
    put_text(&fields, b"body", 4, view.body)
    put_text(&fields, b"fragment", 8, view.fragment)
    if view.headers.count:
        put(&fields, b"headers", 7, pairs_value(&view.headers, facts.arena))
    put_text(&fields, b"host", 4, view.host)
    put_text(&fields, b"id", 2, request_id(facts))
    put_text(&fields, b"method", 6, view.method)
    put_text(&fields, b"path", 4, view.path)
    put_text(&fields, b"protocol", 8, view.protocol)
    put_text(&fields, b"query", 5, view.query)
    if view.raw_body.size:
        put(&fields, b"raw_body", 8, base64_value(view.raw_body, facts.arena))
    put_text(&fields, b"scheme", 6, view.scheme)
    put_number(&fields, b"size", 4, <double> view.size)
    return whole(&fields)


cdef Value context_request(Facts *facts) noexcept nogil:
    cdef Fields fields
    if not open_fields(&fields, 2, facts.arena):
        return failed()
    if facts.view.has_http:
        put(&fields, b"http", 4, context_http(facts))
    if facts.view.has_time:
        put(&fields, b"time", 4, time_value(facts.view, facts.arena))
    return whole(&fields)


cdef Value context_value(Facts *facts) noexcept nogil:
    cdef const CheckView *view = facts.view
    cdef Arena *arena = facts.arena
    cdef Fields fields
    if not open_fields(&fields, 7, arena):
        return failed()
    if view.context_extensions.count:
        put(&fields, b"context_extensions", 18, pairs_value(&view.context_extensions, arena))
    if view.destination.present:
        put(&fields, b"destination", 11, context_peer(&view.destination, arena))
    if view.metadata.present:
        put(&fields, b"metadata_context", 16, metadata_value(&view.metadata, arena))
    if view.has_request:
        put(&fields, b"request", 7, context_request(facts))
    if view.route_metadata.present:
        put(&fields, b"route_metadata_context", 22, metadata_value(&view.route_metadata, arena))
    if view.source.present:
        put(&fields, b"source", 6, context_peer(&view.source, arena))
    if view.has_tls:
        put(&fields, b"tls_session", 11, wrapped(b"sni", 3, text_value(view.sni), arena)
            if view.sni.size else map_value(NULL, 0, True))
    return whole(&fields)


cdef void begin_facts(Facts *facts, CheckView *view, Clock clock) noexcept nogil:
    facts.view = view
    facts.arena = view.arena
    facts.clock = clock
    facts.built = 0
    facts.url_split = False


cdef Value attribute_root(Facts *facts, uint32_t slot) noexcept nogil:
    """Any root but `auth`, which belongs to the decision."""
    if facts.built & (<uint32_t> 1 << slot):
        return facts.roots[slot]
    if slot == ROOT_REQUEST:
        facts.roots[slot] = request_value(facts)
    elif slot == ROOT_SOURCE:
        facts.roots[slot] = peer_value(&facts.view.source, facts.arena)
    elif slot == ROOT_DESTINATION:
        facts.roots[slot] = peer_value(&facts.view.destination, facts.arena)
    elif slot == ROOT_METADATA:
        facts.roots[slot] = metadata_value(&facts.view.metadata, facts.arena)
    else:
        facts.roots[slot] = context_value(facts)
    facts.built |= <uint32_t> 1 << slot
    return facts.roots[slot]
