"""Hosts to AuthConfigs; see host_index.hpp for the structure and host_index.pyi for the lookup."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uint32_t
from libc.string cimport memcpy

from _fastpath.arena cimport Arena
from _fastpath.counted cimport Counted
from _fastpath.handler cimport Unit
from _fastpath.wire cimport TextView

cdef uint32_t MAX_PATTERN = 512
cdef int MAX_LABELS = 128


cdef uint32_t port_start(TextView host) noexcept nogil:
    """Position of the ":" before a port; the size of the host when there is none."""
    cdef uint32_t i, colon = host.size
    if host.size and host.text[0] == c"[":
        for i in range(host.size):
            if host.text[i] == c"]":
                return i + 1 if i + 1 < host.size and host.text[i + 1] == c":" else host.size
        return host.size
    for i in range(host.size):
        if host.text[i] == c":":
            if colon != host.size:
                return host.size        # an IPv6 address without brackets
            colon = i
    return colon


cdef bint normalize(TextView host, Arena *arena, HostName *name) noexcept nogil:
    """ASCII lower case without a trailing dot, also before a port; False without memory."""
    cdef uint32_t port = port_start(host), end = port, i
    cdef char *copy = <char *> arena.take(host.size + 1)
    if copy == NULL:
        return False
    if end and host.text[end - 1] == c".":
        end -= 1
    for i in range(end):
        copy[i] = host.text[i] + 32 if c"A" <= host.text[i] <= c"Z" else host.text[i]
    if port < host.size:
        memcpy(copy + end, host.text + port, host.size - port)
    name.whole.text = copy
    name.whole.size = end + host.size - port
    name.without_port.text = copy
    name.without_port.size = end
    return True


cdef HostOwner *find_owner(const Hosts *hosts, const HostName *name) noexcept nogil:
    return (<Hosts *> hosts).find(
        string_view(name.whole.text, name.whole.size),
        string_view(name.without_port.text, name.without_port.size))


cdef TextView view_of(bytes text) noexcept:
    cdef TextView view
    view.text = PyBytes_AS_STRING(text)
    view.size = <uint32_t> PyBytes_GET_SIZE(text)
    return view


cdef bytes normalized(str host):
    cdef Arena *arena = new Arena()
    cdef HostName name
    try:
        if not normalize(view_of(host.encode("utf-8", "replace")), arena, &name):
            raise MemoryError("host too long")
        return name.whole.text[:name.whole.size]
    finally:
        del arena


def normalize_host(str host not None) -> str:
    return normalized(host).decode()


cdef bytes pattern_of(str pattern):
    cdef bytes text = normalized(pattern)
    if len(text) > MAX_PATTERN or text.count(b".") >= MAX_LABELS:
        raise ValueError(f"a host pattern of {len(text)} bytes is too long")
    return text


cdef class Owner(Unit):
    """What hosts belong to: a Rule or a Refusal."""

    @property
    def id(self) -> str:
        return (<HostOwner *> self.pointer).id.decode()


cdef class Refusal(Owner):
    """Owner of hosts whose AuthConfig was refused and never valid."""

    def __cinit__(self, str id, str reason):
        cdef HostOwner *owner = new HostOwner()
        self.pointer = <Counted *> owner
        owner.id = id.encode()
        owner.reason = reason.encode("utf-8", "replace")
        owner.refused = True

    @property
    def reason(self) -> str:
        return (<HostOwner *> self.pointer).reason.decode()


cdef class HostIndex(Unit):
    def __cinit__(self, *, bint _shell=False):
        if not _shell:
            self.pointer = <Counted *> new Hosts()

    def edit(self, put, remove=()) -> HostIndex:
        """A new index: first `remove`, then `put`."""
        cdef HostIndex edited = HostIndex.__new__(HostIndex, _shell=True)
        cdef Hosts *hosts
        cdef TextView text
        cdef Owner owner
        gone = [pattern_of(pattern) for pattern in remove]
        added = [(pattern_of(pattern), unit) for pattern, unit in put.items()]
        for _, unit in added:
            if not isinstance(unit, Owner):
                raise TypeError(f"a host belongs to a Rule or a Refusal, not {type(unit).__name__}")
        hosts = new Hosts((<Hosts *> self.pointer)[0])
        edited.pointer = <Counted *> hosts
        for pattern in gone:
            text = view_of(pattern)
            hosts.remove(string_view(text.text, text.size))
        for pattern, unit in added:
            text = view_of(pattern)
            owner = unit
            hosts.put(string_view(text.text, text.size), <HostOwner *> owner.pointer)
        return edited

    def find(self, str host not None):
        """The id of what owns `host`, or None."""
        cdef Arena *arena = new Arena()
        cdef HostName name
        cdef HostOwner *owner = NULL
        try:
            if normalize(view_of(host.encode("utf-8", "replace")), arena, &name):
                owner = find_owner(<Hosts *> self.pointer, &name)
            return None if owner == NULL else owner.id.decode()
        finally:
            del arena

    def __len__(self) -> int:
        return (<Hosts *> self.pointer).size()
