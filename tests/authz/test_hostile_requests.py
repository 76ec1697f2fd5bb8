"""Requests that mean harm: none crashes, leaks or is allowed, and both lanes answer alike.

The first group ends Authorino's process (the recordings' README lists its six inputs); the one of
user information without an endpoint is in test_user_info.py.
"""

from typing import Any

import pytest

from tests.authz.lanes import Lanes, check_request

KEYS = {
    "keys": {
        "apiKey": {"selector": {"matchLabels": {"app": "toys"}}},
        "credentials": {"authorizationHeader": {"prefix": "APIKEY"}},
    }
}
ALICE = "APIKEY alice-key"


def only(predicate: str) -> dict[str, Any]:
    return {"only": {"patternMatching": {"patterns": [{"predicate": predicate}]}}}


@pytest.mark.parametrize("path", ["/%zz", "/%", "/a\x01b", "/\x7f", "/%e2%28", "\x00", "http://[/"])
@pytest.mark.parametrize("key", [None, "APIKEY alice-key"])
def test_path_that_is_none_is_answered(lanes: Lanes, path: str, key: str | None) -> None:
    when = [{"selector": "request.url_path", "operator": "neq", "value": "/nowhere"}]
    lanes.config(authentication=KEYS, when=when, authorization=only("!has(request.query)"))
    headers = {} if key is None else {"authorization": key}
    answer = lanes.get(path, **headers)
    assert answer.code == (16 if key is None else 0)


@pytest.mark.parametrize("value", ["true", 1, {"a": 1}, None, [True]])
def test_predicate_that_is_no_boolean_denies(lanes: Lanes, value: object) -> None:
    lanes.config(
        authentication={"who": {"plain": {"selector": "metadata.filter_metadata.who"}}},
        authorization=only("auth.identity.verified"),
    )
    assert asked(lanes, {"verified": value}).http_status == 403
    lanes.config(authentication=KEYS, when=[{"predicate": "metadata.filter_metadata.who.verified"}])
    assert asked(lanes, {"verified": value}).http_status == 403


def asked(lanes: Lanes, who: dict[str, object]) -> Any:
    request = check_request(authorization=ALICE)
    request.attributes.metadata_context.filter_metadata["who"].update(who)
    return lanes.ask(request)


@pytest.mark.parametrize("position", [-1, -(2**63), 2**63, 0.5])
def test_position_out_of_range_is_null(lanes: Lanes, position: float) -> None:
    selector = f'request.path.@extract:{{"sep":"/","pos":{position}}}'
    pattern = [{"selector": selector, "operator": "eq", "value": "toys"}]
    lanes.config(authorization={"p": {"patternMatching": {"patterns": pattern}}})
    assert lanes.get("/toys").http_status == 403


@pytest.mark.parametrize("text", ["x\r\nx-admin: 1", "x\ny", "x\x00y", "\r\n\r\nGET / HTTP/1.1"])
def test_line_ends_in_values_start_no_header(lanes: Lanes, text: str) -> None:
    lanes.config(
        authentication=KEYS,
        response={
            "success": {"headers": {"x-echo": {"plain": {"selector": "request.headers.x-in"}}}},
            "unauthenticated": {
                "headers": {"location": {"selector": "http://login/{request.path}"}},
                "message": {"selector": "request.headers.x-in"},
            },
        },
    )
    allowed = lanes.get(authorization=ALICE, x_in=text)
    denied = lanes.get(text, x_in=text)
    for answer in (allowed, denied):
        assert not any(set(value) & set("\r\n\0") for _, value in answer.headers)
    assert [name for name, _ in allowed.headers] == ["x-echo"]
    assert [name for name, _ in denied.headers] == ["location", "X-Ext-Auth-Reason"]


@pytest.mark.parametrize(
    "path", ["//admin", "/./admin", "/x/../admin", "/%61dmin", "/admin%2f", "/ADMIN"]
)
def test_disguised_path_is_not_taken_for_an_open_one(lanes: Lanes, path: str) -> None:
    """A rule that names what is open refuses whatever it does not name."""
    pattern = [{"selector": "request.url_path", "operator": "matches", "value": "^/public(/|$)"}]
    lanes.config(authorization={"open": {"patternMatching": {"patterns": pattern}}})
    assert lanes.get("/public/a").code == 0
    assert lanes.get(path).http_status == 403


@pytest.mark.parametrize("host", ["TOYS.com", "toys.com.", "toys.com:443", "toys.com.:80"])
def test_host_in_other_spelling_has_the_same_policy(lanes: Lanes, host: str) -> None:
    lanes.config(authentication=KEYS)
    assert lanes.get(host=host).http_status == 401


@pytest.mark.parametrize(
    "host",
    ["tøys.com", "xn--tys-1na.com", "toys.com\x00", "toys.com/x", "a" * 70_000, ""],
)
def test_host_of_nobody_is_unknown(lanes: Lanes, host: str) -> None:
    lanes.config(authentication={"anyone": {"anonymous": {}}})
    request = check_request(host=host)
    if lanes.end_of(request.SerializeToString()) is None:
        assert lanes.ask(request).http_status == 404


def test_header_of_the_caller_cannot_stand_for_metadata(lanes: Lanes) -> None:
    lanes.config(
        authentication={"who": {"plain": {"selector": "metadata.filter_metadata.who.sub"}}}
    )
    answer = lanes.get(
        metadata='{"filter_metadata": {"who": {"sub": "admin"}}}',
        filter_metadata="who",
        auth_identity="admin",
    )
    assert answer.http_status == 401


@pytest.mark.parametrize("size", [1 << 16, 1 << 21])
def test_large_body_is_no_way_around_a_rule(lanes: Lanes, size: int) -> None:
    lanes.config(authorization=only("request.body.startsWith('yes')"))
    request = check_request(method="POST")
    request.attributes.request.http.body = "no" * (size // 2)
    assert lanes.ask(request).http_status == 403


@pytest.mark.parametrize("depth", [10, 100, 100_000])
def test_deeply_nested_json_in_a_body_denies(lanes: Lanes, depth: int) -> None:
    pattern = [{"selector": "request.body.@fromstr|user", "operator": "eq", "value": "admin"}]
    lanes.config(authorization={"p": {"patternMatching": {"patterns": pattern}}})
    request = check_request(method="POST")
    request.attributes.request.http.body = '{"a":' * depth + "1" + "}" * depth
    assert lanes.ask(request).http_status == 403


def test_keys_and_tokens_are_in_no_denial(lanes: Lanes) -> None:
    lanes.config(authentication=KEYS)
    answer = lanes.get(authorization="APIKEY alice-keyy", cookie="session=geheim")
    assert b"alice" not in answer.raw
    assert b"geheim" not in answer.raw
