"""`tollhouse replay` from log file to table, JSON and page."""

import gzip
import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tollhouse.__main__ import main

LIMITS = """
- namespace: toys
  name: per <user>
  max_value: 2
  seconds: 60
  conditions: ["descriptors[0].method == 'GET'"]
  variables: ["descriptors[0].user_id"]
- namespace: toys
  name: by tenant
  max_value: 1
  seconds: 60
  conditions: []
  variables: ["descriptors[0].tenant"]
"""


def line(second: int, user: str) -> str:
    return json.dumps(
        {"start_time": f"2026-03-01T12:00:{second:02}Z", "method": "GET", "user": user}
    )


@pytest.fixture
def limits(tmp_path: Path) -> str:
    file = tmp_path / "limits.yaml"
    file.write_text(LIMITS)
    return str(file)


@pytest.fixture
def log(tmp_path: Path) -> str:
    file = tmp_path / "access.log"
    lines = [line(0, "<b>ann"), line(1, "<b>ann"), "no request", line(2, "<b>ann"), line(3, "bob")]
    file.write_text("\n".join(lines) + "\n")
    return str(file)


def test_json_report(limits: str, log: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "--limits", limits, "--json", log]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["lines"], report["skipped"]) == (5, 1)
    assert (report["requests"], report["refused"]) == (4, 1)
    assert report["unmapped"] == ["descriptors[0].tenant"]
    per_user, by_tenant = report["limits"]
    assert per_user["worst_keys"] == [
        {"values": {"descriptors[0].user_id": "<b>ann"}, "refused": 1}
    ]
    assert by_tenant["requests"] == 0
    assert by_tenant["suggested_value"] is None


def test_table_names_limits_and_what_was_not_mapped(
    limits: str, log: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", "--limits", limits, log]) == 0
    out = capsys.readouterr().out
    assert "4 requests" in out
    assert "1 of 5 lines could not be read" in out
    assert "no request had a value for descriptors[0].tenant; see --map" in out
    assert "per <user>" in out


class Page(HTMLParser):
    """Collects tags and text; notes what would be loaded from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.loads: list[str | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [value for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_page_stands_alone_and_escapes_what_requests_said(
    limits: str, log: str, tmp_path: Path
) -> None:
    file = tmp_path / "report.html"
    assert main(["replay", "--limits", limits, "--html", str(file), log]) == 0
    page = Page()
    page.feed(file.read_text())
    assert page.loads == []
    assert "script" not in page.tags
    assert "b" not in page.tags
    assert page.tags.count("svg") == 1
    assert page.tags.count("details") == 1
    assert "descriptors[0].user_id = <b>ann" in page.texts
    assert "No request met this limit." in page.texts


def test_gzip_and_standard_input_are_merged_by_time(
    limits: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    packed = tmp_path / "old.log.gz"
    packed.write_bytes(gzip.compress((line(0, "ann") + "\n" + line(40, "ann") + "\n").encode()))

    piped = tmp_path / "piped.log"
    piped.write_text(line(20, "ann") + "\n")
    with piped.open() as opened:
        monkeypatch.setattr("sys.stdin", opened)
        assert main(["replay", "--limits", limits, "--json", str(packed), "-"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["late"] == 0
    assert report["limits"][0]["refused"] == 1
    assert report["limits"][0]["over_time"][-1]["refused"] == 1


def test_too_long_line_is_skipped(
    limits: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "access.log"
    file.write_text("x" * 3_000_000 + "\n" + line(0, "ann") + "\n")
    assert main(["replay", "--limits", limits, "--json", str(file)]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["lines"], report["skipped"], report["requests"]) == (2, 1, 1)


def test_table_shows_what_requests_said_as_plain_text(
    limits: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "access.log"
    log.write_text("\n".join(line(second, "[/red]\x1b[31m") for second in range(4)))
    assert main(["replay", "--limits", limits, str(log)]) == 0
    told = capsys.readouterr().out
    assert "\x1b" not in told
    assert "[/red]\\x1b[31m" in told.replace("\n", "").replace(" ", "")


def test_damaged_gzip_is_told(
    limits: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "access.log.gz"
    data = bytearray(gzip.compress(line(0, "ann").encode() * 1000))
    data[20:40] = b"\xff" * 20
    log.write_bytes(data)
    assert main(["replay", "--limits", limits, str(log)]) == 1
    assert "cannot be read: the gzip data is damaged" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["LOG"], 2, "--limits"),
        (["--limits", "LIMITS"], 2, "LOG"),
        (["--limits", "LIMITS", "absent.log"], 1, "absent.log: cannot be read"),
        (["--limits", "absent.yaml", "LOG"], 1, "absent.yaml:1: cannot be read"),
        (["--limits", "LIMITS", "LIMITS"], 1, "no request could be read"),
        (["--limits", "LIMITS", "--namespace", "x", "LOG"], 1, "there are toys"),
        (["--limits", "LIMITS", "--map", "a", "LOG"], 1, "--map a: expected KEY=FIELD"),
        (["--limits", "LIMITS", "--html", "absent/x.html", "LOG"], 1, "cannot be written"),
    ],
)
def test_unusable_input_is_told(
    limits: str,
    log: str,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    given = [{"LIMITS": limits, "LOG": log}.get(word, word) for word in arguments]
    assert main(["replay", *given]) == code
    assert message in capsys.readouterr().err
