"""Native decisions against the model, byte for byte, over generated rules and requests."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from envoy.service.auth.v3 import external_auth_pb2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from _fastpath.cells import Series
from _fastpath.check import CheckDecider
from _fastpath.check_codec import decode_check_request
from _fastpath.document import NativeDocument
from _fastpath.host_index import HostIndex
from _fastpath.identity import IdentityTable
from _fastpath.plan import Plans
from _fastpath.remembered import RememberedTable, result_key
from _fastpath.rule import rule
from _fastpath.rule_spec import (
    AllOf,
    AnyOf,
    Authentication,
    Authorization,
    Credential,
    Denial,
    Metadata,
    Place,
    Remembered,
    RuleSpec,
    SuccessItem,
    Target,
)
from tests.fastpath import check_model as model

NAMES = ("a", "b", "<c>", "é")
PRIORITIES = st.sampled_from([0, 0, 0, 1, -1])
KEYS = (b"one", b"two")
SCOPE = 7
RESULTS: Any = ({"name": "cora", "n": 1.0}, "text <&>", [1.5, None], {"z": {}, "name": "alice"})
REMEMBERED = {
    (SCOPE, key): RESULTS[number % len(RESULTS)]
    for number, key in enumerate(
        key
        for value in ("text", "GET", "alice", {"z": [1, "<&>", None], "a": True}, 1637954644, {})
        for credential in (None, b"one", b"none", b"")
        for key in (result_key(value, credential), credential)
        if key is not None
    )
}
IDENTITIES: Any = ({"name": "alice", "n": 7.0, "deep": {"list": [1.0, None]}}, {"name": "b<o>b"})


@dataclass
class Terms:
    """Every term a generated rule uses, so that the model finds it again."""

    used: list[model.Term] = field(default_factory=list)

    def keep(self, term: model.Term) -> Any:
        self.used.append(term)
        return term.native


def conditions(terms: Terms) -> st.SearchStrategy[tuple[Any, ...]]:
    tests = [
        lambda: model.constant(True),
        lambda: model.constant(False),
        lambda: model.constant("no boolean"),
        model.failing,
        lambda: model.equals("GET", "request", "method"),
        lambda: model.equals("alice", "auth", "identity", "name"),
        lambda: model.equals("true", "auth", "authorization", "a"),
        lambda: model.equals("x", "auth", "response", "b"),
        lambda: model.strict("auth", "authorization", "b"),
    ]
    likely = st.sampled_from([0, 0, 0, 4, 5, 6, 1, 2, 3, 7, 8])
    leaf = likely.map(lambda number: terms.keep(tests[number]()))
    tree = st.recursive(
        leaf,
        lambda inner: st.builds(
            lambda kind, items: kind(tuple(items)),
            st.sampled_from([AllOf, AnyOf]),
            st.lists(inner, max_size=3),
        ),
        max_leaves=4,
    )
    return st.lists(tree, max_size=2).map(tuple)


def sources(terms: Terms) -> st.SearchStrategy[Any]:
    values = [
        lambda: model.static("text"),
        lambda: model.static(""),
        lambda: model.static({"z": [1, "<&>", None], "a": True}),
        lambda: model.static(1637954644),
        lambda: model.constant(2**60),
        lambda: model.constant(b"\xff\x00"),
        lambda: model.constant({1: 2, 3: "x"}),
        lambda: model.constant(float("nan")),
        lambda: model.constant("line\r\nbreak"),
        model.failing,
        lambda: model.selector("request", "headers", "x-a"),
        lambda: model.selector("request", "url_path"),
        lambda: model.selector("auth"),
        lambda: model.selector("auth", "identity", "name"),
        lambda: model.selector("auth", "response"),
        lambda: model.selector("auth", "authorization"),
        lambda: model.strict("auth", "identity", "n"),
        lambda: model.strict("auth", "response", "a"),
        lambda: model.selector("context", "request", "http"),
    ]
    return st.sampled_from(values).map(lambda make: terms.keep(make()))


def unique_names(count: int) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(NAMES), unique=True, max_size=count)


def remembered(terms: Terms) -> st.SearchStrategy[Remembered]:
    key = st.sampled_from([lambda: model.selector("request", "method"), None])
    known = key.map(lambda make: make and terms.keep(make()))
    return st.builds(Remembered, st.sampled_from([SCOPE, SCOPE, 8]), known | sources(terms))


def keyed(terms: Terms) -> st.SearchStrategy[Remembered]:
    return remembered(terms).filter(lambda found: found.key is not None)


def common(draw: st.DrawFn, terms: Terms) -> dict[str, Any]:
    return {
        "priority": draw(PRIORITIES),
        "waits": draw(st.booleans()),
        "when": draw(conditions(terms)) if draw(st.booleans()) else (),
    }


def named_sources(terms: Terms) -> st.SearchStrategy[tuple[tuple[str, Any], ...]]:
    names = st.sampled_from(("name", *NAMES))
    return st.dictionaries(names, sources(terms), max_size=2).map(lambda d: tuple(d.items()))


@st.composite
def authentications(draw: st.DrawFn, terms: Terms) -> tuple[Authentication, ...]:
    names = draw(unique_names(3).filter(len))
    methods = st.one_of(
        st.just({}),
        *[st.sampled_from([{"key_set": 0}, {"key_set": 0}, {"key_set": 1}])] * 3,
        sources(terms).map(lambda source: {"plain": source}),
        remembered(terms).map(lambda found: {"remembered": found}),
        st.just({"foreign": "elsewhere"}),
    )
    entries = []
    for name in names:
        place = draw(st.sampled_from(list(Place)))
        credential = ("APIKEY", "X-Key", "key", "sid", "", "X-Key")[place]
        extended = draw(st.integers(0, 3)) == 0
        entries.append(
            Authentication(
                name=name,
                challenge=credential,
                credential=Credential(place, credential),
                defaults=draw(named_sources(terms)) if extended else (),
                overrides=draw(named_sources(terms)) if extended else (),
                **draw(methods),
                **common(draw, terms),
            )
        )
    return tuple(entries)


@st.composite
def metadata(draw: st.DrawFn, terms: Terms) -> tuple[Metadata, ...]:
    return tuple(
        Metadata(
            name=name,
            required=draw(st.booleans()),
            **draw(
                st.one_of(
                    *[keyed(terms).map(lambda found: {"remembered": found})] * 4,
                    st.just({"foreign": "elsewhere"}),
                )
            ),
            **common(draw, terms),
        )
        for name in draw(unique_names(2))
    )


@st.composite
def authorizations(draw: st.DrawFn, terms: Terms) -> tuple[Authorization, ...]:
    methods = st.one_of(
        *[conditions(terms).map(lambda patterns: {"patterns": patterns})] * 4,
        keyed(terms).map(lambda found: {"remembered": found}),
        st.just({"foreign": "elsewhere"}),
    )
    return tuple(
        Authorization(name=name, **draw(methods), **common(draw, terms))
        for name in draw(unique_names(3))
    )


@st.composite
def denials(draw: st.DrawFn, terms: Terms) -> Denial:
    source = sources(terms)
    named = st.lists(st.tuples(st.sampled_from(NAMES), source), max_size=2).map(tuple)
    return Denial(
        code=draw(st.sampled_from([0, 0, 302, 418])),
        message=draw(st.none() | source),
        body=draw(st.none() | source),
        headers=draw(st.none() | named),
    )


@st.composite
def success_items(draw: st.DrawFn, terms: Terms) -> tuple[SuccessItem, ...]:
    methods = st.one_of(
        *[sources(terms).map(lambda source: {"plain": source})] * 3,
        *[
            st.dictionaries(st.sampled_from(NAMES), sources(terms), max_size=3).map(
                lambda found: {"json": tuple(found.items())}
            )
        ]
        * 3,
        st.builds(
            lambda found, as_json: {"remembered": found, "as_json": as_json},
            keyed(terms),
            st.booleans(),
        ),
        st.just({"foreign": "elsewhere"}),
    )
    return tuple(
        SuccessItem(
            name=draw(st.sampled_from(NAMES)),
            key=draw(st.sampled_from(NAMES)),
            target=draw(st.sampled_from(list(Target))),
            **draw(methods),
            **common(draw, terms),
        )
        for _ in range(draw(st.integers(0, 4)))
    )


@st.composite
def rules(draw: st.DrawFn) -> tuple[RuleSpec, Terms]:
    terms = Terms()
    spec = RuleSpec(
        "ns",
        "name",
        when=draw(conditions(terms)) if draw(st.integers(0, 3)) == 0 else (),
        authentication=draw(authentications(terms)),
        metadata=draw(metadata(terms)) if draw(st.booleans()) else (),
        authorization=draw(authorizations(terms)),
        unauthenticated=draw(denials(terms)),
        unauthorized=draw(denials(terms)),
        success=draw(success_items(terms)),
        skip_failed_conditions=draw(st.booleans()),
    )
    return spec, terms


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    message = external_auth_pb2.CheckRequest()
    http = message.attributes.request.http
    http.method = draw(st.sampled_from(["GET", "POST"]))
    http.host = "a.test"
    key = draw(st.sampled_from(["one", "two", "none", ""]))
    query = draw(st.sampled_from(["", f"?key={key}", f"?a=b&key={key}", "?key=%zz"]))
    http.path = draw(st.sampled_from(["/", "/a%20b", "/x"])) + query
    for name, value in (
        ("authorization", f"APIKEY {key}"),
        ("x-key", key),
        ("cookie", f"a=b; sid={key}"),
        ("x-a", "v<&>"),
    ):
        if draw(st.booleans()):
            http.headers[name] = value
    return bytes(message.SerializeToString())


def decider_of(spec: RuleSpec) -> tuple[CheckDecider, IdentityTable, Series]:
    series, plans, identities = Series(1), Plans(1), IdentityTable()
    for key_set, key, identity in ((0, KEYS[0], IDENTITIES[0]), (1, KEYS[1], IDENTITIES[1])):
        identities.put(key_set, key, NativeDocument(identity))
    plans.publish(None, HostIndex().edit({"a.test": rule(spec, series)}))
    remembered = RememberedTable()
    for (scope, key), value in REMEMBERED.items():
        remembered.put(scope, key, NativeDocument(value), 7)
    return CheckDecider(plans, identities, series, remembered), identities, series


def answered() -> list[tuple[str, str]]:
    codes = ("OK", "UNAUTHENTICATED", "PERMISSION_DENIED")
    return [("auth_server_response_status", code) for code in codes]


def compare(spec: RuleSpec, terms: Terms, bodies: Sequence[bytes]) -> None:
    decider, _, series = decider_of(spec)
    keys = {(0, KEYS[0]): IDENTITIES[0], (1, KEYS[1]): IDENTITIES[1]}
    reference = model.Model(spec, terms.used, keys, REMEMBERED)
    deferred = 0
    for body in bodies:
        outcome, answer, status, _, generation = decider.check(body, 5, 6)
        assert (status, generation) == (0, 1)
        try:
            expected = reference.answer(decode_check_request(body, 5, 6))
        except model.Deferred:
            assert outcome == "deferred"
            deferred += 1
            continue
        assert outcome == "answer"
        parsed = external_auth_pb2.CheckResponse.FromString
        assert answer == expected, f"{parsed(answer)}\nexpected {parsed(expected)}"
    totals = series.totals()
    assert sum(totals[name, code] for name, code in answered()) == len(bodies) - deferred
    assert totals["tollhouse_authz_deferred_total", "ns", "name"] == deferred


@settings(max_examples=50)
@given(rules(), st.lists(requests(), min_size=1, max_size=3))
def test_native_answer_equals_the_model(
    generated: tuple[RuleSpec, Terms], bodies: Sequence[bytes]
) -> None:
    compare(*generated, bodies)


@pytest.mark.slow
@settings(max_examples=1000, suppress_health_check=list(HealthCheck))
@given(rules(), st.lists(requests(), min_size=1, max_size=3))
def test_native_answer_equals_the_model_at_length(
    generated: tuple[RuleSpec, Terms], bodies: Sequence[bytes]
) -> None:
    compare(*generated, bodies)
