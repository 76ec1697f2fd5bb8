"""What a limit may add to a refusal."""

from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct

from _fastpath.header_spec import HeaderFamily, HeaderSpec, Refusal
from ratelimit.refusal import encode_metadata
from tests.ratelimit.host import LANES, OVER_LIMIT, Host, Response

LIMITS = """
- namespace: ns
  name: first
  max_value: 1
  seconds: 60
  conditions: []
  variables: []
  priority: 1
  refusal: {body: "no more", headers: {content-type: text/plain, x-why: first}, metadata: {a: [1]}}
- namespace: ns
  name: second
  max_value: 1
  seconds: 30
  conditions: []
  variables: []
  refusal: {body: second}
"""


@pytest.fixture(params=LANES)
def host(request: pytest.FixtureRequest) -> Host:
    headers = HeaderSpec(HeaderFamily.RATELIMIT, retry_after=True)
    made = Host(native=request.param == "native", headers=headers)
    made.load(LIMITS)
    return made


def test_refusal_carries_the_reply_of_the_limit_it_is_told_by(host: Host) -> None:
    passed = host.should("ns", {})
    assert not passed.raw_body
    assert not passed.HasField("dynamic_metadata")
    refused = host.should("ns", {})
    assert refused.overall_code == OVER_LIMIT
    assert refused.raw_body == b"no more"
    assert MessageToDict(refused.dynamic_metadata) == {"a": [1.0]}
    assert [(h.key, h.value) for h in refused.response_headers_to_add] == [
        ("RateLimit-Limit", "1"),
        ("RateLimit-Remaining", "0"),
        ("RateLimit-Reset", "60"),
        ("Retry-After", "60"),
        ("content-type", "text/plain"),
        ("x-why", "first"),
    ]


def test_refused_check_carries_the_reply_without_other_headers(host: Host) -> None:
    host.should("ns", {})
    refused = host.check("ns", {})
    assert refused.raw_body == b"no more"
    assert [h.key for h in refused.response_headers_to_add] == ["content-type", "x-why"]


def test_reports_carry_no_reply(host: Host) -> None:
    assert host.report("ns", {}, hits=5) == Response(overall_code=Response.OK)


def nested(levels: int) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for _ in range(levels - 1):
        made = {"a": made}
    return made


def test_metadata_is_the_same_bytes_in_any_order() -> None:
    one = {"b": 1, "a": {"y": [None, True, "é"], "x": 1.5}}
    other = {"a": {"x": 1.5, "y": [None, True, "é"]}, "b": 1}
    assert encode_metadata(one) == encode_metadata(other)
    assert MessageToDict(Struct.FromString(encode_metadata(one))) == one


@pytest.mark.parametrize(
    "metadata",
    [
        {"a": float("nan")},
        {"a": float("inf")},
        {"a": 10**400},
        {"a": object()},
        {"a": b"bytes"},
        {"a": "\ud800"},
        nested(32),
        nested(5000),
    ],
    ids=["nan", "infinite", "too large", "object", "bytes", "surrogate", "deep", "very deep"],
)
def test_metadata_that_envoy_could_not_read_is_refused(metadata: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        encode_metadata(metadata)


def test_metadata_may_have_31_levels() -> None:
    assert MessageToDict(Struct.FromString(encode_metadata(nested(31)))) == nested(31)


@pytest.mark.parametrize(
    "header",
    [("", "x"), ("a b", "x"), (":status", "200"), ("a", "x\r\ny: z"), ("Content-Length", "1")],
)
def test_header_that_http_does_not_allow_is_refused(header: tuple[str, str]) -> None:
    with pytest.raises(ValueError):
        Refusal(headers=(header,))


def test_header_values_may_hold_any_text() -> None:
    assert Refusal(headers=(("x-why", "zu schnell – 429\t!"),)).body == b""
