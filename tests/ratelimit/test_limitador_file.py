"""Limits files as serde_yaml and Limitador read them; sources are recorded `--validate` runs."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from _fastpath.limit_spec import OnError
from ratelimit.errors import LimitsFileError
from ratelimit.limit import Limit
from ratelimit.limitador_file import LimitsFile, load, parse, parse_bytes

REST = "conditions: [], variables: []"


def one(text: str) -> Limit:
    (limit,) = parse(text, "f.yaml").limits
    return limit.limit


def problems(text: str) -> list[str]:
    with pytest.raises(LimitsFileError) as caught:
        parse(text, "f.yaml")
    return str(caught.value).splitlines()


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "[]\n", "\ufeff"])
def test_empty_file_has_no_limits(text: str) -> None:
    assert parse_bytes(text.encode(), "f.yaml") == LimitsFile("f.yaml")


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("7", 7),
        ("+7", 7),
        ("0x10", 16),
        ("0o10", 8),
        ("0b11", 3),
        ("18446744073709551615", 2**64 - 1),
    ],
)
def test_integers_are_read_as_by_serde_yaml(written: str, value: int) -> None:
    text = f"- {{namespace: a, max_value: {written}, seconds: 1, {REST}}}"
    assert one(text).max_value == value


@pytest.mark.parametrize(
    "written", ["1.5", "-1", "'1'", "1_000", "010", "18446744073709551616", "[1]", "~", "1e3", ""]
)
def test_other_numbers_are_refused(written: str) -> None:
    (line,) = problems(f"- namespace: a\n  seconds: {written}\n  conditions:\n  variables:\n")
    assert line.startswith("f.yaml:2: seconds: ")
    assert line.endswith("expected an integer, 0 to 2^64 - 1")


def test_huge_digits_are_refused_at_once() -> None:
    assert "seconds" in problems(f"- {{namespace: a, seconds: {'9' * 100_000}, {REST}}}")[0]


def test_plain_scalars_serve_as_text() -> None:
    limit = one("- {namespace: 5, seconds: 1, name: 7, conditions: [true], variables: [1]}")
    assert (limit.namespace, limit.name) == ("5", "7")
    assert (limit.conditions, limit.variables) == (("true",), ("1",))


@pytest.mark.parametrize("written", ["~", "null", ""])
def test_null_name_is_none(written: str) -> None:
    assert one(f"- {{namespace: a, seconds: 1, name: {written}, {REST}}}").name is None


def test_quoted_null_is_a_name() -> None:
    assert one(f"- {{namespace: a, seconds: 1, name: 'null', {REST}}}").name == "null"


def test_missing_max_value_denies_everything() -> None:
    assert one(f"- {{namespace: a, seconds: 1, {REST}}}").max_value == 0


def test_unknown_keys_are_passed_over() -> None:
    text = f"- {{namespace: a, seconds: 1, other: {{a: [b]}}, other: 2, {REST}}}"
    assert one(text).namespace == "a"


def test_expressions_are_a_sorted_set() -> None:
    limit = one("- {namespace: a, seconds: 1, conditions: ['true', 'false', 'true'], variables: }")
    assert limit.conditions == ("false", "true")
    assert limit.variables == ()


@pytest.mark.parametrize("choice", list(OnError))
def test_on_error_is_chosen_per_limit(choice: OnError) -> None:
    text = f"- {{namespace: a, seconds: 1, on_error: {choice.name.lower()}, {REST}}}"
    assert one(text).on_error is choice


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"- {{seconds: 1, {REST}}}", "f.yaml:1: namespace: is missing"),
        (f"- {{namespace: a, {REST}}}", "f.yaml:1: seconds: is missing"),
        (
            "- {namespace: a, seconds: 1, variables: []}",
            "f.yaml:1: conditions: is missing; write [] for none",
        ),
        (
            "- {namespace: a, seconds: 1, conditions: [], variables: null}",
            "f.yaml:1: variables: nothing; expected a list of CEL expressions",
        ),
        (
            "- {namespace: a, seconds: 1, conditions: 'true', variables: []}",
            "f.yaml:1: conditions: 'true'; expected a list of CEL expressions",
        ),
        (
            f"- namespace: a\n  seconds: 1\n  seconds: 2\n  {REST.replace(', ', chr(10) + '  ')}",
            "f.yaml:3: seconds: is given twice",
        ),
        (
            f"- {{namespace: a, seconds: 1, on_error: deny, {REST}}}",
            "f.yaml:1: on_error: 'deny'; expected skip, apply or refuse",
        ),
        (
            f"- &a {{namespace: a, seconds: 1, {REST}}}\n- <<: *a",
            "f.yaml:2: <<: merge keys are not read; write the fields out",
        ),
        ("- a\n", "f.yaml:1: 'a'; expected a limit"),
        ("- [a]\n", "f.yaml:1: a list; expected a limit"),
        ("a: 1\n", "f.yaml:1: a mapping; expected a list of limits"),
        ("null\n", "f.yaml:1: nothing; expected a list of limits"),
        ("[]\n---\n[]\n", "f.yaml:2: a second document; a limits file holds one"),
        (f"- {{? [a] : 1, namespace: a, seconds: 1, {REST}}}", "f.yaml:1: a list as a key; "),
        ("- *nowhere\n", "f.yaml:1: alias *nowhere names no anchor before it"),
        ("&a [*a]", "f.yaml:1: alias *a stands inside of what it names"),
        ("[" * 100_000, "f.yaml:1: nested deeper than 64 levels"),
        ("- a\n- \x01", "f.yaml:2: no YAML: "),
        ("- a\n}b", "f.yaml:2: no YAML: "),
    ],
)
def test_problem_names_line_and_field(text: str, line: str) -> None:
    assert any(found.startswith(line) for found in problems(text)), problems(text)


def test_all_problems_are_reported() -> None:
    text = (
        "- namespace: [a]\n  max_value: x\n  seconds: 1\n  conditions: ['a (']\n  variables: ''\n"
    )
    found = problems(text)
    assert [line.split(":")[1] for line in found] == ["1", "2", "4", "5"]
    assert "CEL line 1, column" in found[2]


@pytest.mark.parametrize("expression", ['limit.1rp10s__x == "1"', "a == (", ""])
def test_cel_syntax_refuses_the_file(expression: str) -> None:
    text = f"- {{namespace: a, seconds: 1, conditions: [{expression!r}], variables: []}}"
    assert ": conditions[0]: CEL" in problems(text)[0]


@pytest.mark.parametrize("expression", ["req_method == 'GET'", "int('1') == 1u", "'a' + 1 == 'b'"])
def test_cel_check_is_a_warning(expression: str) -> None:
    text = f'- {{namespace: a, seconds: 1, conditions: ["{expression}"], variables: []}}'
    (warning,) = parse(text, "f.yaml").warnings
    assert str(warning).startswith("f.yaml:1: conditions[0]: CEL: ")


def test_repeated_identity_is_a_warning() -> None:
    entry = f"- {{namespace: a, seconds: 1, max_value: %d, {REST}}}\n"
    found = parse(entry % 1 + entry % 2, "f.yaml")
    assert [limit.limit.max_value for limit in found.limits] == [1]
    assert str(found.warnings[0]).startswith("f.yaml:2: the same limit stands at line 1")


def test_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(LimitsFileError, match=r"absent\.yaml:1: cannot be read: No such"):
        load(str(tmp_path / "absent.yaml"))
    (tmp_path / "bytes.yaml").write_bytes(b"a\n\xff")
    with pytest.raises(LimitsFileError, match=r"bytes\.yaml:2: is no UTF-8"):
        load(str(tmp_path / "bytes.yaml"))


@given(st.text(max_size=200) | st.text("[]{}-:,&*<>!|'\"~ \n?a1#%@", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(LimitsFileError):
        parse(text, "f.yaml")


IDENTITY = Limit("ns", 1, 60, ("a", "b"), ("c",))


@pytest.mark.parametrize(
    "other",
    [
        Limit("ns2", 1, 60, ("a", "b"), ("c",)),
        Limit("ns", 1, 61, ("a", "b"), ("c",)),
        Limit("ns", 1, 60, ("a",), ("b", "c")),
        Limit("ns", 1, 60, ("ab",), ("c",)),
        Limit("ns", 1, 60, ("a", "b"), ()),
    ],
)
def test_digest_tells_identities_apart(other: Limit) -> None:
    assert other.digest != IDENTITY.digest


def test_digest_ignores_what_may_change() -> None:
    same = Limit("ns", 9, 60, ("a", "b"), ("c",), name="n", id="i", on_error=OnError.REFUSE)
    assert same.digest == IDENTITY.digest
