"""How `tollhouse top` shows a view on a terminal."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tollhouse.terminal import printable
from tollhouse.top_sample import LimitRate, NearKey, View

BAR = 10  # characters of a full one
FEWEST_ROWS = 3


def render(view: View, height: int | None = None, problem: str = "") -> RenderableType:
    """height: lines of the terminal; None shows all rows. problem: why the view is an old one."""
    limits, near = view.limits, view.near
    if height is not None:
        room = max(height - 9, 2 * FEWEST_ROWS)  # head, titles and blank lines
        shown_near = min(len(near), room // 2)
        limits, near = limits[: max(room - shown_near, FEWEST_ROWS)], near[:shown_near]
    parts: list[RenderableType] = [_head(view, problem), Text(), _limits(limits)]
    if len(limits) < len(view.limits):
        parts.append(Text(f"and {len(view.limits) - len(limits)} more limits", style="dim"))
    parts += [Text(), _near(near)]
    if view.near_problem:
        parts.append(printable(f"keys near their limit are not shown: {view.near_problem}"))
    return Group(*parts)


def _head(view: View, problem: str) -> RenderableType:
    head = printable(view.server)
    head.stylize("bold")
    if problem:
        head.append_text(Text("  ").append_text(printable(problem)).append(" ", style="red"))
    elif not view.ready:
        head.append("  not ready", style="red")
    decided = Text(
        f"{view.decided_per_second:,.0f} decisions/s, {view.refused_per_second:,.0f} refused/s"
        f" ({view.refused_share:.1%})"
    )
    lanes = view.lanes
    lane = Text(
        f"native {lanes.native_per_second:,.0f}/s, full lane {lanes.full_per_second:,.0f}/s"
    )
    if lanes.overloaded_per_second:
        lane.append(f", overloaded {lanes.overloaded_per_second:,.0f}/s", style="red")
    return Group(head, decided, Text("lanes: ").append_text(lane), _counters(view))


def _counters(view: View) -> Text:
    counters = view.counters
    text = Text(f"counters: {counters.held:,} in {counters.bytes / 1e6:,.1f} MB")
    if counters.evicted_per_second:
        text.append(f", {counters.evicted_per_second:,.0f} evicted/s", style="red")
    if not counters.store_reachable:
        text.append(", store not reachable", style="red")
    if counters.state_unwritten:
        text.append(f", {counters.state_unwritten:,} not written to the state file", style="red")
    return text


def _limits(limits: list[LimitRate]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("limit", ratio=1)
    for name in ("calls/s", "refused/s", "refused", "calls in all", "refused"):
        table.add_column(name, justify="right", no_wrap=True)
    for limit in limits:
        table.add_row(
            _name(limit.namespace, limit.limit),
            f"{limit.calls_per_second:,.1f}",
            f"{limit.refused_per_second:,.1f}",
            Text(f"{limit.refused_share:.1%}", style="red" if limit.refused_share else ""),
            f"{limit.calls:,}",
            f"{limit.refused:,}",
        )
    return table


def _near(near: list[NearKey]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("near its limit", ratio=1)
    table.add_column("values", ratio=1)
    for name in ("used", "of", "", "expires in"):
        table.add_column(name, justify="right", no_wrap=True)
    for key in near:
        values = ", ".join(f"{name}={value}" for name, value in key.variables.items())
        table.add_row(
            _name(key.namespace, key.limit),
            printable(values or "-"),
            f"{key.value:,}",
            f"{key.max_value:,}",
            _bar(key.share),
            f"{key.expires_in_seconds:,} s",
        )
    return table


def _bar(share: float) -> Text:
    full = min(round(share * BAR), BAR)
    text = Text("█" * full + "░" * (BAR - full))
    text.append(f" {share:.0%}")
    text.stylize("red" if share >= 1 else "yellow")
    return text


def _name(namespace: str, limit: str) -> Text:
    name = printable(namespace)
    name.append(" / ")
    return name.append_text(printable(limit) if limit else Text("(unnamed)", style="dim"))
