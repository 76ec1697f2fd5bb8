"""How a policy is made ready for the embedded engine."""

import pytest

from authz.opa.errors import PolicyRefused
from authz.opa.policy import StaticCall, prepare

DEFAULT = "\ndefault allow := false\n"


def refusal(rego: str, version: str = "v0") -> str:
    with pytest.raises(PolicyRefused) as refused:
        prepare(rego, version)
    return str(refused.value)


def module(rego: str, version: str = "v0") -> str:
    """The rules of the module."""
    text = prepare(rego, version).module
    assert text.startswith("package tollhouse_policy\n")
    return text.removeprefix("package tollhouse_policy\n").removesuffix(DEFAULT)


@pytest.mark.parametrize("first", ["package a.b", "package a;", 'package a["b"]', "# c\npackage a"])
def test_only_a_leading_package_clause_goes(first: str) -> None:
    assert module(f"{first}\nallow {{ true }}").strip() == "allow { true }"
    kept = "allow {\n  # package of members\n  input.x\n}"
    assert module(kept) == kept.replace("input.x", "input.p0")
    assert refusal("allow { true }\npackage b\n") == "line 2: only one package clause is possible"


def test_allow_is_false_unless_the_policy_says_otherwise() -> None:
    assert prepare("allow { true }", "v0").module.endswith(DEFAULT)
    assert "default allow := false" not in prepare("default allow = true", "v0").module


def test_members_of_sets_are_added_and_not_mapped() -> None:
    assert module("p[x] { x := 1 }\nq[y] = 2 { y := 1 }\nr[z] := 3\n") == (
        "p contains x { x := 1 }\nq[y] = 2 { y := 1 }\nr[z] := 3\n"
    )
    assert module('p["a"]\nallow { p["a"] }') == 'p contains "a"\nallow { p["a"] }'
    assert module("p[x] := 1 if { x := 2 }", "v1") == "p[x] := 1 if { x := 2 }"


def test_the_parts_that_are_read() -> None:
    document = {
        "request": {"method": "GET", "path": "/", "headers": {"a": "1", "b": "2"}},
        "auth": {"identity": {"sub": "x", "roles": ["r"]}, "metadata": {"m": 1}},
        "context": {},
    }

    def given(rego: str) -> object:
        return prepare(rego, "v0").input_of(document)

    assert given("allow { input.request.method }") == {"p0": "GET"}
    assert given('allow { input.request.headers["a"]; input.auth.identity.sub }') == {
        "p0": "1",
        "p1": "x",
    }
    assert given("allow { input.request.headers[k]; input.request.headers.a }") == {
        "p0": {"a": "1", "b": "2"},
        "p1": "1",
    }
    assert given("allow { input.auth.identity.roles[0]; input.nothing.at.all }") == {"p0": ["r"]}
    assert given("allow { true }") == given("# input\nallow { x.input }") == {}
    assert given("allow { walk(input, x) }") == {"i": document}
    assert given('k := "auth"\nallow { input[k]; input.request.path }') == {
        "i": document,
        "p0": "/",
    }
    assert given("allow { x with input.request.method as 1 }\nx { input.auth.metadata }") == {
        "i": {"request": {"method": "GET"}, "auth": {"metadata": {"m": 1}}}
    }
    assert given("allow { input.request.method.x; input.auth.identity.roles.x }") == {}


def test_imports_of_the_input() -> None:
    assert module("import input.auth.identity as who\nallow { who.sub }") == (
        "import input.p0 as who\nallow { who.sub }"
    )
    assert (
        module("import input.auth\nallow { auth.x }") == "import input.p0 as auth\nallow { auth.x }"
    )
    assert module("import input\nallow { input.x }").strip() == "allow { input.p0 }"


def test_calls_of_provided_built_ins() -> None:
    policy = prepare(
        'allow { regex.match(`^/a`, input.request.path); lower(x) == "a"; x := input.y }', "v0"
    )
    assert policy.calls == (StaticCall("regex.match", ("^/a", ("request", "path"))),)
    assert '{ input.a.s0; data.tollhouse.call1("lower",x) == ' in policy.module
    assert module("lower(x) = y { y := x }\nallow { lower(1) }") == (
        "lower(x) = y { y := x }\nallow { lower(1) }"
    )
    replaced = prepare('allow { lower(input.x) with input.x as "A" }', "v0")
    assert replaced.calls == ()
    assert 'call1("lower",input.i.x) with input.i.x as "A"' in replaced.module


@pytest.mark.parametrize(
    ("rego", "reason"),
    [
        (
            "allow { net.lookup_ip_addr(`x`) }",
            "net.lookup_ip_addr() is not a function of this engine",
        ),
        ("allow { opa.runtime().env }", "opa.runtime() is not a function of this engine"),
        ('allow { opa["runtime"]().env }', "opa.runtime() is not a function of this engine"),
        ("f(x) := x\nallow { f(1) with f as opa.runtime }", "opa.runtime can only be called here"),
        ("f(x) := x\nallow { f(1) with f as regex.match }", "regex.match can only be called here"),
        ("allow { nothing(1) }", "nothing() is not a function of this engine"),
        ("allow { regex.match(`a`) }", "regex.match() takes 2 arguments"),
        ("allow { data.tollhouse.call0(1) }", "data.tollhouse.call0 is not for policies"),
        ("allow { data.tollhouse_policy.x }", "data.tollhouse_policy.x is not for policies"),
        ("allow { ( }", "')' closes nothing"),
        ("allow {", "a bracket is never closed, expected '}'"),
        ('allow { "a }', "unexpected '\"'"),
        ('allow { "\\q" }', "a string has a bad escape"),
        ('allow { $"a" }', "unexpected '$'"),
        ("allow { " + "[" * 70 + "]" * 70 + "}", "brackets are nested deeper than 64"),
        ("#" * 300_000, "the policy is longer than 65536 characters"),
    ],
)
def test_what_is_refused(rego: str, reason: str) -> None:
    assert reason in refusal(rego.replace("( }", ") }"))


@pytest.mark.parametrize(
    ("version", "rego", "word"),
    [
        ("v0", "allow if { true }", "'if'"),
        ("v0", "p contains x { x := 1 }", "'contains'"),
        ("v0", "allow { 1 in [1] }", "'in'"),
        ("v0", "allow { every x in [1] { x } }", "'every'"),
        ("v1", "allow { true }", "`if`"),
        ("v1", "allow = true { true }", "`if`"),
        ("v1", "f(x) { x }", "`if`"),
        ("v1", "p[x] { x := 1 }", "`if`"),
        ("v0", "import rego.v1\nallow { true }", "`if`"),
    ],
)
def test_each_version_has_its_own_words(version: str, rego: str, word: str) -> None:
    assert word in refusal(rego, version)


@pytest.mark.parametrize(
    ("version", "rego"),
    [
        ("v0", 'allow { contains("ab", "a") }'),
        ("v0", "import rego.v1\nallow if { true }"),
        ("v0", "import future.keywords.in\nallow { 1 in [1] }"),
        ("v0", "allow { input.if }"),
        ("v1", "allow if { true }\nallow if input.x in {1, 2}\np contains 1 if { true }"),
        ("v1", "allow if every x in input.xs { x }\nq := {1}\nr := {a | a := 1}"),
        ("v1", "x := 1 if { true } else := 2 if { true }"),
    ],
)
def test_what_the_versions_take(version: str, rego: str) -> None:
    prepare(rego, version)
