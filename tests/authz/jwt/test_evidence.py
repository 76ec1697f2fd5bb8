"""A verified token lets the native lane decide: with the pipeline's bytes, and counted once."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from authz import service as service_module
from tests.authz.jwt.test_jwt_entry import Door, open_door
from tests.authz.jwt.tokens import CLAIMS, token
from tests.authz.lanes import Clocks, check_request

ANN = {**CLAIMS, "groups": ["a", "b"], "level": 7, "address": {"country": "GB"}, "n": 2**60}
JSON_OF_IDENTITY = {"json": {"properties": {"id": {"selector": "auth.identity"}}}}


def matching(selector: str, value: str) -> dict[str, Any]:
    pattern = {"selector": selector, "operator": "eq", "value": value}
    return {"patternMatching": {"patterns": [pattern]}}


POLICIES: dict[str, dict[str, Any]] = {
    "identity": {"response": {"success": {"headers": {"x-id": JSON_OF_IDENTITY}}}},
    "claim": {"authorization": {"gb": matching("auth.identity.address.country", "GB")}},
    "other claim": {"authorization": {"it": matching("auth.identity.address.country", "IT")}},
    "cel": {
        "authorization": {
            "level": {"patternMatching": {"patterns": [{"predicate": "auth.identity.level > 5.0"}]}}
        },
        "response": {
            "success": {"dynamicMetadata": {"m": {"plain": {"expression": "auth.identity.groups"}}}}
        },
    },
    "missing claim": {
        "authorization": {
            "none": {"patternMatching": {"patterns": [{"predicate": "auth.identity.none == 1.0"}]}}
        }
    },
    "denied with words": {
        "response": {
            "unauthenticated": {"code": 302, "headers": {"location": {"value": "/login"}}},
            "unauthorized": {"message": {"selector": "auth.identity.sub"}},
        },
        "authorization": {"it": matching("auth.identity.address.country", "IT")},
    },
    "anyone else": {"anyone": {"anonymous": {}, "priority": 1}},
    "key first": {"key": {"apiKey": {"selector": {"matchLabels": {"app": "toys"}}}}},
    "extended": {
        "overrides": {"kind": {"value": "user"}, "who": {"selector": "auth.identity.sub"}}
    },
    "unless": {"top": [{"selector": "request.path", "operator": "neq", "value": "/toys"}]},
    "two places": {"second": True},
}


def document(policy: dict[str, Any], url: str) -> dict[str, Any]:
    idp: dict[str, Any] = {"jwt": {"issuerUrl": url}}
    if "overrides" in policy:
        idp["overrides"] = policy["overrides"]
    entries = {"idp": idp}
    entries |= {name: policy[name] for name in ("anyone", "key") if name in policy}
    if "second" in policy:
        cookie = {"jwt": {"issuerUrl": url}, "credentials": {"cookie": {"name": "sid"}}}
        entries["cookie"] = cookie
    spec = {"hosts": ["toys.com"], "authentication": entries}
    spec |= {name: policy[name] for name in ("authorization", "response") if name in policy}
    if "top" in policy:
        spec["when"] = policy["top"]
    return {"spec": spec}


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    async with open_door() as door:
        door.publishes()
        door.lanes.secret("alice", key="alice-key")
        yield door


def put(door: Door, policy: dict[str, Any]) -> None:
    configuration = door.lanes.configuration
    found = configuration.put_auth_config("shop", "toys", document(policy, door.backend.url))
    assert found == ()
    configuration.start_new()
    door.lanes.publish()
    configuration.close_replaced()


REQUESTS = {
    "none": {},
    "good": {"authorization": f"Bearer {token(ANN, kid='a').decode()}"},
    "forged": {"authorization": f"Bearer {token(ANN, kid='a', number=1).decode()}"},
    "expired": {"authorization": f"Bearer {token({'exp': 1}, kid='a').decode()}"},
    "garbage": {"authorization": "Bearer a.b.c"},
    "key": {"authorization": "Bearer alice-key"},
    "good cookie": {"cookie": f"sid={token(ANN, kid='a').decode()}"},
    "bad and good": {
        "authorization": "Bearer x",
        "cookie": f"sid={token(ANN, kid='a').decode()}",
    },
}


@pytest.mark.parametrize("name", POLICIES)
async def test_both_ways_give_the_same_bytes(door: Door, name: str) -> None:
    put(door, POLICIES[name])
    service = door.lanes.service
    for what, headers in REQUESTS.items():
        request = check_request(**headers).SerializeToString()
        context = Clocks(generation=door.lanes.generation, wall_ns=door.wall_ns)
        cold = await service.check_here(request, context)
        _, verdict = await service.dry_run(request, context, lambda step: None)
        assert cold == verdict.answer, what
        outcome, warm, *_ = door.lanes.decider.check(request, context.mono_ns, context.wall_ns)
        if outcome == "answer":
            assert warm == cold, what


async def test_pipeline_is_not_asked_when_the_token_is_good(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(door, POLICIES["claim"])
    monkeypatch.setattr(service_module, "Pipeline", None)
    assert (await door.ask(token(ANN, kid="a"))).code == 0
    counted = {key: value for key, value in door.lanes.series.totals().items() if value}
    assert counted["auth_server_response_status", "OK"] == 1
    assert counted["auth_server_authconfig_total", "shop", "toys"] == 1


async def test_refused_token_is_verified_once(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    put(door, POLICIES["identity"])
    calls = []
    workers = type(door.lanes.services.workers)
    run = workers.run

    async def counting(self: Any, *arguments: Any) -> Any:
        calls.append(arguments)
        return await run(self, *arguments)

    monkeypatch.setattr(workers, "run", counting)
    assert "expired" in await door.reason(token({"exp": 1}, kid="a"))
    assert len(calls) == 1
    counted = door.lanes.series.totals()
    assert counted["auth_server_response_status", "UNAUTHENTICATED"] == 1


async def test_late_issuer_is_answered_in_time(door: Door) -> None:
    released = door.backend.hangs("/.well-known/openid-configuration")
    put(door, POLICIES["identity"])
    late = await door.ask(token(ANN, kid="a"), deadline_ns=0)
    assert (late.http_status, late.reason) == (503, "")
    released.set()
