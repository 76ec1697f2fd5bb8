"""The rate limit codec against protobuf's own classes: same values, same bytes, same refusals."""

import pytest
from envoy.service.ratelimit.v3 import rls_pb2
from google.protobuf.message import DecodeError
from google.protobuf.struct_pb2 import Struct
from hypothesis import example, given, settings
from hypothesis import strategies as st

from _fastpath.errors import WireError
from _fastpath.rls_codec import (
    MAX_DESCRIPTORS,
    MAX_ENTRIES,
    decode_rate_limit_request,
    encode_rate_limit_response,
)
from _fastpath.rls_message import (
    Code,
    CurrentLimit,
    Descriptor,
    Override,
    RateLimitRequest,
    RateLimitResponse,
    Status,
)
from protos.generated import ratelimit_1_40_pb2 as oracle

SECOND = 10**9


def from_protobuf(message: oracle.RateLimitRequest) -> RateLimitRequest:
    return RateLimitRequest(
        message.domain,
        tuple(
            Descriptor(
                tuple((entry.key, entry.value) for entry in d.entries),
                d.hits_addend.value if d.HasField("hits_addend") else None,
                d.is_negative_hits,
                Override(
                    d.limit.requests_per_unit, int(d.limit.unit), d.limit.unit_multiplier.value
                )
                if d.HasField("limit")
                else None,
            )
            for d in message.descriptors
        ),
        message.hits_addend,
    )


def to_protobuf(response: RateLimitResponse) -> oracle.RateLimitResponse:
    message = oracle.RateLimitResponse(overall_code=response.code, raw_body=response.raw_body)
    units = oracle.RateLimitResponse.RateLimit.Unit
    for status in response.statuses:
        to = message.statuses.add(code=status.code)
        to.limit_remaining = min(status.remaining, 2**32 - 1)
        if status.limit is None:
            continue
        to.duration_until_reset.SetInParent()
        to.duration_until_reset.seconds, to.duration_until_reset.nanos = divmod(
            status.reset_ns, SECOND
        )
        limit = to.current_limit
        limit.SetInParent()
        limit.requests_per_unit = min(status.limit.max_value, 2**32 - 1)
        limit.name = status.limit.name
        seconds = -(-status.limit.window_ns // SECOND)
        if not seconds:
            continue
        for name, length in (
            ("YEAR", 31536000),
            ("MONTH", 2592000),
            ("WEEK", 604800),
            ("DAY", 86400),
            ("HOUR", 3600),
            ("MINUTE", 60),
            ("SECOND", 1),
        ):
            if seconds % length == 0:
                limit.unit = units.Value(name)
                if seconds != length:
                    limit.unit_multiplier.value = min(seconds // length, 2**32 - 1)
                break
    for key, value in response.response_headers:
        message.response_headers_to_add.add(key=key, value=value)
    for key, value in response.request_headers:
        message.request_headers_to_add.add(key=key, value=value)
    if response.dynamic_metadata is not None:
        message.dynamic_metadata.SetInParent()
        message.dynamic_metadata.ParseFromString(response.dynamic_metadata)
    return message


texts = st.text(max_size=12)
varints = st.one_of(
    st.integers(0, 300), st.sampled_from([2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1])
)
uint32 = st.integers(0, 2**32 - 1)
overrides = st.builds(
    lambda n, unit, multiplier: oracle.RateLimitDescriptor.RateLimitOverride(
        requests_per_unit=n,
        unit=unit,
        unit_multiplier=None if multiplier is None else {"value": multiplier},
    ),
    uint32,
    st.integers(-(2**31), 2**31 - 1),
    st.none() | uint32,
)
descriptors = st.builds(
    lambda entries, limit, hits, negative: oracle.RateLimitDescriptor(
        entries=[{"key": k, "value": v} for k, v in entries],
        limit=limit,
        hits_addend=None if hits is None else {"value": hits},
        is_negative_hits=negative,
    ),
    st.lists(st.tuples(texts, texts), max_size=10),
    st.none() | overrides,
    st.none() | varints,
    st.booleans(),
)
requests = st.builds(
    lambda domain, parts, hits: oracle.RateLimitRequest(
        domain=domain, descriptors=parts, hits_addend=hits
    ),
    texts,
    st.lists(descriptors, max_size=6),
    uint32,
)


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number: int, wire_type: int, value: bytes) -> bytes:
    return varint(number << 3 | wire_type) + value


numbers = st.integers(1, 6) | st.sampled_from([15, 16, 2047, 2**29 - 1, 2**29])
leaves = st.one_of(
    st.builds(lambda n, v: field(n, 0, varint(v)), numbers, varints),
    st.builds(lambda n, v: field(n, 1, v), numbers, st.binary(min_size=8, max_size=8)),
    st.builds(lambda n, v: field(n, 5, v), numbers, st.binary(min_size=4, max_size=4)),
    st.builds(lambda n, v: field(n, 2, varint(len(v)) + v), numbers, st.binary(max_size=6)),
    st.builds(
        lambda n, v: field(n, 2, varint(len(v.encode())) + v.encode()),
        numbers,
        texts,
    ),
    st.binary(max_size=4),
)
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(
            lambda n, parts: field(n, 2, varint(len(b"".join(parts))) + b"".join(parts)),
            numbers,
            st.lists(inner, max_size=5),
        ),
        st.builds(
            lambda n, parts: field(n, 3, b"".join(parts)) + field(n, 4, b""),
            numbers,
            st.lists(inner, max_size=5),
        ),
    ),
    max_leaves=25,
)
hostile = st.lists(trees, max_size=6).map(b"".join)


def assert_agrees_with_protobuf(data: bytes) -> None:
    try:
        message = oracle.RateLimitRequest.FromString(data)
    except DecodeError:
        with pytest.raises(WireError):
            decode_rate_limit_request(data)
    else:
        assert decode_rate_limit_request(data) == from_protobuf(message)


@given(requests)
@settings(deadline=None)
def test_serialized_request_decodes_to_the_same_values(message: oracle.RateLimitRequest) -> None:
    assert_agrees_with_protobuf(message.SerializeToString())


@given(hostile)
@settings(max_examples=120, deadline=None)
@example(field(1, 3, b"") + field(1, 4, b""))
@example(field(1, 3, b"") + field(2, 4, b""))
@example(field(4, 4, b""))
@example(field(0, 0, b"\x01"))
@example(b"\x80" * 9 + b"\x01")
@example(b"\x18" + b"\xff" * 9 + b"\x7f")
@example(b"\x18" + b"\xff" * 10 + b"\x01")
@example(b"\x98\x80\x80\x80\x00\x05")
@example(b"\x98\x80\x80\x80\x80\x00\x05")
@example(b"\x98\x80\x80\x80\x10\x05")
@example(field(2, 2, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
@example(field(1, 2, b"\x03\xed\xa0\x80"))
@example(field(1, 2, b"\x02\xc0\x80"))
@example(field(1, 2, b"\x04\xf4\x90\x80\x80"))
@example(bytes.fromhex("0b00090c"))
@example(bytes.fromhex("0b03040c"))
@example(field(9, 3, b"") * 98 + field(9, 4, b"") * 98)
@example(field(9, 3, b"") * 99 + field(9, 4, b"") * 99)
@example(field(9, 3, b"") * 100 + field(9, 4, b"") * 100)
@example(field(9, 3, b"") * 101 + field(9, 4, b"") * 101)
def test_assembled_bytes_decode_or_fail_like_protobuf(data: bytes) -> None:
    assert_agrees_with_protobuf(data)


@given(requests, st.data())
@settings(max_examples=150, deadline=None)
def test_mutated_request_decodes_or_fails_like_protobuf(
    message: oracle.RateLimitRequest, data: st.DataObject
) -> None:
    raw = bytearray(message.SerializeToString())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(raw)))
        change = data.draw(st.sampled_from(["cut", "insert", "replace", "repeat"]))
        if change == "cut":
            del raw[at : at + data.draw(st.integers(1, 3))]
        elif change == "insert":
            raw[at:at] = data.draw(st.binary(min_size=1, max_size=3))
        elif change == "replace":
            raw[at : at + 1] = data.draw(st.binary(min_size=1, max_size=1))
        else:
            raw[at:at] = raw[at // 2 : at]
    assert_agrees_with_protobuf(bytes(raw))


@given(st.binary(max_size=40))
@settings(deadline=None)
def test_random_bytes_decode_or_fail_like_protobuf(data: bytes) -> None:
    assert_agrees_with_protobuf(data)


@pytest.mark.parametrize("depth", [90, 98, 99, 100, 101, 110])
def test_groups_nest_as_deep_inside_descriptors_as_protobuf_allows(depth: int) -> None:
    inner = field(9, 3, b"") * depth + field(9, 4, b"") * depth
    entry = field(1, 2, varint(len(inner)) + inner)
    assert_agrees_with_protobuf(field(2, 2, varint(len(inner)) + inner))
    assert_agrees_with_protobuf(field(2, 2, varint(len(entry)) + entry))


def test_every_truncation_of_a_request_fails_or_decodes_like_protobuf() -> None:
    message = oracle.RateLimitRequest(domain="d\u00e9", hits_addend=300)
    descriptor = message.descriptors.add(is_negative_hits=True)
    descriptor.entries.add(key="k", value="\U0001f600")
    descriptor.hits_addend.value = 2**40
    descriptor.limit.unit_multiplier.value = 5
    raw = message.SerializeToString()
    for size in range(len(raw) + 1):
        assert_agrees_with_protobuf(raw[:size])


@pytest.mark.parametrize(
    ("descriptors", "entries_each"), [(MAX_DESCRIPTORS + 1, 0), (1, MAX_ENTRIES + 1), (3, 8000)]
)
def test_request_past_a_bound_is_too_large(descriptors: int, entries_each: int) -> None:
    inner = field(1, 2, b"\0") * entries_each
    data = field(2, 2, varint(len(inner)) + inner) * descriptors
    with pytest.raises(WireError) as caught:
        decode_rate_limit_request(data)
    assert caught.value.too_large


def test_request_at_the_bounds_decodes() -> None:
    each = field(1, 2, b"\0") * (MAX_ENTRIES // MAX_DESCRIPTORS)
    request = decode_rate_limit_request(field(2, 2, varint(len(each)) + each) * MAX_DESCRIPTORS)
    assert sum(len(d.entries) for d in request.descriptors) == MAX_ENTRIES


def test_hits_follow_the_descriptor_then_the_request() -> None:
    request = RateLimitRequest(
        "d",
        (
            Descriptor(()),
            Descriptor((), hits_addend=0),
            Descriptor((), hits_addend=7, is_negative=True),
            Descriptor((), hits_addend=2**64 - 1),
        ),
        hits_addend=3,
    )
    assert [request.hits(i) for i in range(5)] == [3, 0, -7, 2**63 - 1, 2**63 - 1]
    assert request.call_hits() == 2**63 - 1
    assert RateLimitRequest("d").hits(2) == 1


windows = st.one_of(
    st.integers(0, 10**7).map(lambda s: s * SECOND),
    st.sampled_from([n * SECOND for n in (60, 120, 3600, 86400, 604800, 2592000, 31536000)]),
    st.sampled_from([0, 1, SECOND + 1, 2**63 - 1, (2**63 - 1) // SECOND * SECOND]),
)
counts = st.integers(0, 50) | st.sampled_from([2**32 - 1, 2**32, 2**64 - 1])
statuses = st.builds(
    Status,
    st.sampled_from(Code),
    st.none() | st.builds(CurrentLimit, counts, windows, texts),
    counts,
    st.integers(0, 10**11) | st.sampled_from([2**63 - 1]),
)


def as_struct(fields: dict[str, object]) -> bytes:
    struct = Struct()
    struct.update(fields)
    return struct.SerializeToString(deterministic=True)


headers = st.lists(st.tuples(texts, texts), max_size=4).map(tuple)
structs = st.dictionaries(texts, texts | st.floats(allow_nan=False) | st.booleans(), max_size=3)
responses = st.builds(
    RateLimitResponse,
    st.sampled_from(Code),
    st.lists(statuses, max_size=5).map(tuple),
    headers,
    headers,
    st.binary(max_size=300),
    st.none() | structs.map(as_struct),
)


@given(responses)
@settings(deadline=None)
def test_response_has_the_bytes_protobuf_writes(response: RateLimitResponse) -> None:
    expected = to_protobuf(response).SerializeToString(deterministic=True)
    assert encode_rate_limit_response(response) == expected


def test_older_classes_read_the_response() -> None:
    limit = CurrentLimit(10, 120 * SECOND, "per user")
    raw = encode_rate_limit_response(
        RateLimitResponse(Code.OVER_LIMIT, (Status(Code.OVER_LIMIT, limit, 0, SECOND),))
    )
    status = rls_pb2.RateLimitResponse.FromString(raw).statuses[0]
    assert (status.current_limit.requests_per_unit, status.current_limit.unit) == (10, 2)


@pytest.mark.parametrize(
    "status",
    [
        Status(limit=CurrentLimit(-1, SECOND)),
        Status(limit=CurrentLimit(2**64, SECOND)),
        Status(limit=CurrentLimit(1, -1)),
        Status(limit=CurrentLimit(1, 1), reset_ns=-1),
        Status(limit=CurrentLimit(1, 1), remaining=-1),
    ],
)
def test_status_out_of_range_is_refused(status: Status) -> None:
    with pytest.raises(ValueError):
        encode_rate_limit_response(RateLimitResponse(Code.OK, (status,)))
