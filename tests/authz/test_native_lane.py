"""What the native lane decides, what it remembers, and what it leaves to the full lane."""

from typing import Any

import pytest

from tests.authz.http_backend import http_backend
from tests.authz.http_lanes import calling_lanes
from tests.authz.lanes import NOW, Lanes

BY_PATH = {"key": {"selector": "request.path"}, "ttl": 60}


def header(value: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"success": {"headers": {"x-value": {"plain": value} | more}}}


def lane(lanes: Lanes) -> str:
    return next(iter(lanes.configuration.reports())).lane


def test_remembered_success_item_is_found_natively(lanes: Lanes) -> None:
    lanes.config(response=header({"selector": "request.headers.x-a"}, cache=BY_PATH))
    first, again = lanes.get(x_a="one"), lanes.get(x_a="two")
    assert [first.headers, again.headers] == [[("x-value", "one")]] * 2
    assert (first.native, again.native) == (True, True)  # the full lane is asked first
    assert lanes.get("/other", x_a="two").headers == [("x-value", "two")]


def test_what_is_not_remembered_is_left_to_the_full_lane(lanes: Lanes) -> None:
    lanes.config(response=header({"selector": "request.headers.x-a"}, cache=BY_PATH))
    outcome = lanes.decider.check(lanes.request("/new"), 1_000, NOW)[0]
    assert outcome == "deferred"


def test_remembered_result_ends_with_its_ttl(lanes: Lanes) -> None:
    lanes.config(response=header({"selector": "request.headers.x-a"}, cache=BY_PATH))
    lanes.get("/a", x_a="one")
    for seconds, outcome in ((59, "answer"), (60, "deferred")):
        asked = lanes.decider.check(lanes.request("/a"), 1_000, NOW + seconds * 10**9)
        assert asked[0] == outcome


def test_remembered_identity_is_that_of_the_same_credential(lanes: Lanes) -> None:
    for name in ("alice", "bob"):
        lanes.secret(name)
    keys = {"apiKey": {"selector": {"matchLabels": {"app": "toys"}}}, "cache": BY_PATH}
    lanes.config(
        authentication={"keys": keys},
        response=header({"selector": "auth.identity.metadata.name"}),
    )
    for name in ("alice", "bob", "alice"):
        answer = lanes.get(authorization=f"Bearer {name}-key")
        assert (answer.headers, answer.native) == ([("x-value", name)], True)
    assert lanes.get(authorization="Bearer no").http_status == 401


def test_cache_of_a_plain_identity_has_no_effect(lanes: Lanes) -> None:
    user = {"plain": {"selector": "request.headers.x-user"}, "cache": BY_PATH}
    lanes.config(authentication={"user": user}, response=header({"selector": "auth.identity"}))
    for name in ("alice", "bob"):
        assert lanes.get(x_user=name).headers == [("x-value", name)]


@pytest.mark.parametrize("changed", ["patterns", "authentication"])
def test_what_is_remembered_ends_with_what_it_followed_from(lanes: Lanes, changed: str) -> None:
    ours = {"selector": "request.path", "operator": "eq", "value": "/toys"}
    spec: dict[str, Any] = {
        "patterns": {"ours": [ours]},
        "authentication": {"user": {"plain": {"selector": "request.path"}}},
        "authorization": {
            "ours": {
                "patternMatching": {
                    "patterns": [
                        {"patternRef": "ours"},
                        {"selector": "auth.identity", "operator": "eq", "value": "/toys"},
                    ]
                },
                "cache": {"key": {"value": "all"}, "ttl": 60},
            }
        },
    }
    lanes.config(**spec)
    assert [lanes.get().http_status, lanes.get("/no").http_status] == [200, 200]
    spec[changed] = {
        "patterns": {"ours": [{**ours, "value": "/other"}]},
        "authentication": {"user": {"plain": {"selector": "request.method"}}},
    }[changed]
    lanes.config(**spec)
    assert lanes.get().http_status == 403


@pytest.mark.parametrize(("value", "status"), [(None, 403), ("other", 200)])
def test_required_metadata_whose_condition_fails(
    lanes: Lanes, value: str | None, status: int
) -> None:
    lanes.config(
        annotations={"tollhouse.io/extensions": "metadata: {m: {required: true}}"},
        metadata={
            "m": {
                "http": {"url": "http://127.0.0.1:1/"},
                "when": [{"predicate": "request.headers['x-a'] == 'b'"}],
                "cache": BY_PATH,
            }
        },
    )
    headers = {} if value is None else {"x_a": value}
    assert lanes.get(**headers).http_status == status


def test_entry_without_native_form_leaves_earlier_denials_native(lanes: Lanes) -> None:
    lanes.secret("alice")
    keys = {"apiKey": {"selector": {"matchLabels": {"app": "toys"}}}}
    lanes.config(
        authentication={"keys": keys},
        response=header({"selector": "request.headers.x-a.@case:upper"}),
    )
    assert lane(lanes).startswith("fast until 'x-value': ")
    assert lanes.get(authorization="Bearer no").native
    answer = lanes.get(authorization="Bearer alice-key", x_a="b")
    assert (answer.headers, answer.native) == ([("x-value", "B")], False)


def test_skipped_conditions_are_native(lanes: Lanes) -> None:
    lanes.config(
        annotations={"tollhouse.io/extensions": "conditionErrors: skip"},
        when=[{"predicate": "request.headers['x-a'] == 'b'"}],
        authentication={"nobody": {"plain": {"selector": "request.nothing"}}},
    )
    assert lane(lanes) == "fast"
    assert lanes.get().http_status == 200
    assert lanes.get(x_a="b").http_status == 401


async def test_metadata_fetched_once_decides_natively() -> None:
    async with http_backend() as backend, calling_lanes() as lanes:
        backend.says("/m", {"tier": "gold", "n": 3})
        lanes.configure(
            f"""
metadata: {{m: {{http: {{url: '{backend.url}/m'}}, cache: {{key: {{selector: request.path}}}}}}}}
authorization:
  tier: {{patternMatching: {{patterns: [{{predicate: auth.metadata.m.tier == 'gold'}}]}}}}
response:
  success: {{headers: {{x-m: {{json: {{properties: {{m: {{selector: auth.metadata.m}}}}}}}}}}}}
"""
        )
        data = lanes.request("/toys")
        assert lanes.decider.check(data, 1_000, NOW)[0] == "deferred"
        full = await lanes.check(data)
        outcome, fast, *_ = lanes.decider.check(data, 1_000, NOW)
        assert (outcome, fast) == ("answer", full.raw)
        assert full.headers == [("x-m", '{"m":{"n":3,"tier":"gold"}}')]
        assert len(backend.seen) == 1
