"""The report as one HTML page: no other file, no script; every chart has its numbers in a table."""

from html import escape

from ratelimit.replay.report import LimitReport, Report, Step

WIDTH, HEIGHT = 720, 160
LEFT, BOTTOM, TOP = 56, 24, 8  # room for the axes

_STYLE = """
:root { color-scheme: light dark; --text: #1b1f24; --quiet: #59636e; --line: #d1d9e0;
  --page: #ffffff; --passed: #3572b0; --refused: #c9372c; }
@media (prefers-color-scheme: dark) { :root { --text: #e6edf3; --quiet: #9198a1;
  --line: #3d444d; --page: #0d1117; --passed: #6ea8e0; --refused: #f2786d; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--page);
  max-width: 780px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.15rem; margin-top: 2.5rem;
  border-top: 1px solid var(--line); padding-top: 1rem; overflow-wrap: anywhere; }
p.quiet, summary, caption, figcaption { color: var(--quiet); }
code { overflow-wrap: anywhere; }
table { border-collapse: collapse; margin: .75rem 0; }
caption { text-align: left; }
th, td { text-align: right; padding: .15rem .75rem; border-bottom: 1px solid var(--line);
  font-variant-numeric: tabular-nums; }
th:first-child, td:first-child { text-align: left; padding-left: 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; } figure { margin: 1rem 0; }
svg { width: 100%; height: auto; } svg text { fill: var(--quiet); font-size: 11px; }
.axis { stroke: var(--line); } .passed { fill: var(--passed); } .refused { fill: var(--refused); }
.mark { display: inline-block; width: .8em; height: .8em; margin: 0 .3em 0 .8em; }
.mark.passed { background: var(--passed); } .mark.refused { background: var(--refused); }
"""


def page(report: Report) -> str:
    limits = "".join(_limit(limit) for limit in report.limits)
    notes = []
    if report.skipped:
        notes.append(f"{report.skipped:,} lines in no known form were skipped.")
    if report.late:
        notes.append(f"{report.late:,} requests were out of order.")
    if report.unmapped:
        keys = ", ".join(map(escape, report.unmapped))
        notes.append(f"No request had a value for: {keys}.")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Replay of {escape(report.namespace)}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>Replay of {escape(report.namespace)}</h1>
<p>{report.requests:,} requests from {report.first or "–"} to {report.last or "–"};
{report.refused:,} of them ({_share(report.refused, report.requests)}) would have been refused.</p>
<p class="quiet">{" ".join(notes)}</p>
{limits}
</body>
</html>
"""


def title(limit: LimitReport) -> str:
    bound = f"{limit.max_value:,} per {limit.window_seconds:g} s"
    return f"{limit.name}: {bound}" if limit.name else bound


def _limit(limit: LimitReport) -> str:
    conditions = "".join(f"<li><code>{escape(text)}</code></li>" for text in limit.conditions)
    suggested = "–" if limit.suggested_value is None else f"{limit.suggested_value:,}"
    return f"""<section>
<h2>{escape(title(limit))}</h2>
{f"<ul>{conditions}</ul>" if conditions else ""}
<div class="scroll"><table>
<tr><th>requests</th><th>hits</th><th>refused</th><th>share</th><th>windows</th>
<th>suggested value</th></tr>
<tr><td>{limit.requests:,}</td><td>{limit.hits:,}</td><td>{limit.refused:,}</td>
<td>{_share(limit.refused, limit.requests)}</td><td>{limit.windows:,}</td><td>{suggested}</td></tr>
</table></div>
{_over_time(limit)}
{_worst(limit)}
</section>
"""


def _over_time(limit: LimitReport) -> str:
    if not limit.over_time:
        return '<p class="quiet">No request met this limit.</p>'
    rows = "".join(
        f"<tr><td>{step.start}</td><td>{step.passed:,}</td><td>{step.refused:,}</td></tr>"
        for step in limit.over_time
    )
    return f"""<figure>
{_chart(limit.over_time)}
<figcaption>Requests per {limit.step_seconds:g} s:
<span class="mark passed"></span>passed <span class="mark refused"></span>refused</figcaption>
</figure>
<details><summary>The numbers of the chart</summary><div class="scroll"><table>
<tr><th>from</th><th>passed</th><th>refused</th></tr>{rows}</table></div></details>"""


def _chart(steps: tuple[Step, ...]) -> str:
    """Stacked bars, refused on top."""
    most = max(step.passed + step.refused for step in steps) or 1
    wide = (WIDTH - LEFT) / len(steps)
    floor = HEIGHT - BOTTOM
    tall = (floor - TOP) / most
    bars = []
    for number, step in enumerate(steps):
        x = LEFT + number * wide
        top = float(floor)
        for kind, count in (("passed", step.passed), ("refused", step.refused)):
            if count:
                top_of_bar = top - count * tall
                bars.append(
                    f'<rect class="{kind}" x="{x:.2f}" y="{top_of_bar:.2f}"'
                    f' width="{max(wide - 0.5, 0.5):.2f}" height="{top - top_of_bar:.2f}">'
                    f"<title>{step.start}: {count:,} {kind}</title></rect>"
                )
                top = top_of_bar
    return f"""<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img"
 aria-label="Passed and refused requests over time">
<line class="axis" x1="{LEFT}" y1="{floor}" x2="{WIDTH}" y2="{floor}"/>
<text x="{LEFT - 6}" y="{TOP + 8}" text-anchor="end">{most:,}</text>
<text x="{LEFT - 6}" y="{floor}" text-anchor="end">0</text>
<text x="{LEFT}" y="{HEIGHT - 8}">{steps[0].start}</text>
<text x="{WIDTH}" y="{HEIGHT - 8}" text-anchor="end">{steps[-1].start}</text>
{"".join(bars)}
</svg>"""


def _worst(limit: LimitReport) -> str:
    if not limit.worst_keys:
        return ""
    rows = "".join(
        f"<tr><td>{escape(key_text(worst.values))}</td><td>{worst.refused:,}</td></tr>"
        for worst in limit.worst_keys
    )
    return f"""<div class="scroll"><table><caption>Most refused keys</caption>
<tr><th>key</th><th>refused</th></tr>{rows}</table></div>"""


def key_text(values: dict[str, str]) -> str:
    return ", ".join(f"{source} = {value}" for source, value in values.items()) or "(all requests)"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.2%}" if whole else "–"
