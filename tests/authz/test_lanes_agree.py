"""Generated AuthConfigs and hostile requests: both lanes answer the same bytes."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.authz.lanes import Lanes, check_request

TEXTS = st.one_of(
    st.sampled_from(["", "GET", "/toys", "gold", "alice-key", "a.b", "é", "\x00", "1", "true"]),
    st.text(max_size=8),
)
NAMES = st.sampled_from(["x-a", "x-b", "cookie", "authorization", "x-key"])
SELECTORS = st.sampled_from(
    [
        "request.method", "request.path", "request.url_path", "request.query", "request.host",
        "request.headers.x-a", "request.headers.x-b", "request.headers", "request.size",
        "request.time", "request.context_extensions.plan", "source.address", "source.port",
        "auth", "auth.identity", "auth.identity.metadata.name", "auth.identity.anonymous",
        "auth.identity.metadata.labels.tier", "auth.authorization.first", "auth.response.x-one",
        "context.request.http.method", "metadata.filter_metadata", "request.nothing", "nothing",
    ]
)  # fmt: skip
PREDICATES = st.sampled_from(
    [
        "request.method == 'GET'", "request.path.startsWith('/t')", "'x-a' in request.headers",
        "request.headers['x-a'] == 'gold'", "has(auth.identity.metadata)",
        "auth.identity.metadata.labels.tier == 'gold'", "auth.?identity.?x.orValue('') == ''",
        "request.headers.exists(h, h.startsWith('x-'))", "size(request.path) > 4",
        "request.path.matches('^/[a-z]+$')", "1 / size(request.query) > 0", "request.method",
        "auth.authorization.first", "request.nothing", "double(request.headers['x-b']) > 1.5",
        "request.size == 0", "request.url_path.lowerAscii() == '/toys' || true",
        "request.host in ['toys.com', 'x']", "source.port > 10", "auth.identity.anonymous",
    ]
)  # fmt: skip
EXPRESSIONS = st.one_of(
    PREDICATES,
    st.sampled_from(
        [
            "request.path + '!'", "request.headers", "[1, 2.5, 'a', null, true]", "auth.identity",
            "{'a': request.method, 'b': size(request.path)}", "1u", "9007199254740993", "b'x'",
            "request.path.split('/')", "null", "-0.0", "1e300", "0.1 + 0.2",
        ]
    ),
)  # fmt: skip


def patterns() -> st.SearchStrategy[dict[str, Any]]:
    operators = st.sampled_from(["eq", "neq", "incl", "excl"])
    plain = st.one_of(
        st.fixed_dictionaries({"selector": SELECTORS, "operator": operators, "value": TEXTS}),
        st.fixed_dictionaries(
            {
                "selector": SELECTORS,
                "operator": st.just("matches"),
                "value": st.sampled_from(["^/t", "gold|x", "", "[a-z]+$", "é"]),
            }
        ),
        st.fixed_dictionaries({"predicate": PREDICATES}),
    )
    return st.recursive(
        plain,
        lambda inner: st.one_of(
            st.fixed_dictionaries({"all": st.lists(inner, max_size=3)}),
            st.fixed_dictionaries({"any": st.lists(inner, max_size=3)}),
        ),
        max_leaves=4,
    )


CONDITIONS = st.lists(patterns(), max_size=2)
PRIORITY = st.integers(-1, 1)
VALUES = st.one_of(
    st.fixed_dictionaries({"selector": SELECTORS}),
    st.fixed_dictionaries({"expression": EXPRESSIONS}),
    st.fixed_dictionaries(
        {"value": st.one_of(TEXTS, st.integers(-5, 5), st.none(), st.just([{"a": 1.5}]))}
    ),
)
CREDENTIALS = st.sampled_from(
    [
        {}, {"authorizationHeader": {"prefix": "APIKEY"}}, {"customHeader": {"name": "X-Key"}},
        {"cookie": {"name": "k"}}, {"queryString": {"name": "k"}},
    ]
)  # fmt: skip
METHODS = st.one_of(
    st.just({"anonymous": {}}),
    st.fixed_dictionaries(
        {
            "apiKey": st.just({"selector": {"matchLabels": {"app": "toys"}}}),
            "credentials": CREDENTIALS,
        }
    ),
)


def evaluator(method: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    common = st.fixed_dictionaries({}, optional={"priority": PRIORITY, "when": CONDITIONS})
    return st.tuples(method, common).map(lambda parts: {**parts[0], **parts[1]})


ITEMS = evaluator(
    st.one_of(
        st.fixed_dictionaries({"plain": VALUES}),
        st.fixed_dictionaries(
            {
                "json": st.fixed_dictionaries(
                    {"properties": st.dictionaries(st.sampled_from(["b", "a", "<"]), VALUES)}
                )
            }
        ),
    )
)
DENIALS = st.fixed_dictionaries(
    {},
    optional={
        "code": st.sampled_from([302, 401, 503]),
        "message": VALUES,
        "body": VALUES,
        "headers": st.dictionaries(st.sampled_from(["location", "x-why"]), VALUES),
    },
)
SPECS = st.fixed_dictionaries(
    {},
    optional={
        "when": CONDITIONS,
        "authentication": st.dictionaries(st.sampled_from(["one", "two", "a"]), evaluator(METHODS)),
        "authorization": st.dictionaries(
            st.sampled_from(["first", "second"]),
            evaluator(
                st.fixed_dictionaries(
                    {"patternMatching": st.fixed_dictionaries({"patterns": CONDITIONS})}
                )
            ),
        ),
        "response": st.fixed_dictionaries(
            {},
            optional={
                "unauthenticated": DENIALS,
                "unauthorized": DENIALS,
                "success": st.fixed_dictionaries(
                    {},
                    optional={
                        "headers": st.dictionaries(st.sampled_from(["x-one", "x-two"]), ITEMS),
                        "dynamicMetadata": st.dictionaries(st.sampled_from(["m", "n"]), ITEMS),
                    },
                ),
            },
        ),
    },
)
PATHS = st.one_of(
    st.sampled_from(["/toys", "/t?k=alice-key", "/%zz", "//x", "/?k=%61lice-key", "*", ""]),
    st.text(max_size=12),
)
HEADERS = st.dictionaries(
    NAMES,
    st.one_of(TEXTS, st.sampled_from(["APIKEY alice-key", "Bearer alice-key", "k=alice-key; b"])),
)


@given(SPECS, st.lists(st.tuples(PATHS, HEADERS, TEXTS), min_size=1, max_size=4))
def test_generated_configs_and_requests_get_one_answer(
    spec: dict[str, Any], requests: list[tuple[str, dict[str, str], str]]
) -> None:
    lanes = Lanes()
    lanes.secret("alice", tier="gold")
    assert lanes.config(**spec) == []
    for path, headers, extension in requests:
        request = check_request(path)
        request.attributes.request.http.headers.update(headers)
        request.attributes.context_extensions["plan"] = extension
        request.attributes.source.address.socket_address.address = "1.2.3.4"
        request.attributes.source.address.socket_address.port_value = len(path)
        assert lanes.ask(request).code in (0, 7, 16)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused_or_answered_alike(data: bytes) -> None:
    lanes = Lanes()
    lanes.config()
    end = lanes.end_of(data)
    assert end is None or end == (13, "malformed CheckRequest")
