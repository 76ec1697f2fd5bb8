"""Builds limit sets and their index from Python; the structures are limit_index.hpp."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport INT32_MAX, INT32_MIN, uint8_t, uint32_t
from libc.string cimport memcpy
from libcpp.vector cimport vector

from _fastpath.arena cimport Arena
from _fastpath.cells cimport Series
from _fastpath.counted cimport Counted, retain
from _fastpath.counters cimport DIGEST_SIZE, fill_quota
from _fastpath.descriptor_tree cimport DescriptorTreeUnit
from _fastpath.handler cimport Unit
from _fastpath.program cimport NativeProgram
from _fastpath.rate_limit_headers cimport fill_refusal
from _fastpath.rls_codec cimport DECODED, RequestView, decode_request
from _fastpath.wire cimport TextView

from _fastpath.errors import WireError
from _fastpath.limit_spec import namespace_tag


cdef class LimitSetUnit(Unit):
    pass


cdef class LimitIndexUnit(Unit):
    pass


cdef int add_programs(vector[Counted *] *to, programs) except -1:
    for unit in programs:
        if unit is None:
            to.push_back(NULL)
            continue
        if not isinstance(unit, NativeProgram):
            raise ValueError(f"not a native program: {unit!r}")
        retain((<Unit> unit).pointer)
        to.push_back((<Unit> unit).pointer)
    return 0


cdef int fill_limit(Limit *limit, spec) except -1:
    cdef bytes digest = spec.digest
    if len(digest) != DIGEST_SIZE:
        raise ValueError(f"a limit digest has {DIGEST_SIZE} bytes, not {len(digest)}")
    if spec.descriptor < 0:
        raise ValueError(f"descriptor is negative: {spec.descriptor}")
    memcpy(limit.digest, PyBytes_AS_STRING(digest), DIGEST_SIZE)
    fill_quota(&limit.quota, spec.quota)
    retain(<Counted *> limit.quota.calendar)
    limit.named = spec.name is not None
    limit.name = (spec.name or "").encode()
    limit.has_id = spec.id is not None
    limit.id = (spec.id or "").encode()
    limit.descriptor = min(spec.descriptor, 0xffffffff)
    limit.on_error = <ErrorPolicy> <int> spec.on_error
    limit.shadow = spec.shadow
    limit.unlimited = spec.unlimited
    limit.always = spec.always
    limit.headers = spec.headers
    if not INT32_MIN <= spec.priority <= INT32_MAX:
        raise ValueError(f"priority is out of range: {spec.priority}")
    limit.priority = spec.priority
    limit.fail = <uint8_t> <int> spec.fail
    if spec.refusal is not None:
        fill_refusal(&limit.refusal, spec.refusal)
    cdef EqualityTest test
    for index, key, value in spec.equalities:
        test.descriptor = index
        test.key = key.encode()
        test.value = value.encode()
        limit.tests.push_back(test)
    add_programs(&limit.conditions, spec.conditions)
    add_programs(&limit.variables, spec.variables)
    if len(spec.cost) > 1:
        raise ValueError("a limit has one cost at most")
    add_programs(&limit.cost, spec.cost)
    limit.seal()
    return 0


def limit_set(str namespace, limits, Series series, *, Unit tree=None):
    """Compile the limits of one namespace."""
    if tree is not None and not isinstance(tree, DescriptorTreeUnit):
        raise ValueError(f"not a descriptor tree: {tree!r}")
    cdef LimitSetUnit unit = LimitSetUnit()
    cdef LimitSet *made = new LimitSet()
    unit.pointer = made
    made.name = namespace.encode()
    cdef bytes tag = namespace_tag(namespace)
    memcpy(made.tag, PyBytes_AS_STRING(tag), sizeof(made.tag))
    made.authorized_calls = series.id(("authorized_calls", namespace))
    made.authorized_hits = series.id(("authorized_hits", namespace))
    made.reports = series.id(("report_calls", namespace))
    if tree is not None:
        retain(tree.pointer)
        made.tree = tree.pointer
    cdef Limit *limit
    seen = set()
    for spec in limits:
        if spec.digest in seen:
            raise ValueError("two limits have the same digest")
        seen.add(spec.digest)
        limit = new Limit()
        made.limits.emplace_back(limit)
        fill_limit(limit, spec)
        limit.limited_series = series.id(("limited_calls", namespace, spec.name or ""))
        limit.error_series = series.id(("limit_errors", namespace, spec.digest))
        limit.shadow_series = series.id(("ratelimit_shadow_refused", namespace, spec.name or ""))
        limit.call_series = series.id(("ratelimit_limit_calls", namespace, spec.name or ""))
        limit.refused_series = series.id(("ratelimit_limit_refused", namespace, spec.name or ""))
    made.seal()
    return unit


def limit_index(changes, Unit previous=None):
    """The index of `previous` with `changes` applied."""
    if previous is not None and not isinstance(previous, LimitIndexUnit):
        raise ValueError(f"not a limit index: {previous!r}")
    for unit in changes.values():
        if unit is not None and not isinstance(unit, LimitSetUnit):
            raise ValueError(f"not a limit set: {unit!r}")
    cdef LimitIndexUnit made = LimitIndexUnit()
    cdef LimitIndex *before = NULL
    if previous is not None:
        before = <LimitIndex *> previous.pointer
    cdef LimitIndex *index = new LimitIndex(before)
    made.pointer = index
    cdef bytes name
    cdef TextView view
    cdef LimitSet *limits
    for namespace, unit in changes.items():
        name = namespace.encode()
        view.text = PyBytes_AS_STRING(name)
        view.size = <uint32_t> PyBytes_GET_SIZE(name)
        limits = NULL
        if unit is not None:
            limits = <LimitSet *> (<Unit> unit).pointer
            if limits.name != name:
                raise ValueError(f"the limit set is of another namespace than {namespace!r}")
        retain(limits)
        index.change(view, limits)
    return made


def candidates(Unit index, bytes request):
    """Digests of the limits that the index looks at for an encoded RateLimitRequest."""
    if not isinstance(index, LimitIndexUnit):
        raise ValueError(f"not a limit index: {index!r}")
    cdef Arena arena
    cdef RequestView view
    cdef const Limit **found
    cdef uint32_t i, count
    if decode_request(<const uint8_t *> PyBytes_AS_STRING(request),
                      <size_t> PyBytes_GET_SIZE(request), &arena, &view) != DECODED:
        raise WireError("malformed RateLimitRequest")
    cdef const LimitSet *limits = (<const LimitIndex *> index.pointer).find(view.domain)
    if limits == NULL:
        return []
    if not seal_request(&view, &arena) or not limits.collect(view, &arena, &found, &count):
        raise WireError("too many descriptors or entries", too_large=True)
    return [PyBytes_FromStringAndSize(found[i].digest, DIGEST_SIZE) for i in range(count)]
