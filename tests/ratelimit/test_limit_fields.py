"""The fields of ours: how they are written, which go together, and their published schema."""

import json
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from _fastpath.calendar import Period
from _fastpath.header_spec import Refusal
from _fastpath.limit_spec import Algorithm, Fail
from ratelimit import limits_schema
from ratelimit.errors import LimitsFileError
from ratelimit.limit import Limit
from ratelimit.limit_fields import FIELDS
from ratelimit.limit_json import limit_json
from ratelimit.limitador_file import parse
from ratelimit.refusal import encode_metadata

SCHEMA = Path(__file__).parents[2] / "deploy/schemas/limits.schema.json"
REST = "namespace: ns, conditions: [], variables: []"


def entry(fields: str) -> str:
    return f"- {{{REST}, {fields}}}"


def one(fields: str) -> Limit:
    (limit,) = parse(entry(fields), "f.yaml").limits
    return limit.limit


def problems(text: str) -> list[str]:
    with pytest.raises(LimitsFileError) as caught:
        parse(text, "f.yaml")
    return str(caught.value).splitlines()


GOOD = {
    "max_value: 5, seconds: 60": Limit("ns", 5, 60),
    "max_value: 5, algorithm: fixed_window, window: 1m": Limit("ns", 5, 60),
    "max_value: 5, window: 1500ms": Limit("ns", 5, 1, nanos=500_000_000),
    "max_value: 5, window: '2h'": Limit("ns", 5, 7200),
    "max_value: 5, window: 7d": Limit("ns", 5, 604_800),
    "seconds: 9, algorithm: aligned_window": Limit("ns", 0, 9, algorithm=Algorithm.ALIGNED_WINDOW),
    "seconds: 9, algorithm: sliding_window": Limit("ns", 0, 9, algorithm=Algorithm.SLIDING_WINDOW),
    "window: 9s, algorithm: token_bucket, burst: 0x10": Limit(
        "ns", 0, 9, algorithm=Algorithm.TOKEN_BUCKET, burst=16
    ),
    "algorithm: calendar_window, period: month": Limit(
        "ns", 0, 2_592_000, algorithm=Algorithm.CALENDAR_WINDOW, period=Period.MONTH
    ),
    "algorithm: calendar_window, period: week, time_zone: America/New_York": Limit(
        "ns",
        0,
        604_800,
        algorithm=Algorithm.CALENDAR_WINDOW,
        period=Period.WEEK,
        time_zone="America/New_York",
    ),
    "max_value: 3, algorithm: concurrency, lease: 30s": Limit(
        "ns", 3, 30, algorithm=Algorithm.CONCURRENCY
    ),
    "seconds: 1, unlimited: true": Limit("ns", 2**64 - 1, 1, unlimited=True, headers=False),
    "seconds: 1, shadow: true": Limit("ns", 0, 1, shadow=True, headers=False),
    "seconds: 1, shadow: true, headers: true": Limit("ns", 0, 1, shadow=True),
    "seconds: 1, headers: false": Limit("ns", 0, 1, headers=False),
    "seconds: 1, enabled: false": Limit("ns", 0, 1, enabled=False),
    "seconds: 1, priority: -7": Limit("ns", 0, 1, priority=-7),
    "seconds: 1, cost: -2": Limit("ns", 0, 1, cost="-2"),
    "seconds: 1, cost: hits * 10": Limit("ns", 0, 1, cost="hits * 10"),
    "seconds: 1, count_refused: true": Limit("ns", 0, 1, count_refused=True),
    "seconds: 1, fail: local": Limit("ns", 0, 1, fail=Fail.LOCAL),
    "seconds: 1, refusal: {body: no}": Limit("ns", 0, 1, refusal=Refusal(b"no")),
    "seconds: 1, refusal: {headers: {x-a: b}, metadata: {a: [1, {b: ~}, true, x, 1.5]}}": Limit(
        "ns",
        0,
        1,
        refusal=Refusal(
            b"", (("x-a", "b"),), encode_metadata({"a": [1, {"b": None}, True, "x", 1.5]})
        ),
    ),
}


@pytest.mark.parametrize("fields", GOOD)
def test_fields_mean_what_they_say(fields: str) -> None:
    assert one(fields) == GOOD[fields]


BAD = {
    "seconds: 1, algorithm: leaky": "algorithm: 'leaky'; expected fixed_window, aligned_window, "
    "calendar_window, sliding_window, token_bucket or concurrency",
    "window: 0s": "window: '0s'; expected a duration from 1ms on, as 500ms, 10s, 5m, 1h or 7d",
    "window: 10": "window: '10'; expected a duration",
    "window: 1.5s": "window: '1.5s'; expected a duration",
    "window: 9999999999d": "window: '9999999999d'; expected a duration",
    "seconds: 1, window: 1s": "window: given beside seconds; expected one of the two",
    "max_value: 1": "seconds: is missing; expected seconds or window",
    "seconds: 1, burst: 5": "burst: given with algorithm fixed_window; expected only with "
    "token_bucket",
    "seconds: 1, algorithm: token_bucket, burst: 0": "burst: '0'; expected an integer, 1 to",
    "seconds: 1, period: day": "period: given with algorithm fixed_window; expected only with "
    "calendar_window",
    "seconds: 1, time_zone: UTC": "time_zone: given with algorithm fixed_window; expected",
    "algorithm: calendar_window": "period: is missing",
    "algorithm: calendar_window, period: decade": "period: 'decade'; expected minute, hour, day, "
    "week, month or year",
    "algorithm: calendar_window, period: day, seconds: 5": "seconds: given with algorithm "
    "calendar_window; expected only with fixed_window or aligned_window or sliding_window or "
    "token_bucket",
    "algorithm: calendar_window, period: day, time_zone: Mars/Olympus": "time_zone: "
    "'Mars/Olympus'; expected a time zone of the IANA database, as UTC or Europe/Berlin",
    "algorithm: concurrency": "lease: is missing",
    "algorithm: concurrency, seconds: 5": "seconds: given with algorithm concurrency; expected",
    "seconds: 5, lease: 5s": "lease: given with algorithm fixed_window; expected only with "
    "concurrency",
    "seconds: 0, algorithm: sliding_window": "seconds: 0; expected at least 1 but with algorithm "
    "fixed_window",
    "seconds: 1, unlimited: true, max_value: 5": "max_value: given beside unlimited; expected",
    "seconds: 1, unlimited: true, shadow: true": "shadow: given beside unlimited; expected one",
    "seconds: 1, unlimited: yes": "unlimited: 'yes'; expected true or false",
    "seconds: 1, shadow: 'true'": "shadow: 'true'; expected true or false",
    "seconds: 1, enabled: ": "enabled: nothing; expected true or false",
    "seconds: 1, fail: soft": "fail: 'soft'; expected closed, open, local or error",
    "seconds: 1, priority: 1.5": "priority: '1.5'; expected an integer, -2^31 to 2^31 - 1",
    "seconds: 1, priority: 2147483648": "priority: '2147483648'; expected an integer",
    "seconds: 1, cost: [1]": "cost: a list; expected an integer, or a CEL expression over",
    "seconds: 1, cost: hits *": "cost: CEL line 1, column 7: ",
    "seconds: 1, cost: hit": "cost: CEL line 1, column 1: undeclared reference",
    "seconds: 1, cost: hits > 1": "cost: 'hits > 1'; expected an integer, or a CEL expression",
    "seconds: 1, cost: '1.5'": "cost: '1.5'; expected an integer, or a CEL expression over",
    "seconds: 1, refusal: no": "refusal: 'no'; expected a mapping with body, headers or metadata",
    "seconds: 1, refusal: {text: no}": "refusal.text: is unknown; expected a mapping with body,",
    "seconds: 1, refusal: {body: [a]}": "refusal.body: a list; expected text",
    "seconds: 1, refusal: {body: a, body: b}": "refusal.body: is given twice",
    "seconds: 1, refusal: {headers: [a]}": "refusal.headers: a list; expected a mapping of names",
    "seconds: 1, refusal: {headers: {'a b': c}}": "refusal.headers: 'a b' is no header name",
    "seconds: 1, refusal: {metadata: [a]}": "refusal.metadata: a list; expected a mapping",
    "seconds: 1, refusal: {metadata: {[a]: b}}": "refusal.metadata: a list as a key; expected",
    f"seconds: 1, refusal: {{body: {'x' * 65537}}}": "refusal.body: expected at most 65536 bytes",
    "seconds: 1, shadow: true, shadow: true": "shadow: is given twice",
}


@pytest.mark.parametrize("fields", BAD)
def test_wrong_field_says_what_was_expected(fields: str) -> None:
    found = problems(entry(fields))
    assert any(line.startswith(f"f.yaml:1: {BAD[fields]}") for line in found), found


def test_problem_is_told_at_the_line_of_its_field() -> None:
    text = "- namespace: ns\n  conditions:\n  variables:\n  window: 5\n  refusal:\n    body: []\n"
    found = problems(text)
    assert [line.split(": ")[0:2] for line in found] == [
        ["f.yaml:4", "window"],
        ["f.yaml:6", "refusal.body"],
    ]


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("shadow_mode", "is no field, and passed over; did you mean shadow?"),
        ("algoritm", "is no field, and passed over; did you mean algorithm?"),
        ("x-comment", "is no field, and passed over"),
    ],
)
def test_unknown_field_is_a_warning(written: str, told: str) -> None:
    (warning,) = parse(entry(f"seconds: 1, {written}: true"), "f.yaml").warnings
    assert str(warning) == f"f.yaml:1: {written}: {told}"


def test_aliases_cannot_grow_the_metadata_of_a_refusal() -> None:
    levels = "".join(f", k{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9))
    text = entry(f"seconds: 1, refusal: {{metadata: {{k0: &a0 [1]{levels}}}}}")
    assert "refusal.metadata: expected at most 1000 values in 31 levels" in problems(text)[0]


def test_plain_limits_keep_their_digests() -> None:
    """Counters outlive an upgrade only if the digest stays what it was."""
    limit = Limit("ns", 1, 60, ("a", "b"), ("c",))
    assert limit.digest.hex() == "5b4289f84fb20ab7e82e16b5a86e8e86"


WINDOWS = [
    "seconds: 1",
    "window: 1500ms",
    "seconds: 1, algorithm: aligned_window",
    "seconds: 1, algorithm: sliding_window",
    "seconds: 1, algorithm: token_bucket",
    "seconds: 86400, algorithm: aligned_window",
    "algorithm: calendar_window, period: day",
    "algorithm: calendar_window, period: day, time_zone: Europe/Berlin",
    "algorithm: calendar_window, period: hour",
    "algorithm: concurrency, lease: 1s",
]


def test_identity_includes_algorithm_and_window() -> None:
    assert len({one(fields).digest for fields in WINDOWS}) == len(WINDOWS)


def test_identity_ignores_what_may_change() -> None:
    changed = (
        "seconds: 1, algorithm: token_bucket, max_value: 9, burst: 3, priority: 5, cost: 2, "
        "shadow: true, enabled: false, count_refused: true, fail: open, refusal: {body: a}"
    )
    assert one(changed).digest == one("seconds: 1, algorithm: token_bucket").digest


def test_additions_cannot_pass_for_a_plain_limit() -> None:
    extended = Limit("ns", 1, 1, nanos=5)
    assert extended.digest != Limit("ns", 1, 1, (), ("FIXED_WINDOW", "5")).digest


def test_plain_limit_is_shown_as_limitador_does() -> None:
    assert set(limit_json(one("seconds: 1"))) == {
        "id",
        "namespace",
        "max_value",
        "seconds",
        "name",
        "conditions",
        "variables",
    }


@pytest.mark.parametrize("fields", GOOD)
def test_shown_limit_reads_back_as_itself(fields: str) -> None:
    shown = limit_json(one(fields), refusal=True)
    if "window" in shown or "period" in shown or "lease" in shown:
        del shown["seconds"]
    if "unlimited" in shown:
        del shown["max_value"]
    (limit,) = parse(json.dumps([shown]), "f.yaml").limits
    assert limit.limit == one(fields)


def test_published_schema_is_the_one_of_the_table() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == limits_schema.text()


def validator() -> Draft202012Validator:
    return Draft202012Validator(limits_schema.limits_schema())


def validates(fields: str) -> bool:
    return bool(validator().is_valid(yaml.safe_load(entry(fields))))


def test_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(limits_schema.limits_schema())


@pytest.mark.parametrize("fields", GOOD)
def test_schema_accepts_what_is_read(fields: str) -> None:
    assert validates(fields)


# What a schema cannot see: a duration that is too long, time zones, CEL, bytes, repeated keys, and
# YAML's own ideas of `yes` and of a key that is no text.
UNSEEN = ("9999999999d", "Mars", "cost: hit", "{'a b': c}", "x" * 100, "twice", "body: a, body")


@pytest.mark.parametrize(
    "fields",
    [
        fields
        for fields in BAD
        if not any(mark in fields for mark in (*UNSEEN, "yes", "{[a]", "shadow: true, shadow"))
        and fields not in {"seconds: 1, cost: '1.5'", "seconds: 0, algorithm: sliding_window"}
    ],
)
def test_schema_refuses_what_is_refused(fields: str) -> None:
    assert not validates(fields)


def test_plain_null_is_no_reason_to_refuse_a_file() -> None:
    assert validator().is_valid(None)


SCALARS = ("1", "0", "-1", "1.5", "word", "true", "10s", "250ms", "day", "UTC", "hits", "[]", "[a]")
CHOICES = {
    "algorithm": [choice.name.lower() for choice in Algorithm],
    "conditions": ["[]", "['true']", "[1]"],
    "variables": ["[]", "['1']"],
    "refusal": ["{}", "{body: a}", "{headers: {a: b}}", "{metadata: {a: {b: [1]}}}"],
    "fail": [choice.name.lower() for choice in Fail],
}
REQUIRED = {"namespace": "ns", "conditions": "[]", "variables": "[]"}
written = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from((*CHOICES.get(name, ()), *SCALARS)) for name in FIELDS}
).map(lambda fields: REQUIRED | fields)


@settings(max_examples=100, deadline=None)
@given(written)
def test_schema_agrees_with_the_reader(written: dict[str, str]) -> None:
    """But for what only the reader sees: CEL, time zones, and a sliding window of no seconds."""
    text = "- {" + ", ".join(f"{name}: {value}" for name, value in written.items()) + "}"
    try:
        (limit,) = parse(text, "f.yaml").limits
    except LimitsFileError as error:
        seen = [p for p in error.problems if p.field not in {"cost", "time_zone"}]
        unseen = all(p.field.endswith("]") or p.message.startswith("0; ") for p in seen)
        assert unseen or not validator().is_valid(yaml.safe_load(text))
    else:
        assert validator().is_valid(yaml.safe_load(text))
        limit.spec()


DOCUMENTATION = Path(__file__).parents[2] / "docs/limits.md"
EXAMPLES = re.findall(r"```yaml\n(.*?)```", DOCUMENTATION.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_documented_example_is_read_and_validates(example: str) -> None:
    assert parse(example, "docs/limits.md").warnings == ()
    validator().validate(yaml.safe_load(example))


def test_every_field_and_algorithm_is_documented() -> None:
    text = DOCUMENTATION.read_text(encoding="utf-8")
    assert [name for name in FIELDS if f"\n| `{name}` |" not in text] == []
    examples = [limit.limit for text in EXAMPLES for limit in parse(text, "docs/limits.md").limits]
    assert {limit.algorithm for limit in examples} == set(Algorithm)
