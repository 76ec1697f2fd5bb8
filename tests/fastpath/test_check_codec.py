"""The CheckRequest decoder and CheckResponse encoder against protobuf's own classes."""

from typing import Any

import pytest
from envoy.service.auth.v3 import external_auth_pb2
from google.protobuf.message import DecodeError
from hypothesis import example, given
from hypothesis import strategies as st

from _fastpath.check_codec import decode_check_request, encode_check_response
from _fastpath.errors import WireError
from tests.fastpath import check_messages as messages
from tests.fastpath import check_oracle as oracle

CheckRequest = external_auth_pb2.CheckRequest
CheckResponse = external_auth_pb2.CheckResponse
BY_URL = ("url_path", "query", "grpc")


def assert_equal_decode(data: bytes) -> None:
    try:
        message = CheckRequest.FromString(data)
    except DecodeError:
        with pytest.raises(WireError):
            decode_check_request(data, 1, 2)
        return
    request = decode_check_request(data, 1, 2)
    if oracle.passes_over_entries(message):
        return
    got = request.attributes()
    parts: dict[str, Any] = got["request"]  # type: ignore[assignment]
    url = {name: parts[name] for name in BY_URL if name in parts}
    headers = oracle.headers_of(message.attributes.request.http)
    request_id = headers.get("x-request-id") or message.attributes.request.http.id or parts["id"]
    expected = oracle.authorization_json(message, url, request_id)
    # Text, because damaged doubles may be NaN.
    assert repr(in_order(got)) == repr(in_order(expected))
    assert all(repr(root) == repr(in_order(root)) for root in got.values())
    assert request.has_http == message.attributes.request.HasField("http")


def in_order(value: Any) -> Any:
    """The same content with the keys of every map sorted by bytes."""
    if isinstance(value, dict):
        return {name: in_order(value[name]) for name in sorted(value, key=str.encode)}
    if isinstance(value, list):
        return [in_order(item) for item in value]
    return value


@given(messages.encoded())
def test_decode_equals_protobuf(data: bytes) -> None:
    assert_equal_decode(data)


@given(messages.damaged())
def test_decode_of_damaged_bytes_equals_protobuf(data: bytes) -> None:
    assert_equal_decode(data)


def test_map_entry_with_an_unknown_field_is_an_entry() -> None:
    extensions = b"\x52\x08\x0a\x01a\x12\x01b\x18\x01"  # {"a": "b"} and a field 3
    data = b"\x0a" + bytes([len(extensions)]) + extensions
    assert oracle.passes_over_entries(CheckRequest.FromString(data))
    request = decode_check_request(data, 1, 2).attributes()["request"]
    assert request["context_extensions"] == {"a": "b"}  # type: ignore[index]


@given(st.binary(max_size=64))
@example(b"\x0a\x00")
@example(b"")
@example(b"\x0a\x04\x22\x02\x12\x00")
@example(b"\x0b" * 200)
def test_decode_of_arbitrary_bytes_equals_protobuf(data: bytes) -> None:
    assert_equal_decode(data)


def wrapped(field: int, content: bytes) -> bytes:
    size = len(content)
    varint = bytes([size & 127 | 128, size >> 7]) if size > 127 else bytes([size])
    return bytes([field << 3 | 2]) + varint + content


@pytest.mark.parametrize("lists", range(40, 52))
def test_nesting_is_bounded_as_in_protobuf(lists: int) -> None:
    value = b""
    for _ in range(lists):
        value = wrapped(6, wrapped(1, value))
    assert_equal_decode(
        wrapped(1, wrapped(11, wrapped(1, wrapped(2, wrapped(1, wrapped(2, value))))))
    )


@pytest.mark.parametrize("cut", range(40))
def test_truncated_request_is_refused_or_equal(cut: int) -> None:
    message = CheckRequest()
    message.attributes.request.http.headers["a"] = "b"
    message.attributes.request.http.path = "/some/longer/path"
    assert_equal_decode(message.SerializeToString()[:cut])


def test_id_is_generated_from_request_and_clock() -> None:
    message = CheckRequest()
    message.attributes.request.http.path = "/"
    data = message.SerializeToString()

    def id_at(mono_ns: int) -> str:
        request: Any = decode_check_request(data, mono_ns, 7).attributes()["request"]
        return str(request["id"])

    assert id_at(1) == id_at(1)
    assert id_at(1) != id_at(2)
    assert len(id_at(1)) == 36
    assert id_at(1)[14] == "4"


def test_host_is_context_extension_even_when_empty() -> None:
    message = CheckRequest()
    message.attributes.request.http.host = "a.test"
    assert decode_check_request(message.SerializeToString(), 1, 2).host == "a.test"
    message.attributes.context_extensions["host"] = ""
    assert decode_check_request(message.SerializeToString(), 1, 2).host == ""


def test_raw_headers_are_joined_in_order() -> None:
    message = CheckRequest()
    http = message.attributes.request.http
    for name, value in (("X-A", b"1"), ("cookie", b"a=1"), ("x-a", b"\xff2"), ("cookie", b"b=2")):
        http.header_map.headers.add(key=name, raw_value=value)
    request: Any = decode_check_request(message.SerializeToString(), 1, 2).attributes()["request"]
    assert request["headers"] == {"x-a": "1,!2", "cookie": "a=1; b=2"}


header_lists = st.lists(st.tuples(messages.text, messages.text), max_size=3)


def cleaned(value: str) -> str:
    return value.translate({10: " ", 13: " ", 0: " "})


@given(header_lists, header_lists, messages.structs)
def test_ok_response_is_what_protobuf_writes(
    headers: list[tuple[str, str]], added: list[tuple[str, str]], metadata: dict[str, Any]
) -> None:
    expected = CheckResponse()
    expected.status.SetInParent()
    expected.ok_response.SetInParent()
    for target, source in (
        (expected.ok_response.headers, headers),
        (expected.ok_response.response_headers_to_add, added),
    ):
        for name, value in source:
            target.add().header.SetInParent()
            target[-1].header.key, target[-1].header.value = cleaned(name), cleaned(value)
    expected.dynamic_metadata.update(metadata)
    expected.dynamic_metadata.SetInParent()
    data = encode_check_response(
        0, headers=headers, response_headers=added, dynamic_metadata=metadata
    )
    # Sizes only: upb sorts a key after the longer ones that begin with it.
    assert len(data) == expected.ByteSize()
    assert CheckResponse.FromString(data) == expected


def test_struct_keys_are_sorted_by_bytes() -> None:
    names = ["b", "", "aa", "a", "\u00e4", "\U0001f98a", "\uffee"]
    data = encode_check_response(0, dynamic_metadata=dict.fromkeys(names, True))
    entries = b"".join(
        wrapped(1, wrapped(1, name.encode()) + wrapped(2, b"\x20\x01"))
        for name in sorted(names, key=str.encode)
    )
    assert data.endswith(wrapped(4, entries))


@given(st.integers(1, 16), st.sampled_from([302, 401, 403]), header_lists, messages.text)
def test_denied_response_is_what_protobuf_writes(
    code: int, http_status: int, headers: list[tuple[str, str]], body: str
) -> None:
    expected = CheckResponse()
    expected.status.code = code
    expected.denied_response.status.code = http_status
    for name, value in [*headers, ("X-Ext-Auth-Reason", "no")]:
        option = expected.denied_response.headers.add()
        option.header.key, option.header.value = cleaned(name), cleaned(value)
        option.header.SetInParent()
    expected.denied_response.body = body
    data = encode_check_response(
        code, http_status=http_status, headers=headers, reason="no", body=body
    )
    assert data == expected.SerializeToString(deterministic=True)


def test_line_breaks_cannot_split_a_header() -> None:
    data = encode_check_response(0, headers=[("x-a", "1\r\nx-admin: 1\0")])
    (option,) = CheckResponse.FromString(data).ok_response.headers
    assert option.header.value == "1  x-admin: 1 "
