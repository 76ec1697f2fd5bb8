"""Policies in the embedded engine."""

import asyncio
from typing import Any

import pytest

from authz.errors import Overloaded
from authz.opa.embedded import EmbeddedEngine
from authz.opa.errors import EngineUnavailable, EvaluationFailed, PolicyRefused
from tests.authz.opa.conftest import nobody

NOW = 1_790_000_000 * 10**9
GET: dict[str, object] = {"request": {"method": "GET", "headers": {"x-a": "1"}}}


async def values(
    engine: EmbeddedEngine, rego: str, document: dict[str, Any] = GET, version: str = "v0"
) -> dict[str, object]:
    policy = engine.open(rego, version)
    try:
        return dict(await policy.evaluate(document, NOW))
    finally:
        policy.close()


def refusal(engine: EmbeddedEngine, rego: str, version: str = "v0") -> str:
    with pytest.raises(PolicyRefused) as refused:
        engine.open(rego, version)
    return str(refused.value)


async def test_values_of_rules(engine: EmbeddedEngine) -> None:
    rego = """
allow { input.request.method == "GET" }
double(x) = y { y := x * 2 }
user := input.request.headers["x-user"]
number := double(2.5)
letters := {"b", "a"}
named[k] { input.request.headers[k] }
mapped[k] = v { v := input.request.headers[k] }
nested := {"list": [1, true, null, {}]}
chosen = 1 { false } else = 2 { true }
"""
    policy = engine.open(rego, "v0")
    assert sorted(policy.names) == [
        "allow", "chosen", "letters", "mapped", "named", "nested", "number", "user",
    ]  # fmt: skip
    found = dict(await policy.evaluate(GET, NOW))
    policy.close()
    assert found.pop("letters") in (["a", "b"], ["b", "a"])
    assert found == {
        "allow": True,
        "number": 5,
        "named": ["x-a"],
        "mapped": {"x-a": "1"},
        "nested": {"list": [1, True, None, {}]},
        "chosen": 2,
    }


async def test_own_default_and_functions_are_taken(engine: EmbeddedEngine) -> None:
    assert await values(engine, "default allow = false\nallow { true }") == {"allow": True}
    found = await values(engine, "allow { f(1) == 2 }\nf(x) = y { y := x + 1 }")
    assert found == {"allow": True}


async def test_a_comment_may_say_package(engine: EmbeddedEngine) -> None:
    rego = """allow {
  input.request.method == "GET"
  # package rule: members only
  input.request.headers["x-member"] == "1"
}"""
    assert await values(engine, rego) == {"allow": False}
    member = {"request": {"method": "GET", "headers": {"x-member": "1"}}}
    assert await values(engine, rego, member) == {"allow": True}


@pytest.mark.parametrize("rego", ["allow { not typo }", "allow { typo == false }", "x := [y, 1]"])
def test_a_name_that_nothing_defines_is_no_undefined(engine: EmbeddedEngine, rego: str) -> None:
    assert "reads a name that nothing defines" in refusal(engine, rego)


@pytest.mark.parametrize(
    "rego",
    [
        "allow { x := [input.xs[k]]; x[0] == 2 }",
        "allow { input.xs[_] == input.ys[_] }",
        "allow { x := [input.xs[i], input.ys[i]]; x[0] != x[1] }",
        "allow { format_int(input.xs[_], 10) == `2` }",
        "allow { role := input.roles[_]; granted := can[role]; granted[_] == 1 }\ncan = {`r`: [1]}",
        "allow { can[input.roles[_]][_] == 1 }\ncan = {`r`: [1]}",
        "allow { all := {x | x := input.xs[_]}; count(all) == 2 }",
    ],
)
async def test_iteration(engine: EmbeddedEngine, rego: str) -> None:
    document = {"xs": [1, 2], "ys": [2, 3], "roles": ["q", "r"]}
    assert (await values(engine, rego, document))["allow"] is True
    assert (await values(engine, rego, {}))["allow"] is False


def test_iteration_below_not_is_refused(engine: EmbeddedEngine) -> None:
    assert "cannot be iterated" in refusal(engine, "allow { not startswith(input.xs[_], `a`) }")


TEXTS = ['a"b\\c', "a\nb", "\x00admin", "admin\x00", "\x7f\x1f", "\u2028é😀", "\\u0041", '"', ""]


@pytest.mark.parametrize("text", TEXTS)
async def test_texts_are_what_they_are(engine: EmbeddedEngine, text: str) -> None:
    rego = """
allow { input.text == input.list[0]; input.object[input.text] }
text := input.text
size := count(input.text)
admin { input.text == "admin" }
same { concat("", [input.text, "x"]) == input.longer }
split_ := split(input.text, "n")
"""
    document = {"text": text, "list": [text], "object": {text: True}, "longer": text + "x"}
    assert await values(engine, rego, document) == {
        "allow": True,
        "text": text,
        "size": len(text),
        "same": True,
        "split_": text.split("n"),
    }


@pytest.mark.parametrize("text", ["\U000f0000", "\ud800"])
async def test_texts_that_cannot_be_passed_deny(engine: EmbeddedEngine, text: str) -> None:
    with pytest.raises(EvaluationFailed, match=r"^[^\ud800\U000f0000]*$"):
        await values(engine, "allow { input.text }", {"text": text})


async def test_deep_and_large_inputs(engine: EmbeddedEngine) -> None:
    deep: dict[str, Any] = {}
    inner = deep
    for _ in range(5000):
        inner["x"] = inner = {}
    with pytest.raises(EvaluationFailed):
        await values(engine, "allow { input.deep }", {"deep": deep})
    assert await values(engine, "n := count(input.text)", {"text": "a" * 300_000}) == {
        "allow": False,
        "n": 300_000,
    }


async def test_conflicting_rules_have_no_result(engine: EmbeddedEngine) -> None:
    rego = "allow { true }\nx := 1\nx := 2 { input.request.method }"
    with pytest.raises(EvaluationFailed):
        await values(engine, rego)
    assert (await values(engine, rego, {}))["allow"] is True


async def test_provided_built_ins(engine: EmbeddedEngine) -> None:
    rego = """
static := regex.match(`^/a(b|"c)*$`, input.path)
static_missing := lower(input.nothing)
dynamic := regex.match(pattern, input.path)
pattern := concat("", ["^/", lower("A")])
chain := upper(lower(upper(input.path)))
refused { not net.cidr_contains("10.0.0.0/8", split(input.from, ",")[0]) }
bad { base64.decode("%%%") }
now := time.now_ns()
list := [lower(x) | x := input.names[_]]
allow { lower(input.path) == "/x" with input.path as "/X" }
"""
    document = {"path": '/ab"c', "from": "10.1.1.1,x", "names": ["A", 'B"\n']}
    assert await values(engine, rego, document) == {
        "static": True,
        "dynamic": True,
        "pattern": "^/a",
        "chain": '/AB"C',
        "now": NOW,
        "list": ["a", 'b"\n'],
        "allow": True,
    }


async def test_what_a_policy_prints_is_no_call(engine: EmbeddedEngine) -> None:
    assert await values(engine, "allow { print(input.request, `[1]`) }") == {"allow": True}
    printed = "allow { print(input.text); lower(input.text) }"
    for text in ("call: x", 'call: [\\"lower\\"]', "call: 7"):
        with pytest.raises(EvaluationFailed):
            await values(engine, printed + "\nb { print(`" + text + "`) }", {"text": "x"})


async def test_versions(engine: EmbeddedEngine) -> None:
    rego = "allow if { some x in input.xs; x == 1 }\ns contains x if some x in input.xs"
    found = await values(engine, rego, {"xs": [1, 2]}, "v1")
    assert found == {"allow": True, "s": [1, 2]}


def test_equal_policies_are_one(engine: EmbeddedEngine) -> None:
    first, second = (engine.open("allow { input.equal }", "v0") for _ in range(2))
    other = engine.open("allow { input.other }", "v0")
    assert first.number == second.number != other.number
    for policy in (first, second, other):
        policy.close()


# ---- children


@pytest.mark.slow
async def test_an_endless_policy_ends() -> None:
    engine = EmbeddedEngine(nobody, children=1, limit_s=0.3)
    endless = engine.open("allow { count([1 | input.a[_] == x; x := input.a[_]]) > 0 }", "v0")
    quick = engine.open("allow { true }", "v0")
    assert (await quick.evaluate({}, NOW))["allow"] is True
    with pytest.raises(EvaluationFailed, match="took too long"):
        await endless.evaluate({"a": list(range(5000))}, NOW)
    assert engine.replaced == 1
    assert (await quick.evaluate({}, NOW))["allow"] is True
    await engine.close()


@pytest.mark.slow
async def test_a_child_that_ends_is_replaced() -> None:
    engine = EmbeddedEngine(nobody, children=1)
    policy = engine.open("allow { true }", "v0")
    assert (await policy.evaluate({}, NOW))["allow"] is True
    (child,) = engine.idle
    child.kill()
    with pytest.raises(EngineUnavailable):
        await policy.evaluate({}, NOW)
    assert engine.replaced == 1
    assert (await policy.evaluate({}, NOW))["allow"] is True
    await engine.close()


@pytest.mark.slow
async def test_a_caller_that_gives_up_costs_no_child() -> None:
    engine = EmbeddedEngine(nobody, children=1)
    policy = engine.open("allow { input.x }", "v0")
    await policy.evaluate({}, NOW)
    caller = asyncio.create_task(policy.evaluate({"x": 1}, NOW))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert (await policy.evaluate({"x": 1}, NOW))["allow"] is True
    assert engine.replaced == 0
    await engine.close()


@pytest.mark.slow
async def test_too_many_waiting_are_refused() -> None:
    engine = EmbeddedEngine(nobody, children=1, waiting=1)
    policy = engine.open("allow { true }", "v0")
    calls = [asyncio.create_task(policy.evaluate({}, NOW)) for _ in range(4)]
    found = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(each) for each in found].count(Overloaded) >= 1
    assert {"allow": True} in found
    await engine.close()


@pytest.mark.parametrize("text", ["MALLORY\u2028", "MALLORY\x85x", "x\x1cMALLORY"])
async def test_line_ends_of_unicode_are_no_ends_of_calls(engine: EmbeddedEngine, text: str) -> None:
    rego = 'name := input.name\nallow { not contains(lower(name), "mallory") }'
    assert await values(engine, rego, {"name": text}) == {"allow": False, "name": text}


async def test_a_call_of_another_server_is_never_left_out(engine: EmbeddedEngine) -> None:
    with pytest.raises(EvaluationFailed, match="takes a method"):
        await values(
            engine,
            "allow { not http.send(input.call).body.denied }",
            {"call": {"url": 7}},
        )


async def test_numbers_are_exact(engine: EmbeddedEngine) -> None:
    rego = """
allow { input.a == 0.1234567891; input.b == 1e-7; input.c == 9007199254740993 }
a := input.a
text := json.marshal([input.a, input.whole])
upper_ := upper(lower(input.name))
"""
    document = {"a": 0.1234567891, "b": 1e-7, "c": 2.0**53, "whole": 3.0, "name": 'é"'}
    assert await values(engine, rego, document) == {
        "allow": False,  # 2**53 is what JSON numbers are in authorization documents
        "a": 0.1234567891,
        "text": "[0.1234567891,3]",
        "upper_": 'É"',
    }


async def test_arguments_of_every_shape(engine: EmbeddedEngine) -> None:
    rego = """
who := input.who
a := json.marshal(who)
b := json.marshal({"s": {"x"}, "e": set(), "n": [-1, 2.5, null, true, {}]})
c := json.marshal(input.who)
d := concat(",", sort({"b", "a"}))
"""
    document = {"who": {"roles": [{"name": 'q"', "n": [1.0]}], "x": {}}}
    found = await values(engine, rego, document)
    assert found["a"] == found["c"] == '{"roles":[{"n":[1],"name":"q\\""}],"x":{}}'
    assert found["b"] == '{"e":[],"n":[-1,2.5,null,true,{}],"s":["x"]}'
    assert found["d"] == "a,b"
