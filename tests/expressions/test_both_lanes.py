"""Both lanes give the same value or the same error for the same expression and data."""

import pytest

from expressions.cel import Context, compile_expression
from tests.expressions.lanes import fast_lane, full_lane, same

DESCRIPTORS = {"descriptors": [{"method": "GET", "path": "/api/v1", "n": "12", "nul": "a\0b"}]}
REQUEST = {
    "request": {
        "method": "GET",
        "size": 12.0,
        "headers": {"x-é": "ü", "empty": "", "nul": "a\0b", "k\0": "v"},
        "list": ["a", "b", 3.0, None, True, {"x": 1.5}],
    },
    "auth": {"identity": {"groups": ["admin", "dev"], "age": 41.0, "verified": True, "none": None}},
    "metadata": {},
}

LIMITS = [
    "descriptors[0].method == 'GET' && descriptors[0].path.startsWith('/api')",
    "descriptors[0]['method'] != \"GET\" || descriptors[0].path.endsWith('v1')",
    "descriptors[1].method == 'GET'",
    "descriptors[4294967295].method == 'GET'",
    "descriptors[4294967296].method == 'GET'",
    "descriptors[-1].method == 'GET'",
    "limit[0].x == 1",
    "zz[0].x == 1",
    "[{'x': 1}].exists(descriptors, descriptors.x == 1)",
    "[[{'x': 1}]].exists(descriptors, descriptors[0].x == 1)",
    "descriptors[0].missing == 'x'",
    "descriptors[0].missing == 'x' || true",
    "descriptors[0].method.missing",
    "has(descriptors[0].missing)",
    "has(descriptors[0].method.x)",
    "'path' in descriptors[0]",
    "int(descriptors[0].n) > 5",
    "int(descriptors[0].method) > 5",
    "int(descriptors[0].n) == 12u",
    "descriptors[0].n < 5",
    "unbound == 'x'",
    "unbound == 'x' || true",
    "descriptors[0].path.matches('^/api/v[0-9]+$')",
    "descriptors[0].nul == 'a'",
    "descriptors[0].nul == 'a\\u0000b'",
    "size(descriptors[0].nul)",
    "descriptors.exists(d, d.method == 'GET')",
    "descriptors.all(d, d.method in ['GET', 'HEAD'])",
    "descriptors.map(d, d.path + '!')",
    "descriptors.filter(d, d.n == '12').size()",
    "descriptors.exists_one(d, 'n' in d)",
    "limit.name == null",
    "max(int(descriptors[0].n), 3, 4.5)",
    "min([3u, 2, 2.5])",
    "max([])",
    "max('a', 'b', 'a\\u0000')",
    "max(1, 'a')",
    "max(true, 1)",
    "max(18446744073709551615u, 1) == 18446744073709551615u",
    "(1/0 > 0) || descriptors[0].method == 'GET'",
    "(1/0 > 0) && descriptors[0].method == 'POST'",
    "descriptors[0].method && true",
    "descriptors[0].method ? 1 : 2",
    "string(1.0) + string(1e6) + string(1e-5) + string(0.1) + string(1u) + string(true)",
    "[1, 2, 3].map(x, x > 1, x * 2)",
    "[[1], [2, 3]].map(x, x.map(y, y + 1))",
    "[1, 2].map(x, [3, 4].map(y, x * y))",
    "[0, 1].exists(x, 1 / x > 0)",
    "[3, 4].filter(x, 1 / (x - 3) > 0)",
    "{'a': 1, 'b': [2]}['b'][0]",
    "{'a': 1}.all(k, k == 'a')",
    "{1: 'x', true: 'z', 's': 't'}[dyn(1u)]",
    "{1u: 'x', 2u: 'y'}[dyn(2.0)]",
    "{1.5: 2}",
    "{'a': 1, 'a': 2}",
    "b'abc' == bytes('abc') && string(b'\\xff') == ''",
    "-(-9223372036854775807 - 1)",
    "9223372036854775807 + 1 > 0 || true",
    "'é😀'.size() == 2 && size(b'é') == 2",
]
AUTHORIZATION = [
    "request.size == 12 && request.size > 11u",
    "request.size + 1",
    "request.headers['x-é'] == 'ü'",
    "request.headers['k\\u0000'] == 'v'",
    "request.headers.nul.contains('b')",
    "request.list[2] == 3",
    "request.list[2.0]",
    "request.list[6]",
    "request.list[-1]",
    "request.list['a']",
    "request.list == ['a', 'b', 3, null, true, {'x': 1.5}]",
    "3 in request.list && null in request.list && !(4 in request.list)",
    "source.address",
    "auth.identity.groups.exists(g, g == 'admin')",
    "auth.?identity.?age.orValue(0)",
    "auth.?identity.missing.orValue('x')",
    "auth.?nothing.?age.hasValue()",
    "auth.?nothing.value()",
    "auth.identity.?none.hasValue()",
    "auth.identity.age.?x.orValue(1)",
    "auth.?identity.age.x.orValue(1)",
    "auth.?identity.age.x.orValue(1) == 1 || true",
    "request.list[?0].orValue('z') + request.list[?9].orValue('z')",
    "metadata.?a.or(metadata.?b).or(optional.of('c')).orValue('d')",
    "optional.none().orValue(1)",
    "has(auth.?identity.groups) && !has(auth.?nothing.groups)",
    "[?auth.?identity.age, 'x', ?metadata.?y]",
    "'ÀBc'.lowerAscii() + 'àbC'.upperAscii()",
    "'a,b,,é'.split(',') + ','.split(',') + ''.split(',') + ''.split('') + 'aé'.split('')",
    "'a,b,c'.split(',', 2) + 'abc'.split('', 2) + 'a,b'.split(',', 0) + 'a'.split(',', -1)",
    "'abcabc'.replace('b', 'é') + 'abc'.replace('', '-') + 'aaa'.replace('aa', 'b')",
    "'abab'.replace('a', '', 1) + 'ab'.replace('', 'x', 2) + 'ab'.replace('a', 'x', 0)",
    "'éab'.substring(1) + 'éab'.substring(0, 2) + 'éab'.substring(3) + ''.substring(0)",
    "'ab'.substring(3)",
    "'ab'.substring(-1)",
    "'ab'.substring(1, 0)",
    "'ab'.substring(0, 2)",
    "'ab'.substring(1, 2)",
    "'ab'.substring(2, 2)",
    "'é'.substring(0, 1)",
    "'ab'.substring(0, 3)",
    "'éab'.charAt(0) + 'éab'.charAt(3)",
    "'ab'.charAt(3)",
    "['éab'.indexOf('b'), 'a'.indexOf(''), ''.indexOf(''), 'a'.indexOf('ab'), ''.indexOf('a')]",
    "[' \u2003a\u00a0b\u0085 '.trim(), ' '.trim(), ''.trim(), '\u200ba'.trim()]",
    "request.method.split('')[1] == 'E' && request.headers.nul.split('\u0000') == ['a', 'b']",
    "request.size.split(',')",
    "auth.identity.verified ? request.method : 1",
    "auth.identity.age ? 1 : 2",
    "dyn(request.method) == 'GET'",
    "int(request.size) % 5 == 2",
    "request.headers.empty == '' && request.headers.size() == 4",
]
CASES = [(source, Context.LIMIT_CONDITION) for source in LIMITS]
CASES += [(source, Context.AUTHORIZATION) for source in AUTHORIZATION]


@pytest.mark.parametrize(("source", "context"), CASES)
def test_expression_gives_same_result_in_both_lanes(source: str, context: Context) -> None:
    expression = compile_expression(source, context, strict=False)
    roots: dict[str, object] = dict(REQUEST)
    if context is Context.LIMIT_CONDITION:
        roots = {**DESCRIPTORS, "limit": {"name": None, "id": "a"}}
    full, fast = full_lane(expression, roots), fast_lane(expression, roots)
    assert full[0] == fast[0], (full, fast)
    assert same(full[1], fast[1]), (full, fast)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("request.method.substring(0, 3)", "GET"),
        ("'a\U0001f98ab'.substring(1, size('a\U0001f98ab'))", "\U0001f98ab"),
        ("'ab'.substring(2, 2)", ""),
        ("auth.?identity.missing.orValue('/a/b').substring(1, 4).substring(1, 3)", "/b"),
        ("['abc'].map(x, x.substring(1, 3))[0]", "bc"),
    ],
)
def test_substring_may_end_with_the_text(source: str, value: str) -> None:
    expression = compile_expression(source, Context.AUTHORIZATION, strict=True)
    assert full_lane(expression, REQUEST) == fast_lane(expression, REQUEST) == (0, value)


@pytest.mark.parametrize("size", [9999, 10000])
@pytest.mark.parametrize(
    "source",
    [
        "request.l.exists(x, x == 9998) || true",
        "request.l.exists(x, x == 9999) || true",
        "request.l.all(x, x >= 0)",
        "request.l.exists(x, x == 4000) && request.l.exists(x, x == 5997)",
        "request.l.exists(x, x == 4000) && request.l.exists(x, x == 5998)",
        # cel-cpp takes seconds for the list that grows.
        pytest.param("request.l.map(x, x).size()", marks=pytest.mark.slow),
        pytest.param("request.l.filter(x, x == 1).size()", marks=pytest.mark.slow),
    ],
)
def test_iteration_budget_ends_both_lanes_alike(source: str, size: int) -> None:
    expression = compile_expression(source, Context.AUTHORIZATION, strict=True)
    roots = {"request": {"l": [float(item) for item in range(size)]}}
    assert full_lane(expression, roots) == fast_lane(expression, roots)


@pytest.mark.parametrize(
    ("source", "construct"),
    [
        ("descriptors[0].x.matches(descriptors[0].y)", "matches with a computed pattern"),
        ("descriptors[0].x.matches('(')", "RE2 refuses the pattern '('"),
        ("type(descriptors) == list", "the function type"),
        ("timestamp(descriptors[0].t) > timestamp('2020-01-01T00:00:00Z')", "timestamp"),
        ("descriptors[0].x == 'a' && nope(1)", "the function nope"),
        ("int == int", "the name int"),
        ("{1: 'x', 2u: 'y'}[2] == 'y'", "int and uint keys"),
        ("{descriptors[0].x: 1}.size() == 1", "a computed key"),
        ("google.protobuf.Int32Value{value: 1} == 1", "the message google.protobuf.Int32Value"),
    ],
)
def test_refused_expression_names_construct(source: str, construct: str) -> None:
    expression = compile_expression(source, Context.LIMIT_CONDITION, strict=False)
    assert expression.native is None
    assert construct in str(expression.refusal)


@pytest.mark.parametrize(
    "source", ["auth.?identity", "auth.?a == auth.?b", "true ? auth.?a : 1", "{?'a': auth.?a}"]
)
def test_optional_outside_its_operations_is_refused(source: str) -> None:
    expression = compile_expression(source, Context.AUTHORIZATION, strict=False)
    assert expression.native is None
    assert "optional" in str(expression.refusal)
