"""How an explanation is shown: tables for people, JSON for scripts."""

from typing import Any

from rich.console import Console
from rich.table import Table

from _fastpath.rpc import Status
from _fastpath.text import json_of_value
from authz.redaction import redacted
from authz.step import Outcome, Step
from tollhouse.explanation import Explanation
from tollhouse.terminal import printable

COLUMNS = (
    *("phase", "priority", "evaluator", "kind", "outcome", "lane", "time"),
    "result or reason",
)
MOST_SHOWN = 200
"""Characters of a result in the table; JSON has it whole."""


def json_view(explanation: Explanation) -> dict[str, Any]:
    """Times are microseconds since the request came."""
    answer = explanation.answer
    return {
        "auth_config": explanation.auth_config,
        "lane": explanation.lane,
        "skipped": explanation.skipped,
        "steps": [_step(explanation, step) for step in explanation.steps],
        "answer": {
            "allowed": answer.code is Status.OK,
            "code": answer.code.name,
            "status": answer.status,
            "headers": [list(header) for header in answer.headers],
            "body": answer.body,
            "metadata": explanation.metadata,
        },
        "microseconds": (explanation.ended_ns - explanation.began_ns) / 1e3,
        "problems": list(explanation.problems),
    }


def _step(explanation: Explanation, step: Step) -> dict[str, Any]:
    shown = {
        "phase": step.phase,
        "name": step.entry.name,
        "kind": step.entry.kind.label,
        "priority": step.entry.priority,
        "lane": _lane(explanation, step),
        "outcome": step.outcome.value,
        "remembered": step.remembered,
        "began": (step.began_ns - explanation.began_ns) / 1e3,
        "microseconds": (step.ended_ns - step.began_ns) / 1e3,
    }
    if step.reason:
        shown["reason"] = step.reason
    if step.outcome is Outcome.SUCCEEDED:
        shown["result"] = redacted(step.result)
    return shown


def show(explanation: Explanation, console: Console) -> None:
    for problem in explanation.problems:
        console.print(printable(f"refused: {problem}"))
    owner = explanation.auth_config
    console.print(printable(f"AuthConfig: {owner or 'none has this host'}"))
    if owner is not None:
        console.print(printable(f"lane:       {explanation.lane}"))
    if explanation.skipped:
        console.print("The top-level `when` does not hold: allowed, nothing is evaluated.")
    if explanation.steps:
        console.print(_table(explanation))
    answer = explanation.answer
    took = _time(explanation.ended_ns - explanation.began_ns)
    console.print(printable(f"answer:     {answer.status} {answer.code.name}, after {took}"))
    for name, value in answer.headers:
        console.print(printable(f"  {name}: {value}"))
    if explanation.metadata:
        console.print(printable(f"  metadata: {json_of_value(explanation.metadata)}"))
    if answer.body:
        console.print(printable(f"  {answer.body}"))


def _table(explanation: Explanation) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in COLUMNS:
        right = name in ("priority", "time")
        table.add_column(name, justify="right" if right else "left", overflow="fold")
    for step in explanation.steps:
        outcome = f"{step.outcome}{', remembered' if step.remembered else ''}"
        table.add_row(
            step.phase,
            str(step.entry.priority),
            printable(step.entry.name),
            step.entry.kind.label,
            outcome,
            printable(_lane(explanation, step).partition(":")[0]),
            _time(step.ended_ns - step.began_ns),
            printable(_told(step)),
        )
    return table


def _lane(explanation: Explanation, step: Step) -> str:
    return explanation.lanes.get((step.phase, step.entry.name), explanation.lane)


def _told(step: Step) -> str:
    if step.outcome is Outcome.IGNORED and not step.reason:
        return "its `when` does not hold"
    if step.outcome is not Outcome.SUCCEEDED:
        return step.reason
    text = json_of_value(redacted(step.result))
    return text if len(text) <= MOST_SHOWN else text[: MOST_SHOWN - 1] + "…"


def _time(duration_ns: int) -> str:
    if duration_ns < 10**6:
        return f"{duration_ns / 1e3:.1f} µs"
    return f"{duration_ns / 1e6:.1f} ms"
