"""`tollhouse check`: lines, and the exit code."""

import re
from pathlib import Path

import pytest

from tollhouse.__main__ import main

ROOT = Path(__file__).resolve().parents[2]
GOOD = "- {namespace: n, max_value: 1, seconds: 1, conditions: [], variables: []}\n"
WARNED = (
    "- {namespace: n, max_value: 1, seconds: 1, conditions: [\"int('1') == 5u\"], variables: []}"
)


@pytest.fixture
def limits(tmp_path: Path) -> Path:
    return tmp_path / "limits.yaml"


def test_demo_is_valid(capsys: pytest.CaptureFixture[str]) -> None:
    demo = ROOT / "deploy" / "demo"
    assert main(["check", "--strict", str(demo / "manifests"), str(demo / "limits.yaml")]) == 0
    assert capsys.readouterr().out == ""


def test_every_problem_of_a_limits_file_gets_a_line(
    limits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    limits.write_text(GOOD + "- {namespace: n, max_value: -1, conditions: ['1 +'], variables: []}")
    assert main(["check", str(limits)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert all(re.match(rf"{limits}:2: [a-z_\[\]0-9]+: .", line) for line in lines)


def test_options_that_do_not_go_together_are_told(
    limits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    limits.write_text(
        "- namespace: n\n  seconds: 1\n  window: 1s\n  burst: 5\n  conditions:\n  variables:"
    )
    assert main(["check", str(limits)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"{limits}:3: window: given beside seconds; expected one of the two",
        f"{limits}:4: burst: given with algorithm fixed_window; expected only with token_bucket",
    ]


def test_warning_fails_only_a_strict_check(
    limits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    limits.write_text(WARNED)
    assert main(["check", str(limits)]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"{limits}:1: conditions[0]: ")
    assert told.endswith(" (warning)\n")
    assert main(["check", "--strict", str(limits)]) == 1


def test_problem_of_a_manifest_names_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = tmp_path / "a.yaml"
    manifest.write_text(
        "apiVersion: authorino.kuadrant.io/v1beta3\n"
        "kind: AuthConfig\n"
        "metadata: {name: a}\n"
        "spec:\n"
        "  hosts: [a.example.com]\n"
        "  authentication:\n"
        "    x: {noSuchThing: {}}\n"
    )
    assert main(["check", str(tmp_path)]) == 1
    assert main(["check", str(manifest)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[: len(lines) // 2] == lines[len(lines) // 2 :]
    assert lines[0].startswith(f"{manifest}:7: spec.authentication.x.noSuchThing: ")


@pytest.mark.parametrize("text", ["", "[]", "# nothing\n", "- 1", "text"])
def test_file_without_objects_is_taken_for_limits(
    limits: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    limits.write_text(text)
    usable = main(["check", str(limits)]) == 0
    told = capsys.readouterr().out
    assert usable is (told == "")
    assert usable or "expected a" in told


def test_missing_path_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(tmp_path / "none")]) == 1
    assert "none: cannot be read: No such file or directory" in capsys.readouterr().out


def test_file_that_is_no_yaml_is_told(limits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    limits.write_text("a: [b\n")
    assert main(["check", str(limits)]) == 1
    assert re.match(rf"{limits}:\d+: ", capsys.readouterr().out)


def test_domain_files_are_checked_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, third = (tmp_path / f"{name}.yaml" for name in "abc")
    first.write_text("# a comment\ndescriptors: [{key: a}]\ndomain: d\n")
    second.write_text("domain: d\ndescriptors: [{key: b}]\n")
    assert main(["check", str(first), str(second)]) == 0
    told = f"{second}:1: domain: 'd' stands in {first} too; MERGE_DOMAIN_CONFIG joins files"
    assert capsys.readouterr().out == f"{told} (warning)\n"
    third.write_text("domain: d\ndescriptors:\n- {key: b}\n- {key: c, rate_limit: {unit: x}}\n")
    assert main(["check", str(first), str(third)]) == 1
    assert capsys.readouterr().out.startswith(f"{third}:4: descriptors[1].rate_limit.unit: 'x' is")
    third.write_text("domain: d\ndescriptors:\n- {key: b}\n")
    assert main(["check", str(second), str(third)]) == 1
    told = f"{third}:3: descriptors: the descriptor 'b' stands at {second}:2 too"
    assert capsys.readouterr().out == f"{told}\n"


def test_access_to_an_api_server_is_the_servers_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("authz.kubernetes_api.HOME", tmp_path / "none")
    (tmp_path / "config.yaml").write_text(
        "apiVersion: authorino.kuadrant.io/v1beta3\n"
        "kind: AuthConfig\n"
        "metadata: {name: toys, namespace: shop}\n"
        "spec: {hosts: [toys.com], authentication: {accounts: {kubernetesTokenReview: {}}}}\n"
    )
    assert main(["check", str(tmp_path)]) == 0, capsys.readouterr().out
