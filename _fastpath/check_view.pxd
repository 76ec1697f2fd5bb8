from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t

from _fastpath.arena cimport Arena
from _fastpath.wire cimport TextView


cdef struct Pair:
    TextView name
    TextView value


# In order of arrival. Of equal names in a protobuf map the last counts.
cdef struct Pairs:
    Pair *items
    uint32_t count
    uint32_t room


# A message that may arrive in pieces, which protobuf merges in order.
cdef struct Piece:
    TextView content
    Piece *next


cdef struct Pieces:
    Piece *first
    Piece *last
    uint32_t count


cdef struct MetadataItem:
    TextView name
    Pieces content      # a Struct, or an Any for typed metadata


cdef struct MetadataItems:
    MetadataItem *items
    uint32_t count
    uint32_t room


cdef struct MetadataView:
    bint present
    MetadataItems plain
    MetadataItems typed


cdef enum AddressKind:
    ADDRESS_NONE, ADDRESS_SOCKET, ADDRESS_PIPE, ADDRESS_INTERNAL


cdef enum PortKind:
    PORT_NONE, PORT_NUMBER, PORT_NAME


cdef struct AddressView:
    bint present
    AddressKind kind
    int32_t protocol        # of a socket address, as are the next six
    TextView host
    PortKind port_kind
    uint32_t port
    TextView port_name
    TextView resolver
    bint ipv4_compat
    TextView path           # of a pipe
    uint32_t mode
    bint has_listener       # of an internal address
    TextView listener
    TextView endpoint


cdef struct PeerView:
    bint present
    AddressView address
    TextView service
    TextView principal
    TextView certificate
    Pairs labels


# Everything of a CheckRequest that a decision may read; text points into the request, lists into
# the arena. A field that did not arrive has a null text.
cdef struct CheckView:
    Arena *arena
    TextView message        # the whole request
    bint out_of_memory
    PeerView source
    PeerView destination
    bint has_request
    bint has_http
    bint has_time
    int64_t seconds
    int32_t nanos
    TextView id
    TextView method
    TextView path
    TextView host
    TextView scheme
    TextView query
    TextView fragment
    TextView protocol
    TextView body
    TextView raw_body
    int64_t size
    Pairs headers
    Pairs header_map
    Pairs context_extensions
    MetadataView metadata
    MetadataView route_metadata
    bint has_tls
    TextView sni


cdef enum Decoded:
    DECODED
    DECODE_MALFORMED
    DECODE_OUT_OF_MEMORY


cdef Decoded decode_check(
    CheckView *view, Arena *arena, const uint8_t *data, size_t size
) noexcept nogil
cdef bint find_pair(
    const Pairs *pairs, const char *name, uint32_t size, TextView *value
) noexcept nogil
