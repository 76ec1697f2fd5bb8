"""docs/algorithms.md shows what the counters say."""

import re
from datetime import datetime
from pathlib import Path

import pytest

from _fastpath.clock import Clock
from _fastpath.counters import CounterTable, Hit, Mode, Verdict
from _fastpath.header_spec import NEVER_NS
from _fastpath.limit_spec import Algorithm
from ratelimit.limitador_file import parse

PAGE = Path(__file__).resolve().parents[2] / "docs" / "algorithms.md"
TIMELINES = re.findall(r"```timeline\n(.*?)```", PAGE.read_text(), re.DOTALL)
SECOND_NS = 10**9
HEAD = "   second  hits  answer   remaining  reset     retry"


def seconds(ns: int) -> str:
    """Rounded up to milliseconds."""
    return "never" if ns == NEVER_NS else f"{-(-ns // 10**6) / 1000:.8g} s"


def row(second: str, hits: str, verdict: Verdict) -> str:
    answer = "passes" if verdict.fits else "refused"
    retry = "" if verdict.fits else seconds(verdict.retry_ns)
    text = f"{second:>9}  {hits:>4}  {answer:<7}  {verdict.remaining:>9}  "
    return f"{text}{seconds(verdict.reset_ns):<8}  {retry}".rstrip()


def written(timeline: str) -> str:
    """The timeline of the same hits, as the counter table decides them."""
    fields, start, _, *rows = timeline.splitlines()
    text = f"- {{namespace: ns, conditions: [], variables: [], {fields}}}"
    (limit,) = parse(text, "docs/algorithms.md").limits
    from_ns = int(datetime.fromisoformat(start.removeprefix("from ")).timestamp()) * SECOND_NS
    table, made = CounterTable(), [fields, start, HEAD]
    for line in rows:
        second, hits = line.split()[:2]
        passed_ns = round(float(second) * SECOND_NS)
        hit = Hit(limit.limit.digest, limit.limit.quota, (), int(hits))
        clock = Clock(SECOND_NS + passed_ns, from_ns + passed_ns)
        (verdict,) = table.check_and_add([hit], clock, Mode.CHECK_AND_ADD)
        made.append(row(second, hits, verdict))
    return "\n".join(made) + "\n"


@pytest.mark.parametrize("timeline", TIMELINES)
def test_timeline_is_what_is_counted(timeline: str) -> None:
    assert timeline == written(timeline)


def test_every_algorithm_has_a_timeline_and_a_weakness() -> None:
    text = PAGE.read_text()
    for algorithm in Algorithm:
        name = algorithm.name.lower()
        (section,) = re.findall(rf"^## `{name}`\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
        assert "```timeline\n" in section
        assert "**Weakness.**" in section
