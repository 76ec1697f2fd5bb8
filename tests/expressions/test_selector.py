"""Selectors beyond dotted names; what they find was asked of gjson 1.14.4 itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expressions.errors import UnsupportedSelector
from expressions.pattern import compile_pattern
from expressions.selector import compile_selector
from expressions.template import is_template, parse_template

DOCUMENT: dict[str, object] = {
    "a": {"b": ["x", "y z", 1.0, 2.5, True, None, {"n": "v"}], "s": "Hello World", "e": ""},
    "j": '{"p":[1,2],"s":"t"}',
    "t": "eyJzdWIiOiJqb2huIn0",
    "l": [
        {"n": "ann", "v": 1.0, "g": ["u", "v"]},
        {"n": "bob", "v": 2.0, "g": []},
        {"n": "cid", "v": 3.0},
        {"x": False},
    ],
    "num": 12.0,
    "big": 1e21,
    "z": None,
    "nest": [[1.0, [2.0]], [3.0]],
    "x.y": "dot",
    "grp": {"a": [1.0, 2.0], "b": ["p"]},
    "#": "hash",
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("#", "hash"),
        ("a|s", "Hello World"),
        ("a|s|x", None),
        ("x\\.y", "dot"),
        ("a.b.#", 7.0),
        ("a.b|#", 7.0),
        ("l.#.n", ["ann", "bob", "cid"]),
        ("l.#.g.0", ["u"]),
        ("l.#.g.#", [2.0, 0.0]),
        ("l.#.n|1", "bob"),
        ("l.#.n|#", 3.0),
        ("nu*", 12.0),
        ("ne*.0.1.0", 2.0),
        ("?.s", "Hello World"),
        ("*.b.0", "x"),
        ('l.#(n=="bob").v', 2.0),
        ("l.#(n=bob)|v", 2.0),
        ("l.#(v>1)#.n", ["bob", "cid"]),
        ("l.#(v>1)#|n", None),
        ("l.#(v>1)#|#", 2.0),
        ("l.#(v>=3)#.n", ["cid"]),
        ("l.#(v<2)#.n", ["ann"]),
        ("l.#(v<=2)#.n", ["ann", "bob"]),
        ("l.#(v!=2)#.n", ["ann", "cid"]),
        ('l.#(n%"*b*")#.v', [2.0]),
        ('l.#(n!%"a*")#.v', [2.0, 3.0]),
        ("l.#(g)#.n", ["ann", "bob"]),
        ('l.#(g.#(=="u"))#.n', ["ann"]),
        ("l.#(x==false)#", [{"x": False}]),
        ("l.#(v==~true)#.n", ["ann", "bob", "cid"]),
        ("l.#(v==~odd)#", []),
        ("l.#(v>9)", None),
        ("l.#(v>9)#", []),
        ('a.b.#(=="x")', "x"),
        ("a.b.#(>1)#", ["x", "y z", 2.5]),
        ("num|#(v>1)", None),
        ("a.@keys", ["b", "e", "s"]),
        ("l.0.@values", [["u", "v"], "ann", 1.0]),
        ("a.b.@keys", [None] * 7),
        ("z.@keys", [None]),
        ("grp.@group", [{"a": 1.0, "b": "p"}, {"a": 2.0}]),
        ("nest.@flatten", [1.0, [2.0], 3.0]),
        ('nest.@flatten:{"deep":true}', [1.0, 2.0, 3.0]),
        ("l.@join|n", "cid"),
        ("l.#.n.@reverse", ["ann", "bob", "cid"]),
        ("l.#.n|@reverse", ["cid", "bob", "ann"]),
        ("grp.@tostr", '{"a":[1,2],"b":["p"]}'),
        ("j.@fromstr|p.1", 2.0),
        ("j.@fromstr.s", "t"),
        ("a.s.@fromstr", None),
        ("a.s.@extract", "Hello"),
        ('a.s.@extract:{"pos":1}', "World"),
        ('a.s.@extract:{"sep":"l","pos":2}', "o Wor"),
        ('a.s.@extract:{"pos":2}', None),
        ("nothing.@extract", ""),
        ("nothing.more.@extract", None),
        ('a.s.@replace:{"old":"l","new":"L"}', "HeLLo WorLd"),
        ("a.s.@replace", "Hello World"),
        ("a.s.@case:upper", "HELLO WORLD"),
        ("a.s.@case:lower", "hello world"),
        ("a.s.@case:title", "Hello World"),
        ("a.s.@base64:encode", "SGVsbG8gV29ybGQ="),
        ("a.s.@base64:encode|@base64:decode", "Hello World"),
        ("t.@base64:decode|@fromstr|sub", "john"),
        ("a.s.@strip", "Hello World"),
        ("a.s.@this", "Hello World"),
        ("@this.num", 12.0),
        ("@keys|0", "#"),
        ("[num,a.s,nothing,z]", [12.0, "Hello World", None]),
        ("a.[s,b.#]", ["Hello World", 7.0]),
        ("l.0|[n,v].#", 2.0),
        ("l.#.[n,v]", [["ann", 1.0], ["bob", 2.0], ["cid", 3.0], []]),
        ("l.#(v>1)#|[#.n,#.v]", [["bob", "cid"], [2.0, 3.0]]),
        ('[a.s.@extract:{"sep":" ","pos":1},x\\.y]', ["World", "dot"]),
        ("[num,[z,num]|1]", [12.0, 12.0]),
        ("num|[x]", []),
        ('[num,!"lit",![1,2]]', [12.0, "lit", [1.0, 2.0]]),
        ("[]", []),
    ],
)
def test_path_finds_what_gjson_finds(path: str, value: object) -> None:
    selector = compile_selector(path)
    assert selector.evaluate(DOCUMENT) == value
    plain = not set(path) & set("|#*?@[!")
    assert (selector.native is not None) == plain
    assert (selector.refusal is None) == plain


@pytest.mark.parametrize(
    ("path", "document", "value"),
    [
        ("a.@extract", {"a": 'a"b c'}, "a"),
        ("a.@extract", {"a": r"a\u00e9\tb c"}, "a\u00e9\tb"),
        ("a.@extract", {"a": r"a\xb c"}, "a"),
        ('a.@extract:{"pos":1}', {"a": "a \\"}, ""),
        ('a.@extract:{"pos":-1}', {"a": "x y"}, None),
        ("a.@base64:decode", {"a": "IlxuIg=="}, '"\n"'),
        ("a.@base64:decode", {"a": "!!!"}, ""),
        ("a.@case:upper", {"a": {"k": "<é\n>"}}, {"K": "<É\n>"}),
        ("a.@strip", {"a": "a\u200bb\nc\x7fd"}, "ab\ncd"),
        ("a.@fromstr", {"a": "[" * 100_000}, None),
        ("a.@fromstr", {"a": "NaN"}, None),
        ("a.@fromstr", {"a": "1" * 30}, float("1" * 30)),
        ("a.@case:upper", {"a": "stra\u00dfe"}, "STRA\u00dfE"),
        ("a.@case:lower", {"a": "\u0130I"}, "ii"),
        ('a.@extract:{"pos":"1"}', {"a": "x y"}, "y"),
    ],
)
def test_text_out_of_modifiers(path: str, document: dict[str, object], value: object) -> None:
    assert compile_selector(path).evaluate(document) == value


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("Hello, {a.s}!", "Hello, Hello World!"),
        ("{num}:{nothing}:{z}", "12::"),
        ("\\{x\\} {num}", "{x} 12"),
        ("\\\\{num}", "\\12"),
        ("{num} and {num", "12 and "),
        ("{}{num}", "12"),
        ('{a.s.@extract:{"pos":1}}s', "Worlds"),
        ("{grp}", '{"a":[1,2],"b":["p"]}'),
        ("} {num}", "} 12"),
        ("{[num,a.s]}", '[12,"Hello World"]'),
        ('{{"n":num,a.s,"a\\"b":z,l.#}}', '{"_":4,"a\\"b":null,"n":12,"s":"Hello World"}'),
        ("{l.0.{n,v}}", '{"n":"ann","v":1}'),
    ],
)
def test_template_fills_its_gaps(source: str, text: str) -> None:
    selector = compile_selector(source)
    assert selector.evaluate(DOCUMENT) == text
    assert selector.refusal is not None


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("auth.identity.username", False),
        ('auth.identity.@extract:{"sep":","}', False),
        ("{auth.identity}", True),
        ("a {b} c {d}", True),
        ("\\{a\\}", True),
        ("{", True),
        ("", False),
    ],
)
def test_what_is_a_template(source: str, expected: bool) -> None:
    assert is_template(source) is expected


@pytest.mark.parametrize("source", ["[num", "{[num}", "[num]x", "[num,(]", "!", "!tru", "a.![1"])
def test_unfinished_multipath_or_literal_is_refused(source: str) -> None:
    with pytest.raises(UnsupportedSelector, match=r"multipath|literal"):
        compile_selector(source)


def test_values_of_a_template_can_be_escaped() -> None:
    template = parse_template("/{num}?q={a.s}")
    assert template.text(DOCUMENT, lambda text: text.replace(" ", "%20")) == "/12?q=Hello%20World"


def test_pattern_over_a_modifier_runs_in_the_full_lane() -> None:
    pattern = compile_pattern("l.#.n", "incl", "bob")
    assert pattern.evaluate(DOCUMENT)
    assert pattern.native is None
    assert pattern.refusal == "'l.#.n' is more than dotted names"


@given(st.text('ab.|#()[]{}@:"\\*?=<>!%~ x0', max_size=24))
def test_no_source_does_more_than_be_refused(source: str) -> None:
    try:
        selector = compile_selector(source)
    except UnsupportedSelector:
        return
    selector.evaluate({"a": [{"b": "x"}, 1.0], "x": {"a": None}})
