"""Generated AuthConfigs and requests: `Lanes.ask` asserts that both lanes give the same bytes."""

from typing import Any

import pytest
from envoy.service.auth.v3 import external_auth_pb2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.authz.lanes import Lanes
from tests.fastpath import check_messages

SELECTORS = [
    "request",
    "request.method",
    "request.url_path",
    "request.headers.x-a",
    r"request.headers.\:path",
    "request.headers",
    "request.size",
    "request.time.seconds",
    "request.nothing.at.all",
    "source",
    "destination.port",
    "metadata",
    "metadata.filter_metadata",
    "context.request.http.path",
    "context.source.address",
    "context",
    "auth",
    "auth.identity",
    "auth.identity.metadata.name",
    "auth.identity.metadata.labels",
    "auth.authorization.a",
    "auth.authorization",
    "auth.response.b",
    "auth.response",
]
# Nothing that lists a map: CEL leaves the order open, and cel-cpp has no stable one.
EXPRESSIONS = [
    "request.method",
    "request.path",
    'request.headers["x-a"]',
    'request.headers[?"x-a"].orValue("none")',
    "size(request.headers)",
    "request.size",
    "request.size + 1.5",
    "request.time.seconds",
    '"<&>" + request.url_path',
    "1 / 0",
    "7 % 3",
    "9007199254740993",
    "-9007199254740993",
    "18446744073709551615u",
    "1e21",
    "0.1 + 0.2",
    "-0.0",
    "0.0 / 0.0",
    'b"\\xff\\x00"',
    "null",
    "[1, 2.5, true, null, 'x']",
    '{"b": 1, "a": {"c": [request.method]}}',
    '{2: "x", 10: "y"}',
    "auth",
    "auth.identity",
    "auth.identity.anonymous",
    "auth.identity.metadata.labels",
    "auth.response",
    "has(auth.response) ? auth.response : {}",
    "source",
    "destination.port",
    "metadata",
    "metadata.filter_metadata",
    "request.headers.map(k, request.headers[k]).size()",
    'int("12") * 3',
    'double("1.25")',
    "string(request.size)",
    'request.path.split("/")',
    'timestamp("2026-01-02T03:04:05.5Z")',
    'duration("90s")',
    "request.host.lowerAscii()",
]
PREDICATES = [
    "true",
    "false",
    'request.method == "GET"',
    'request.path.startsWith("/a")',
    '"x-a" in request.headers',
    'request.headers["x-a"] != ""',
    'request.headers.exists(k, k.startsWith("x-"))',
    "request.size > 3",
    "request.size == 3",
    "auth.identity.anonymous",
    'auth.identity.metadata.name.matches("^k[0-9]$")',
    "has(auth.identity.metadata)",
    "auth.authorization.a == true",
    "has(auth.response)",
    "request.method",
    "1 / 0 == 1 || true",
    "request.nothing == 1",
    'request.host.lowerAscii() == "toys.com"',
]
OPERATORS = ["eq", "neq", "incl", "excl", "matches"]
OPERANDS = ["", "GET", "/a", "true", "k1", "3", "^/a", "x.*y"]
NAMES = st.sampled_from(["a", "b", "c", "<d>", "é"])
HEADERS = st.sampled_from(["a", "b", "x-c"])
PRIORITY = st.sampled_from([0, 0, 1, -1])

statics: st.SearchStrategy[Any] = check_messages.json_values | st.integers(-(2**60), 2**60)
values = (
    st.sampled_from(SELECTORS).map(lambda text: {"selector": text})
    | st.sampled_from(EXPRESSIONS).map(lambda text: {"expression": text})
    | statics.map(lambda value: {"value": value})
)
patterns = st.builds(
    lambda selector, operator, value: {"selector": selector, "operator": operator, "value": value},
    st.sampled_from(SELECTORS),
    st.sampled_from(OPERATORS),
    st.sampled_from(OPERANDS),
)
conditions = st.recursive(
    patterns
    | st.sampled_from(PREDICATES).map(lambda text: {"predicate": text})
    | st.just({"patternRef": "named"}),
    lambda inner: st.builds(
        lambda kind, items: {kind: items},
        st.sampled_from(["all", "any"]),
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=3,
)
whens = st.just([]) | st.just([]) | st.lists(conditions, min_size=1, max_size=2)
credentials = st.sampled_from(
    [
        {},
        {"authorizationHeader": {"prefix": "APIKEY"}},
        {"customHeader": {"name": "X-Key"}},
        {"queryString": {"name": "key"}},
        {"cookie": {"name": "sid"}},
    ]
)


caches = values.map(lambda key: {"cache": {"key": key, "ttl": 60}})


@st.composite
def entries(draw: st.DrawFn, method: st.SearchStrategy[dict[str, Any]]) -> dict[str, Any]:
    cache = draw(caches) if draw(st.integers(0, 5)) == 0 else {}
    return draw(method) | {"priority": draw(PRIORITY), "when": draw(whens)} | cache


api_keys = credentials.map(
    lambda place: {
        "apiKey": {"selector": {"matchLabels": {"app": "toys"}}},
        "credentials": place,
    }
)
plains = st.sampled_from(SELECTORS).map(lambda text: {"plain": {"selector": text}}) | (
    st.sampled_from(EXPRESSIONS).map(lambda text: {"plain": {"expression": text}})
)
extensions = st.dictionaries(
    st.sampled_from(["metadata", "b", "anonymous", "é"]), values, max_size=2
)


@st.composite
def identities(draw: st.DrawFn) -> dict[str, Any]:
    method = draw(st.one_of(st.just({"anonymous": {}}), api_keys, api_keys, plains))
    extended = draw(st.integers(0, 3)) == 0
    more = {"defaults": draw(extensions), "overrides": draw(extensions)} if extended else {}
    return method | more | {"metrics": draw(st.booleans())}


authentication = entries(identities())
authorization = entries(
    st.lists(conditions, min_size=1, max_size=2).map(
        lambda items: {"patternMatching": {"patterns": items}}
    )
)
success = entries(
    values.map(lambda value: {"plain": value})
    | st.dictionaries(NAMES, values, max_size=3).map(lambda found: {"json": {"properties": found}})
)
denials = st.fixed_dictionaries(
    {},
    optional={
        "code": st.sampled_from([302, 404, 418]),
        "message": values,
        "body": values,
        "headers": st.dictionaries(HEADERS, values, max_size=2),
    },
)
specs = st.fixed_dictionaries(
    {
        "patterns": st.just(
            {"named": [{"selector": "request.method", "operator": "eq", "value": "GET"}]}
        ),
        "authentication": st.dictionaries(NAMES, authentication, max_size=3),
        "authorization": st.dictionaries(NAMES, authorization, max_size=3),
        "response": st.fixed_dictionaries(
            {
                "unauthenticated": denials,
                "unauthorized": denials,
                "success": st.fixed_dictionaries(
                    {
                        "headers": st.dictionaries(HEADERS, success, max_size=3),
                        "dynamicMetadata": st.dictionaries(NAMES, success, max_size=3),
                    }
                ),
            }
        ),
    },
    optional={"when": st.lists(conditions, min_size=1, max_size=1)},
)


@st.composite
def questions(draw: st.DrawFn) -> external_auth_pb2.CheckRequest:
    """A CheckRequest of any shape for the host, often with a key somewhere."""
    message = draw(check_messages.requests())
    http = message.attributes.request.http
    http.host = "toys.com"
    http.method = draw(st.sampled_from(["GET", "POST"]))
    key = draw(st.sampled_from(["k1", "k2", "no"]))
    http.path = draw(check_messages.paths) + draw(st.sampled_from(["", f"?key={key}"]))
    for name, value in (
        ("authorization", f"Bearer {key}"),
        ("authorization", f"APIKEY {key}"),
        ("x-key", key),
        ("cookie", f"sid={key}"),
    ):
        if draw(st.booleans()):
            http.ClearField("header_map")
            http.headers[name] = value
    message.attributes.context_extensions.pop("host", None)
    return message


def compare(spec: dict[str, Any], asked: list[external_auth_pb2.CheckRequest]) -> None:
    lanes = Lanes()
    for name in ("k1", "k2"):
        lanes.secret(name, key=name)
    assert lanes.config(**spec) == []
    for message in asked:
        lanes.ask(message)


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(specs, st.lists(questions(), min_size=1, max_size=3))
def test_lanes_agree(spec: dict[str, Any], asked: list[external_auth_pb2.CheckRequest]) -> None:
    compare(spec, asked)


@pytest.mark.slow
@settings(max_examples=1500, suppress_health_check=list(HealthCheck))
@given(specs, st.lists(questions(), min_size=1, max_size=3))
def test_lanes_agree_at_length(
    spec: dict[str, Any], asked: list[external_auth_pb2.CheckRequest]
) -> None:
    compare(spec, asked)
