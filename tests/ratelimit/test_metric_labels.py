"""The operator's labels on the request counters; both lanes count alike."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from _fastpath.metric_labels import label_set, pack_labels, unpack_labels
from ratelimit.errors import LimitsFileError
from ratelimit.metric_labels import MetricLabels, expression_of, parse
from tests.ratelimit.host import LANES, Host
from tests.ratelimit.test_metrics import exposition

LIMITS = "- {namespace: n, max_value: 1, seconds: 600, conditions: [], variables: [], name: one}\n"
FILE = """\
user: descriptors[0].user
size: size(descriptors)
big: descriptors[0].size == '9'
number: int(descriptors[0].size)
nothing: descriptors[0]
"""


@dataclass
class Labeled:
    host: Host

    def use(self, text: str, defaults: str | None = None) -> None:
        expression = expression_of(defaults) if defaults else None
        self.host.labels.apply(parse(text, "labels.yaml", expression)[0])

    def lines(self) -> list[str]:
        lines = exposition(self.host, limit_name_label=True)
        own = ("authorized_", "limited_calls{", "report_calls{")
        return sorted(line for line in lines if line.startswith(own))


@pytest.fixture(params=LANES)
def labeled(request: pytest.FixtureRequest) -> Labeled:
    host = Host(native=request.param == "native", labeled=True)
    host.load(LIMITS)
    return Labeled(host)


def test_values_are_text_numbers_and_booleans(labeled: Labeled) -> None:
    labeled.use(FILE)
    labeled.host.should("n", {"user": "ann", "size": "9"})
    labeled.host.should("n", {"user": 'a"b\\\n'}, {})
    assert labeled.lines() == [
        'authorized_calls{big="true",limitador_namespace="n",number="9",size="1",user="ann"} 1.0',
        'authorized_hits{big="true",limitador_namespace="n",number="9",size="1",user="ann"} 1.0',
        'limited_calls{limit_name="one",limitador_namespace="n",size="2",user="a\\"b\\\\\\n"} 1.0',
    ]
    if labeled.host.native:
        assert labeled.host.outcomes == ["answer", "answer"]


def test_defaults_are_a_map_of_text(labeled: Labeled) -> None:
    labeled.use(
        "user: descriptors[0].user", "{'tenant': descriptors[0].tenant, 'n': 1, 'user': 'x'}"
    )
    labeled.host.report("n", {"tenant": "acme"}, hits=5)
    labeled.host.check("n", {"user": "ann"})
    assert labeled.lines() == [
        'authorized_hits{limitador_namespace="n",tenant="acme"} 5.0',
        'limited_calls{limit_name="one",limitador_namespace="n",user="ann"} 1.0',
        'report_calls{namespace="n",tenant="acme"} 1.0',
    ]


def test_entries_of_a_descriptor_are_labels_where_names_allow(labeled: Labeled) -> None:
    labeled.use("", "descriptors[0]")
    labeled.host.should(
        "unknown", {"b": "2", "a": "1", "no.name": "x", "limit_name": "y", "__m": "z"}
    )
    labeled.host.should("unknown", {"a": "1", "b": "2"})
    assert labeled.lines() == [
        'authorized_calls{a="1",b="2",limitador_namespace="unknown"} 2.0',
        'authorized_hits{a="1",b="2",limitador_namespace="unknown"} 2.0',
    ]


def test_series_are_bounded(labeled: Labeled) -> None:
    labeled.use("user: descriptors[0].user")
    for number in range(5_100):
        labeled.host.should("unknown", {"user": str(number)})
    lines = labeled.lines()
    assert len(lines) == 10_002
    assert 'authorized_calls{limitador_namespace="unknown",user="other"} 100.0' in lines


def test_long_values_keep_whole_characters(labeled: Labeled) -> None:
    labeled.use("user: descriptors[0].user")
    labeled.host.should("unknown", {"user": "x" + "é" * 200})
    assert f'authorized_calls{{limitador_namespace="unknown",user="x{"é" * 127}"}} 1.0' in (
        labeled.lines()
    )


def test_expression_without_program_leaves_the_fast_lane() -> None:
    host = Host(native=True, labeled=True)
    Labeled(host).use("hour: timestamp(descriptors[0].at).getHours()")
    assert [name for name, _ in host.labels.current.refusals()] == ["hour"]
    host.should("n", {"at": "2026-01-01T13:00:00Z"})
    assert host.outcomes == ["deferred"]
    assert Labeled(host).lines()[0] == 'authorized_calls{hour="13",limitador_namespace="n"} 1.0'


def test_reload_starts_other_series(labeled: Labeled) -> None:
    for name in ("one", "two"):
        labeled.use(f"{name}: descriptors[0].u")
        labeled.host.should("unknown", {"u": "a"})
    assert [line for line in labeled.lines() if line.startswith("authorized_calls")] == [
        'authorized_calls{limitador_namespace="unknown",one="a"} 1.0',
        'authorized_calls{limitador_namespace="unknown",two="a"} 1.0',
    ]


def test_unusable_entries_are_told() -> None:
    labels, passed = parse("a: '((('\nno-name: x\nlimit_name: x\nb: descriptors\n", "l.yaml")
    assert list(labels.custom) == ["b"]
    assert [(problem.line, problem.field) for problem in passed] == [
        (1, "a"),
        (2, "no-name"),
        (3, "limit_name"),
    ]


@pytest.mark.parametrize("text", ["- a\n", "a: [b]\n", "[a\n", "text"])
def test_other_files_are_refused(text: str) -> None:
    with pytest.raises(LimitsFileError):
        parse(text, "l.yaml")


def test_native_side_refuses_what_is_no_name() -> None:
    with pytest.raises(ValueError, match="no-name"):
        label_set([("no-name", None)], None, True)


@given(
    st.lists(
        st.tuples(
            st.from_regex(r"\A[a-z]{1,9}\Z"),
            st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
        )
    )
)
def test_packed_labels_come_back(pairs: list[tuple[str, str]]) -> None:
    assert unpack_labels(pack_labels(tuple(pairs))) == tuple(pairs)


def test_nothing_is_counted_twice_without_labels() -> None:
    host = Host(native=True)
    host.should("unknown", {"u": "a"})
    assert host.service.decider.labeled_totals() == []
    assert MetricLabels().of([{}]) == ()
