"""Reading domain files: what is accepted, and the lines and fields of what is not."""

import pytest

from ratelimit.descriptors.domain_file import parse, parse_bytes, problems_of
from ratelimit.descriptors.limit import Unit
from ratelimit.errors import LimitsFileError

DAY = "{unit: day, requests_per_unit: 5}"


def refused(text: str) -> list[str]:
    with pytest.raises(LimitsFileError) as caught:
        parse(text, "f.yaml")
    return [str(problem) for problem in caught.value.problems]


def test_a_whole_tree() -> None:
    file = parse(
        """\
domain: shop
descriptors:
- key: route
  value: api/*
  share_threshold: true
  metadata: {team: [a, 1, {b: true}], none: null}
  descriptors:
  - {key: user, shadow_mode: yes, detailed_metric: true, rate_limit: {unit: HOUR, name: n,
     requests_per_unit: 0x10, replaces: [{name: m}]}}
- {key: 7, value: 8, quota_mode: true, rate_limit: {unlimited: true}}
- {key: open}
""",
        "f.yaml",
    )
    route, seven, empty = file.nodes
    assert file.domain == "shop"
    assert (route.key, route.value, route.share_threshold, route.limit) == (
        "route",
        "api/*",
        True,
        None,
    )
    limit = route.children[0].limit
    assert limit is not None
    assert (limit.unit, limit.requests, limit.name, limit.replaces) == (Unit.HOUR, 16, "n", ("m",))
    assert limit.shadow_mode
    assert limit.detailed_metric
    assert (seven.key, seven.value, seven.line) == ("7", "8", 10)
    assert seven.limit is not None
    assert seven.limit.unlimited
    assert seven.limit.quota_mode
    assert empty.limit is None


def test_metadata_is_json() -> None:
    file = parse(
        "domain: d\ndescriptors:\n"
        f"- {{key: a, rate_limit: {DAY}, metadata: {{t: [a, 1, {{b: true}}], n: null, '1': x}}}}\n",
        "f.yaml",
    )
    limit = file.nodes[0].limit
    assert limit is not None
    assert limit.metadata == {"t": ["a", 1.0, {"b": True}], "n": None, "1": "x"}


def test_merge_keys_and_aliases_are_read() -> None:
    file = parse(
        """\
domain: d
descriptors:
- &first {key: a, rate_limit: &limit {unit: day, requests_per_unit: 5}}
- {<<: *first, key: b}
- {key: c, rate_limit: {<<: *limit, unit: hour}}
""",
        "f.yaml",
    )
    found = [node.limit and (node.limit.unit, node.limit.requests) for node in file.nodes]
    assert found == [(Unit.DAY, 5), (Unit.DAY, 5), (Unit.HOUR, 5)]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "f.yaml:1: domain: is missing"),
        ("descriptors: []", "f.yaml:1: domain: is missing or empty"),
        ("domain: ''", "f.yaml:1: domain: is missing or empty"),
        ("- domain: d", "f.yaml:1: a list; expected a mapping"),
        (
            "domain: d\ndescriptorz: []",
            "f.yaml:2: descriptorz: is no field; expected one of domain, descriptors",
        ),
        ("domain: d\n0: true", "f.yaml:2: '0' as a key; expected the name of a field"),
        ("domain: d\ndescriptors: {}", "f.yaml:2: descriptors: a mapping; expected a list"),
        (
            "domain: d\ndescriptors:\n- {key: ''}",
            "f.yaml:3: descriptors[0].key: is missing or empty",
        ),
        (
            "domain: d\ndescriptors:\n- {key: a}\n- {key: a}",
            "f.yaml:4: descriptors[1]: the descriptor 'a' stands at line 3 too",
        ),
        (
            "domain: d\ndescriptors:\n- {key: a_b, value: c}\n- {key: a, value: b_c}",
            "f.yaml:4: descriptors[1]: the descriptor 'a_b_c' stands at line 3 too",
        ),
        (
            "domain: d\ndescriptors:\n- {key: a, share_threshold: true}",
            "f.yaml:3: descriptors[0].share_threshold: needs a value with a star,"
            " whose matches share the limit",
        ),
        (
            "domain: d\ndescriptors:\n- {key: a, value: 1.5}",
            "f.yaml:3: descriptors[0].value: '1.5';"
            " expected text (in quotes where it looks unlike)",
        ),
        (
            "domain: d\ndescriptors:\n- {key: a, shadow_mode: 'true'}",
            "f.yaml:3: descriptors[0].shadow_mode: 'true'; expected true or false",
        ),
        (
            "domain: [d",
            "f.yaml:2: no YAML: did not find expected ',' or ']'",
        ),
    ],
)
def test_what_is_refused(text: str, problem: str) -> None:
    assert problem in refused(text)


@pytest.mark.parametrize(
    ("limit", "field", "message"),
    [
        ("{unit: foo, requests_per_unit: 5}", "unit", "'foo' is no unit; expected second, minute"),
        ("{unit: unknown, requests_per_unit: 5}", "unit", "'unknown' is no unit"),
        ("{requests_per_unit: 5}", "unit", "is missing; expected second"),
        ("{unit: day, unlimited: true}", "unit", "is given to an unlimited rate limit"),
        ("{unit: day, requests_per_unit: '5'}", "requests_per_unit", "'5'; expected a whole"),
        ("{unit: day, requests_per_unit: many}", "requests_per_unit", "'many'; expected"),
        ("{unit: day, requests_per_unit: 4294967296}", "requests_per_unit", "'4294967296';"),
        ("{unit: day, requests_per_unit: -1}", "requests_per_unit", "'-1';"),
        ("{unit: day, unit_multiplier: 0}", "unit_multiplier", "'0';"),
        ("{unit: day, name: n, replaces: [{name: n}]}", "replaces[0].name", "a limit cannot"),
        ("{unit: day, replaces: [{name: ''}]}", "replaces[0].name", "is missing or empty"),
        ("[]", "", "a list; expected a mapping"),
    ],
)
def test_what_is_refused_of_a_limit(limit: str, field: str, message: str) -> None:
    (problem,) = refused(f"domain: d\ndescriptors:\n- key: a\n  rate_limit: {limit}\n")
    place = f"descriptors[0].rate_limit{'.' if field else ''}{field}"
    assert problem.startswith(f"f.yaml:4: {place}: {message}")


def test_all_that_is_wrong_is_told() -> None:
    assert len(refused("domain: ''\nx: 1\ndescriptors:\n- {key: ''}\n- {rate_limit: 1}\n")) == 5


def test_what_has_no_effect_is_told() -> None:
    file = parse(
        f"domain: d\nkey: x\ndescriptors:\n- {{key: a, key: b, unit: day, rate_limit: {DAY}}}\n",
        "f.yaml",
    )
    assert file.nodes[0].key == "b"
    assert [str(warning) for warning in file.warnings] == [
        "f.yaml:2: key: has no effect in this place",
        "f.yaml:4: descriptors[0].key: is given twice; the last one counts",
        "f.yaml:4: descriptors[0].unit: has no effect in this place",
    ]


def test_bytes_that_are_no_text() -> None:
    with pytest.raises(LimitsFileError, match=r"f\.yaml:2: is no UTF-8"):
        parse_bytes(b"domain: d\n# \xff\n", "f.yaml")


def test_a_domain_in_two_files() -> None:
    files = [parse(f"domain: d\ndescriptors: [{{key: {key}}}]", f"{key}.yaml") for key in "ab"]
    (problem,) = problems_of(files, merge=False)
    assert str(problem) == (
        "b.yaml:1: domain: 'd' stands in a.yaml too; MERGE_DOMAIN_CONFIG joins files"
    )
    assert problems_of(files, merge=True) == []
    (problem,) = problems_of([*files, parse("domain: d\ndescriptors: [{key: a}]", "c")], merge=True)
    assert str(problem) == "c:2: descriptors: the descriptor 'a' stands at a.yaml:2 too"
