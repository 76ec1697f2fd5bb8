"""Policies in a real OPA: a child of ours, and servers that fail."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from authz.opa.choice import RegoSettings, engine_of
from authz.opa.engine import OpenPolicy
from authz.opa.errors import EngineUnavailable, EvaluationFailed, PolicyRefused
from authz.opa.managed import ManagedServer
from authz.opa.metrics import RegoCollector
from authz.opa.opa_module import opa_module
from authz.opa.server import FixedServer, ServerEngine
from tests.authz.http_backend import http_backend
from tests.authz.opa.conftest import nobody
from tests.protocol.programs import OPA, go_program

pytestmark = pytest.mark.slow
NOW = 1_790_000_000 * 10**9


@pytest.fixture
async def opa() -> AsyncIterator[ServerEngine]:
    engine = ServerEngine(ManagedServer(go_program(OPA)))
    yield engine
    await engine.close()


async def opened(engine: ServerEngine, rego: str, version: str = "v0") -> OpenPolicy:
    return await asyncio.to_thread(engine.open, rego, version)


async def test_values(opa: ServerEngine) -> None:
    rego = """package a.b
allow { regex.match(`(?i)^/A`, input.path); joined }
joined { object.union({"a": {"b": 1}}, {"a": {"c": 2}}).a.c == 2 }
f(x) = y { y := x }
p[x] { x := input.xs[_]; not startswith(x, "q") }
env := opa.runtime().env
"""
    policy = await opened(opa, rego)
    assert policy.names == ("allow", "joined", "p", "env")
    found: Any = await policy.evaluate({"path": "/a", "xs": ["a", 'b"\n', "q"]}, NOW)
    assert found["allow"] is True
    assert found["p"] == ["a", 'b"\n']
    assert not found["env"] or found["env"].keys() <= {"HOME"}
    policy.close()
    newer = await opened(opa, "allow if { some x in input.xs; x == 1 }", "v1")
    assert await newer.evaluate({"xs": [1]}, NOW) == {"allow": True}
    assert await newer.evaluate({}, NOW) == {"allow": False}


async def test_what_opa_refuses(opa: ServerEngine) -> None:
    with pytest.raises(PolicyRefused, match="line 2: var typo is unsafe"):
        await opened(opa, "x := 1\nallow { not typo }")
    with pytest.raises(PolicyRefused, match="line 1"):
        await opened(opa, "allow { true }", "v1")
    for other in ("data", "data.tollhouse.p1", 'data["tollhouse"]'):
        with pytest.raises(PolicyRefused, match="is not for policies"):
            await opened(opa, f"allow {{ {other} }}")


async def test_conflicting_rules_have_no_result(opa: ServerEngine) -> None:
    policy = await opened(opa, "allow { true }\nx := 1\nx := 2 { input.q }")
    with pytest.raises(EvaluationFailed):
        await policy.evaluate({"q": 1}, NOW)


async def test_an_opa_that_ends_is_started_again() -> None:
    server = ManagedServer(go_program(OPA))
    engine = ServerEngine(server)
    policy = await opened(engine, "allow { input.x }")
    assert await policy.evaluate({"x": 1}, NOW) == {"allow": True}
    server.kill()
    assert await policy.evaluate({"x": 1}, NOW) == {"allow": True}
    (family,) = RegoCollector(engine).collect()
    assert [sample.value for sample in family.samples] == [1]
    directory = Path(server.address.removeprefix("unix:")).parent
    await engine.close()
    assert not directory.exists()


async def test_what_the_embedded_engine_refuses_goes_to_opa() -> None:
    engine = engine_of(RegoSettings("auto", go_program(OPA)), nobody)
    simple = await asyncio.to_thread(engine.open, "allow { true }", "v0")
    rich = await asyncio.to_thread(engine.open, 'allow { units.parse("1K") == 1000 }', "v0")
    assert [type(policy).__name__ for policy in (simple, rich)] == [
        "EmbeddedPolicy",
        "ServerPolicy",
    ]
    assert await rich.evaluate({}, NOW) == {"allow": True}
    with pytest.raises(PolicyRefused, match="var typo is unsafe"):
        await asyncio.to_thread(engine.open, "allow { not typo }", "v0")
    await engine.close()


async def test_no_opa_there() -> None:
    for settings in (RegoSettings("opa", Path("/no/opa")), RegoSettings("unix:/no/socket")):
        engine = engine_of(settings, nobody)
        with pytest.raises(EngineUnavailable):
            await asyncio.to_thread(engine.open, "allow { true }", "v0")
        await engine.close()


@pytest.mark.parametrize("answer", ["no json", [1]])
async def test_a_server_that_is_no_opa(answer: object) -> None:
    async with http_backend() as backend:
        module = opa_module("allow { true }", "v0")
        backend.says(f"/v1/policies/{module.id}", answer)
        engine = ServerEngine(FixedServer(backend.url))
        with pytest.raises(EngineUnavailable):
            await asyncio.to_thread(engine.open, "allow { true }", "v0")
        await engine.close()


async def test_a_server_that_has_lost_the_policy_gets_it_again() -> None:
    async with http_backend() as backend:
        module = opa_module("allow { input.a.b }", "v0")
        rules = {"ast": {"rules": [{"head": {"name": "allow"}}]}}
        backend.says(f"/v1/policies/{module.id}", {"result": rules})
        backend.says(f"/v1/data/tollhouse/{module.id}", {})
        engine = ServerEngine(FixedServer(backend.url))
        policy = await opened(engine, "allow { input.a.b }")
        assert await policy.evaluate({"a": {"b": 1.0, "c": 2.0}, "d": 3.0}, NOW) == {}
        assert [call.method for call in backend.seen] == ["PUT", "GET", "POST", "PUT", "POST"]
        assert backend.seen[-1].body == b'{"input":{"a":{"b":1}}}'
        await engine.close()
