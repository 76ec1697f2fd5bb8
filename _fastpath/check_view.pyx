"""CheckRequest read once, straight from the wire, into a view of its parts.

The reader refuses what protobuf refuses, also inside parts that nobody may ever look at (metadata
Structs): a request is valid or not whatever the configuration. Nested messages that arrive more
than once are merged field by field. Fields are those of envoy.service.auth.v3.CheckRequest at
Envoy 1.40; unknown ones are skipped.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t
from libc.string cimport memcmp, memcpy, memset

from _fastpath.arena cimport Arena
from _fastpath.value cimport compare_text
from _fastpath.wire cimport WIRE_BYTES, WIRE_VARINT, TextView, WireReader, valid_utf8

from libcpp.algorithm cimport sort


cdef Pair *add_pair(Pairs *pairs, CheckView *view) noexcept nogil:
    cdef Pair *grown
    cdef uint32_t room
    if pairs.count == pairs.room:
        room = pairs.room * 2 if pairs.room else 32
        grown = <Pair *> view.arena.take(room * sizeof(Pair))
        if grown == NULL:
            view.out_of_memory = True
            return NULL
        if pairs.count:
            memcpy(grown, pairs.items, pairs.count * sizeof(Pair))
        pairs.items = grown
        pairs.room = room
    pairs.count += 1
    return &pairs.items[pairs.count - 1]


cdef void add_piece(Pieces *pieces, TextView content, CheckView *view) noexcept nogil:
    cdef Piece *piece = <Piece *> view.arena.take(sizeof(Piece))
    if piece == NULL:
        view.out_of_memory = True
        return
    piece.content = content
    piece.next = NULL
    if pieces.last == NULL:
        pieces.first = piece
    else:
        pieces.last.next = piece
    pieces.last = piece
    pieces.count += 1


cdef bint find_pair(
    const Pairs *pairs, const char *name, uint32_t size, TextView *value
) noexcept nogil:
    cdef const Pair *pair
    cdef uint32_t i = pairs.count
    while i > 0:
        i -= 1
        pair = &pairs.items[i]
        if pair.name.size == size and memcmp(pair.name.text, name, size) == 0:
            value[0] = pair.value
            return True
    return False


# Absent texts point at the place of the entry, so that addresses keep the order of arrival.
cdef inline TextView nothing_here(const WireReader *reader) noexcept nogil:
    cdef TextView view
    view.text = <const char *> reader.at
    view.size = 0
    return view


cdef void read_entry(Pairs *pairs, WireReader *reader, CheckView *view) noexcept nogil:
    """One entry of a map<string, string>."""
    cdef WireReader inner = reader.message()
    cdef TextView name = nothing_here(&inner)
    cdef TextView value = name
    cdef Pair *pair
    while inner.next():
        if inner.at_field(1, WIRE_BYTES):
            name = inner.text()
        elif inner.at_field(2, WIRE_BYTES):
            value = inner.text()
        else:
            inner.skip()
    reader.absorb(inner)
    if inner.bad:
        return
    pair = add_pair(pairs, view)
    if pair != NULL:
        pair.name = name
        pair.value = value


cdef void check_struct(WireReader *reader) noexcept nogil:
    cdef WireReader entry
    cdef WireReader value
    while reader.next():
        if reader.at_field(1, WIRE_BYTES):
            entry = reader.message()
            while entry.next():
                if entry.at_field(1, WIRE_BYTES):
                    entry.text()
                elif entry.at_field(2, WIRE_BYTES):
                    value = entry.message()
                    check_value(&value)
                    entry.absorb(value)
                else:
                    entry.skip()
            reader.absorb(entry)
        else:
            reader.skip()


cdef void check_value(WireReader *reader) noexcept nogil:
    cdef WireReader inner
    cdef WireReader item
    while reader.next():
        if reader.at_field(3, WIRE_BYTES):
            reader.text()
        elif reader.at_field(5, WIRE_BYTES):
            inner = reader.message()
            check_struct(&inner)
            reader.absorb(inner)
        elif reader.at_field(6, WIRE_BYTES):
            inner = reader.message()
            while inner.next():
                if inner.at_field(1, WIRE_BYTES):
                    item = inner.message()
                    check_value(&item)
                    inner.absorb(item)
                else:
                    inner.skip()
            reader.absorb(inner)
        else:
            reader.skip()


cdef void check_any(WireReader *reader) noexcept nogil:
    while reader.next():
        if reader.at_field(1, WIRE_BYTES):
            reader.text()
        else:
            reader.skip()


cdef MetadataItem *add_item(MetadataItems *items, CheckView *view) noexcept nogil:
    cdef MetadataItem *grown
    cdef uint32_t room
    if items.count == items.room:
        room = items.room * 2 if items.room else 4
        grown = <MetadataItem *> view.arena.take(room * sizeof(MetadataItem))
        if grown == NULL:
            view.out_of_memory = True
            return NULL
        if items.count:
            memcpy(grown, items.items, items.count * sizeof(MetadataItem))
        items.items = grown
        items.room = room
    items.count += 1
    memset(&items.items[items.count - 1], 0, sizeof(MetadataItem))
    return &items.items[items.count - 1]


cdef void read_metadata_item(
    MetadataItems *items, bint typed, WireReader *reader, CheckView *view
) noexcept nogil:
    cdef WireReader entry = reader.message()
    cdef WireReader content
    cdef TextView piece
    cdef MetadataItem *item = add_item(items, view)
    if item == NULL:
        return
    item.name = nothing_here(&entry)
    while entry.next():
        if entry.at_field(1, WIRE_BYTES):
            item.name = entry.text()
        elif entry.at_field(2, WIRE_BYTES):
            content = entry.message()
            piece.text = <const char *> content.at
            piece.size = <uint32_t> (content.end - content.at)
            if typed:
                check_any(&content)
            else:
                check_struct(&content)
            entry.absorb(content)
            if not entry.bad:
                add_piece(&item.content, piece, view)
        else:
            entry.skip()
    reader.absorb(entry)


cdef void read_metadata(MetadataView *metadata, WireReader *outer, CheckView *view) noexcept nogil:
    cdef WireReader reader = outer.message()
    metadata.present = True
    while reader.next():
        if reader.at_field(1, WIRE_BYTES):
            read_metadata_item(&metadata.plain, False, &reader, view)
        elif reader.at_field(2, WIRE_BYTES):
            read_metadata_item(&metadata.typed, True, &reader, view)
        else:
            reader.skip()
    outer.absorb(reader)


cdef void become(AddressView *address, AddressKind kind) noexcept nogil:
    """Another member of the oneof clears the one before; the same member is merged into."""
    if address.kind == kind:
        return
    memset(address, 0, sizeof(AddressView))
    address.present = True
    address.kind = kind


cdef void read_socket_address(AddressView *address, WireReader *outer) noexcept nogil:
    cdef WireReader reader = outer.message()
    become(address, ADDRESS_SOCKET)
    while reader.next():
        if reader.at_field(1, WIRE_VARINT):
            address.protocol = <int32_t> reader.varint()
        elif reader.at_field(2, WIRE_BYTES):
            address.host = reader.text()
        elif reader.at_field(3, WIRE_VARINT):
            address.port = <uint32_t> reader.varint()
            address.port_kind = PORT_NUMBER
        elif reader.at_field(4, WIRE_BYTES):
            address.port_name = reader.text()
            address.port_kind = PORT_NAME
        elif reader.at_field(5, WIRE_BYTES):
            address.resolver = reader.text()
        elif reader.at_field(6, WIRE_VARINT):
            address.ipv4_compat = reader.varint() != 0
        elif reader.at_field(7, WIRE_BYTES):
            reader.text()
        else:
            reader.skip()
    outer.absorb(reader)


cdef void read_pipe(AddressView *address, WireReader *outer) noexcept nogil:
    cdef WireReader reader = outer.message()
    become(address, ADDRESS_PIPE)
    while reader.next():
        if reader.at_field(1, WIRE_BYTES):
            address.path = reader.text()
        elif reader.at_field(2, WIRE_VARINT):
            address.mode = <uint32_t> reader.varint()
        else:
            reader.skip()
    outer.absorb(reader)


cdef void read_internal_address(AddressView *address, WireReader *outer) noexcept nogil:
    cdef WireReader reader = outer.message()
    become(address, ADDRESS_INTERNAL)
    while reader.next():
        if reader.at_field(1, WIRE_BYTES):
            address.listener = reader.text()
            address.has_listener = True
        elif reader.at_field(2, WIRE_BYTES):
            address.endpoint = reader.text()
        else:
            reader.skip()
    outer.absorb(reader)


cdef void read_address(AddressView *address, WireReader *outer) noexcept nogil:
    cdef WireReader reader = outer.message()
    address.present = True
    while reader.next():
        if reader.at_field(1, WIRE_BYTES):
            read_socket_address(address, &reader)
        elif reader.at_field(2, WIRE_BYTES):
            read_pipe(address, &reader)
        elif reader.at_field(3, WIRE_BYTES):
            read_internal_address(address, &reader)
        else:
            reader.skip()
    outer.absorb(reader)


cdef void read_peer(PeerView *peer, WireReader *outer, CheckView *view) noexcept nogil:
    cdef WireReader reader = outer.message()
    peer.present = True
    while reader.next():
        if reader.at_field(1, WIRE_BYTES):
            read_address(&peer.address, &reader)
        elif reader.at_field(2, WIRE_BYTES):
            peer.service = reader.text()
        elif reader.at_field(3, WIRE_BYTES):
            read_entry(&peer.labels, &reader, view)
        elif reader.at_field(4, WIRE_BYTES):
            peer.principal = reader.text()
        elif reader.at_field(5, WIRE_BYTES):
            peer.certificate = reader.text()
        else:
            reader.skip()
    outer.absorb(reader)


cdef void read_header_value(WireReader *outer, CheckView *view) noexcept nogil:
    """HeaderValue{key 1, value 2, raw_value 3}: the form Envoy sends with encode_raw_headers."""
    cdef WireReader reader = outer.message()
    cdef TextView name = nothing_here(&reader)
    cdef TextView value = name
    cdef TextView raw = name
    cdef Pair *pair
    while reader.next():
        if reader.at_field(1, WIRE_BYTES):
            name = reader.text()
        elif reader.at_field(2, WIRE_BYTES):
            value = reader.text()
        elif reader.at_field(3, WIRE_BYTES):
            raw = reader.bytes()
        else:
            reader.skip()
    outer.absorb(reader)
    if reader.bad:
        return
    pair = add_pair(&view.header_map, view)
    if pair != NULL:
        pair.name = name
        pair.value = raw if raw.size else value


cdef void read_header_map(WireReader *outer, CheckView *view) noexcept nogil:
    cdef WireReader reader = outer.message()
    while reader.next():
        if reader.at_field(1, WIRE_BYTES):
            read_header_value(&reader, view)
        else:
            reader.skip()
    outer.absorb(reader)


cdef inline TextView *http_text(CheckView *view, uint32_t field) noexcept nogil:
    if field == 2:
        return &view.method
    if field == 4:
        return &view.path
    if field == 5:
        return &view.host
    if field == 6:
        return &view.scheme
    if field == 10:
        return &view.protocol
    if field == 1:
        return &view.id
    if field == 7:
        return &view.query
    if field == 8:
        return &view.fragment
    if field == 11:
        return &view.body
    return NULL


cdef void read_http(CheckView *view, WireReader *outer) noexcept nogil:
    cdef WireReader reader = outer.message()
    cdef TextView *text
    view.has_http = True
    while reader.next():
        if reader.at_field(3, WIRE_BYTES):
            read_entry(&view.headers, &reader, view)
            continue
        text = http_text(view, reader.field) if reader.type == WIRE_BYTES else NULL
        if text != NULL:
            text[0] = reader.text()
        elif reader.at_field(9, WIRE_VARINT):
            view.size = <int64_t> reader.varint()
        elif reader.at_field(12, WIRE_BYTES):
            view.raw_body = reader.bytes()
        elif reader.at_field(13, WIRE_BYTES):
            read_header_map(&reader, view)
        else:
            reader.skip()
    outer.absorb(reader)


cdef void read_time(CheckView *view, WireReader *outer) noexcept nogil:
    cdef WireReader reader = outer.message()
    view.has_time = True
    while reader.next():
        if reader.at_field(1, WIRE_VARINT):
            view.seconds = <int64_t> reader.varint()
        elif reader.at_field(2, WIRE_VARINT):
            view.nanos = <int32_t> reader.varint()
        else:
            reader.skip()
    outer.absorb(reader)


cdef void read_request(CheckView *view, WireReader *outer) noexcept nogil:
    cdef WireReader reader = outer.message()
    view.has_request = True
    while reader.next():
        if reader.at_field(2, WIRE_BYTES):
            read_http(view, &reader)
        elif reader.at_field(1, WIRE_BYTES):
            read_time(view, &reader)
        else:
            reader.skip()
    outer.absorb(reader)


cdef void read_tls(CheckView *view, WireReader *outer) noexcept nogil:
    cdef WireReader reader = outer.message()
    view.has_tls = True
    while reader.next():
        if reader.at_field(1, WIRE_BYTES):
            view.sni = reader.text()
        else:
            reader.skip()
    outer.absorb(reader)


cdef void read_attributes(CheckView *view, WireReader *outer) noexcept nogil:
    cdef WireReader reader = outer.message()
    while reader.next():
        if reader.type != WIRE_BYTES:
            reader.skip()
        elif reader.field == 4:
            read_request(view, &reader)
        elif reader.field == 1:
            read_peer(&view.source, &reader, view)
        elif reader.field == 2:
            read_peer(&view.destination, &reader, view)
        elif reader.field == 10:
            read_entry(&view.context_extensions, &reader, view)
        elif reader.field == 11:
            read_metadata(&view.metadata, &reader, view)
        elif reader.field == 12:
            read_tls(view, &reader)
        elif reader.field == 13:
            read_metadata(&view.route_metadata, &reader, view)
        else:
            reader.skip()
    outer.absorb(reader)


cdef bint by_name_then_arrival(const Pair &a, const Pair &b) noexcept nogil:
    cdef int order = compare_text(a.name.text, a.name.size, b.name.text, b.name.size)
    return order < 0 if order else a.name.text < b.name.text


cdef bint lower_names(Pair *items, uint32_t count, CheckView *view) noexcept nogil:
    """Names in lower case in one block, so that their addresses keep the order of arrival."""
    cdef uint32_t i, j
    cdef uint32_t size = count
    cdef char *at
    for i in range(count):
        size += items[i].name.size
    at = <char *> view.arena.take(size)
    if at == NULL:
        view.out_of_memory = True
        return False
    for i in range(count):
        for j in range(items[i].name.size):
            at[j] = items[i].name.text[j]
            if c"A" <= at[j] <= c"Z":
                at[j] += 32
        items[i].name.text = at
        at += items[i].name.size + 1
    return True


cdef TextView cleaned(TextView text, CheckView *view) noexcept nogil:
    """A copy with "!" for each byte that is not UTF-8, as in Envoy's map form."""
    cdef char *copy = <char *> view.arena.take(text.size)
    cdef uint32_t i = 0, n
    if copy == NULL:
        view.out_of_memory = True
        text.size = 0
        return text
    memcpy(copy, text.text, text.size)
    text.text = copy
    while i < text.size:
        n = 1
        while n < 4 and i + n < text.size and (<uint8_t> copy[i + n] & 0xC0) == 0x80:
            n += 1
        while n > 1 and not valid_utf8(<const uint8_t *> copy + i, n):
            n -= 1
        if not valid_utf8(<const uint8_t *> copy + i, n):
            copy[i] = c"!"
        i += n
    return text


cdef TextView join_values(const Pair *first, uint32_t count, CheckView *view) noexcept nogil:
    """Repeated lines as one value: crumbs of a cookie by "; " (RFC 9113), others by ","."""
    cdef uint32_t i
    cdef bint cookie = first.name.size == 6 and memcmp(first.name.text, b"cookie", 6) == 0
    cdef uint32_t gap = 2 if cookie else 1
    cdef uint32_t size = (count - 1) * gap
    cdef TextView joined
    cdef char *at
    for i in range(count):
        size += first[i].value.size
    at = <char *> view.arena.take(size + 1)
    joined.text = at
    joined.size = size
    if at == NULL:
        view.out_of_memory = True
        joined.size = 0
        return joined
    for i in range(count):
        if i:
            memcpy(at, b"; " if cookie else b",", gap)
            at += gap
        memcpy(at, first[i].value.text, first[i].value.size)
        at += first[i].value.size
    return joined


cdef void fold_header_map(CheckView *view) noexcept nogil:
    """Turn the raw header list into the map form, which everything else reads."""
    cdef uint32_t i
    cdef Pair *items = view.header_map.items
    cdef uint32_t count = view.header_map.count
    cdef uint32_t kept = 0, start = 0, end
    if not lower_names(items, count, view):
        return
    for i in range(count):
        if not valid_utf8(<const uint8_t *> items[i].value.text, items[i].value.size):
            items[i].value = cleaned(items[i].value, view)
    sort(items, items + count, &by_name_then_arrival)
    while start < count:
        end = start + 1
        while end < count and items[end].name.size == items[start].name.size and memcmp(
                items[end].name.text, items[start].name.text, items[start].name.size) == 0:
            end += 1
        items[kept].name = items[start].name
        items[kept].value = (
            items[start].value if end - start == 1
            else join_values(items + start, end - start, view))
        kept += 1
        start = end
    view.headers = view.header_map
    view.headers.count = kept


cdef Decoded decode_check(
    CheckView *view, Arena *arena, const uint8_t *data, size_t size
) noexcept nogil:
    """Fill `view`. Of the two header forms the raw list counts when it holds anything."""
    cdef WireReader reader = WireReader(data, size)
    memset(view, 0, sizeof(CheckView))
    view.arena = arena
    view.message.text = <const char *> data
    view.message.size = <uint32_t> size
    while reader.next():
        if reader.at_field(1, WIRE_BYTES):
            read_attributes(view, &reader)
        else:
            reader.skip()
    if reader.bad:
        return DECODE_MALFORMED
    if view.header_map.count:
        fold_header_map(view)
    return DECODE_OUT_OF_MEMORY if view.out_of_memory else DECODED
