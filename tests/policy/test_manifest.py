"""Reading YAML streams of Kubernetes objects."""

import pytest

from policy.errors import UnreadableManifest
from policy.manifest import parse

CONFIG = """\
apiVersion: authorino.kuadrant.io/v1beta3
kind: AuthConfig
metadata:
  name: toys
  namespace: shop
spec:
  hosts:
  - toys.example.com
  - other.example.com
"""


def test_stream_gives_objects_with_their_lines() -> None:
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: key}\nstringData: {api_key: k}\n"
    file = parse(f"# first\n---\n{CONFIG}---\n{secret}", "a.yaml")
    config, key = file.objects
    assert config.key == ("AuthConfig", "shop", "toys")
    assert str(config.position) == "a.yaml:3"
    assert str(config.locate(("spec", "hosts", 1))) == "a.yaml:11"
    assert str(config.locate(("spec", "hosts", 7, "x"))) == "a.yaml:9"
    assert key.key == ("Secret", "default", "key")


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a: [1\nb: 2", 2, "not readable as YAML"),
        ("a: &x [*x]", 1, "not readable as YAML"),
        ("\x00", 1, "not readable as YAML"),
    ],
)
def test_broken_yaml_is_refused_with_its_line(text: str, line: int, said: str) -> None:
    with pytest.raises(UnreadableManifest) as caught:
        parse(text, "bad.yaml")
    assert caught.value.position.line == line
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("[1, 2]", ""),
        ("kind: Secret\nmetadata: {name: a}", "apiVersion"),
        ("apiVersion: v1\nkind: 5\nmetadata: {name: a}", "kind"),
        ("apiVersion: v1\nkind: Secret\nmetadata: {}", "metadata.name"),
        ("apiVersion: v1\nkind: Secret", "metadata"),
        ("apiVersion: v1\nkind: Secret\nmetadata: {name: A}", "metadata.name"),
        ("apiVersion: v1\nkind: Secret\nmetadata: {name: a/b}", "metadata.name"),
        ("apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: b/c}", "metadata.namespace"),
        ("apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: 1}", "metadata.namespace"),
    ],
)
def test_object_without_identity_is_refused_alone(text: str, field: str) -> None:
    file = parse(f"{text}\n---\n{CONFIG}", "a.yaml")
    assert [manifest.name for manifest in file.objects] == ["toys"]
    ((_, error),) = file.refused
    assert error.field == field


def test_kind_of_ours_that_is_missing_is_refused_and_foreign_is_noted() -> None:
    text = (
        "apiVersion: kuadrant.io/v1\nkind: RateLimitPolicy\nmetadata: {name: a}\n---\n"
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: b}\n"
    )
    file = parse(text, "a.yaml")
    assert "RateLimitPolicy of kuadrant.io/v1 is not supported yet" in str(file.refused[0][1])
    assert file.ignored[0][1] == "Deployment of apps/v1 is not used"


def test_object_given_twice_in_a_file_counts_once() -> None:
    file = parse(f"{CONFIG}---\n{CONFIG}", "a.yaml")
    assert len(file.objects) == 1
    assert "already given at a.yaml:1" in str(file.refused[0][1])


def test_timestamps_stay_text() -> None:
    text = (
        "apiVersion: v1\nkind: Secret\nmetadata: {name: a, creationTimestamp: 2024-01-01T00:00:00Z}"
    )
    (secret,) = parse(text, "a.yaml").objects
    assert secret.document["metadata"]["creationTimestamp"] == "2024-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("field", "line", "said"),
    [
        ("  when: []\n  when: []\n", 11, "key 'when' is given twice"),
        ("  when: !odd x\n", 10, "could not determine a constructor for the tag '!odd'"),
        ("  when: !!int x\n", 1, "a value is not what its tag says"),
        ("  when: .nan\n", 1, "a value of type float is no JSON"),
        ("  when: !!binary aGk=\n", 1, "a value of type bytes is no JSON"),
        ("  when: {!!timestamp 2001-01-01: a}\n", 1, "a key of type date is no text"),
        ("  when: {1: a, '1': b}\n", 10, "key '1' is given twice"),
        ('  when: "\\ud800"\n', 1, ""),
        ("  ? [1]\n  : a\n", 10, "found unhashable key"),
    ],
)
def test_document_that_cannot_be_read_is_refused_alone(field: str, line: int, said: str) -> None:
    text = f"{CONFIG}{field}---\n{CONFIG.replace('toys', 'other')}"
    try:
        file = parse(text, "a.yaml")
    except UnreadableManifest:
        assert "ud800" in field
        return
    faults = [error for _, error in file.refused] + [m.fault for m in file.objects if m.fault]
    (error,) = faults
    assert said in str(error)
    assert error.position.line == line
    assert [m.name for m in file.objects if m.fault is None] == ["other"]


def test_config_of_another_version_or_with_a_repeated_key_is_handed_on_with_its_fault() -> None:
    other = CONFIG.replace("v1beta3", "v1beta1")
    twice = CONFIG.replace("toys\n", "more\n") + "  when: []\n  when: []\n"
    first, second = parse(f"{other}---\n{twice}", "a.yaml").objects
    assert "v1beta1 is not supported, expected one of" in str(first.fault)
    assert str(second.fault) == "a.yaml:21: key 'when' is given twice"
    for manifest in (first, second):
        assert manifest.document["spec"]["hosts"] == ["toys.example.com", "other.example.com"]


def test_numbers_as_keys_become_text() -> None:
    text = "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {1: eA==, true: eA==}"
    (secret,) = parse(text, "a.yaml").objects
    assert secret.document["data"] == {"1": "eA==", "true": "eA=="}


def test_items_of_a_list_are_objects() -> None:
    items = "".join(
        f"- apiVersion: v1\n  kind: Secret\n  metadata:\n    name: {name}\n" for name in ("a", "b")
    )
    file = parse(f"# é\n---\napiVersion: v1\nkind: List\nitems:\n{items}- 5\n", "a.yaml")
    assert [(m.name, str(m.position)) for m in file.objects] == [
        ("a", "a.yaml:6"),
        ("b", "a.yaml:10"),
    ]
    assert [str(error) for _, error in file.refused] == [
        "a.yaml:14: expected an object with apiVersion, kind and metadata"
    ]
    text = "apiVersion: v1\nkind: List\nitems:\n" + "".join(
        f"{'- ' if at == 0 else '  '}{line}\n" for at, line in enumerate(CONFIG.splitlines())
    )
    (config,) = parse(text, "a.yaml").objects
    assert str(config.locate(("spec", "hosts", 1))) == "a.yaml:12"


def test_foreign_kinds_are_passed_over_whatever_they_hold() -> None:
    role = "apiVersion: rbac/v1\nkind: ClusterRole\nmetadata: {name: 'a:b'}\n"
    file = parse(f"{role}---\napiVersion: k/v1\nkind: K\n", "a.yaml")
    assert len(file.ignored) == 2
    assert file.refused == ()


@pytest.mark.parametrize(
    "text", ["  a: 1\n  b: 2\n", "--- {a: 1, b: 2}\n", "# žluť\n---\na: ž\nb: 2\n"]
)
def test_lines_are_found_however_a_document_begins(text: str) -> None:
    (error,) = [error for _, error in parse(text, "a.yaml").refused]
    assert str(error).endswith("apiVersion: expected a non-empty string")


def test_secret_value_is_in_no_error() -> None:
    for value in ("!!int hunter2", "!!float hunter2", "!!timestamp hunter2", "!!bool hunter2"):
        text = f"apiVersion: v1\nkind: Secret\nmetadata: {{name: a}}\nstringData: {{k: {value}}}\n"
        errors = [str(error) for _, error in parse(text, "a.yaml").refused]
        assert errors
        assert "hunter2" not in str(errors)
