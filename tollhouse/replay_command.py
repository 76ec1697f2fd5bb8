"""`tollhouse replay`: what limits would have done to the traffic of access logs."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from _fastpath.cells import Series
from ratelimit import limitador_file
from ratelimit.configuration import Configuration, build
from ratelimit.errors import LimitsFileError
from ratelimit.replay.errors import ReplayError
from ratelimit.replay.evaluation import natively
from ratelimit.replay.log_files import STDIN, LogFiles
from ratelimit.replay.mapping import DescriptorMapping, mapping
from ratelimit.replay.page import key_text, page, title
from ratelimit.replay.report import Report, report
from ratelimit.replay.simulation import Simulation
from tollhouse.errors import StartError
from tollhouse.replay_flags import ReplaySettings
from tollhouse.terminal import printable


def run(settings: ReplaySettings) -> int:
    """Print the report, on stdout; progress goes to stderr. Raises StartError."""
    try:
        made = asyncio.run(_replay(settings))
        if settings.html is not None:
            settings.html.write_text(page(made), encoding="utf-8")
    except LimitsFileError as error:
        raise StartError(f"the limits file is refused\n{error}") from error
    except ReplayError as error:
        raise StartError(str(error)) from error
    except OSError as error:
        raise StartError(f"{error.filename}: cannot be written: {error.strerror}") from error
    if settings.json:
        print(msgspec.json.encode(made).decode())
    else:
        show(made, Console())
    return 0


async def _replay(settings: ReplaySettings) -> Report:
    loaded = limitador_file.load(str(settings.limits))
    configuration = build(natively(loaded.limits), loaded.warnings, Series(1))
    namespace = _namespace(configuration, settings.namespace)
    limits = configuration.limits(namespace)
    entries = mapping(limits, settings.map, settings.hits)
    simulation = Simulation(configuration, namespace, entries)
    with _progress(settings) as files:
        met: set[tuple[int, str]] = set()
        for record in files.records():
            await simulation.feed(record)
            if len(met) < len(entries.entries):
                met.update(
                    (entry.descriptor, entry.key)
                    for entry in entries.entries
                    if entry.value(record) is not None
                )
    simulation.close()
    if not simulation.requests:
        raise ReplayError(f"no request could be read from {files.lines} lines")
    return report(
        namespace,
        simulation,
        lines=files.lines,
        skipped=files.skipped,
        unmapped=_unmapped(entries, met),
    )


def _namespace(configuration: Configuration, wanted: str | None) -> str:
    names = sorted(configuration.namespaces)
    if wanted is None and len(names) == 1:
        return names[0]
    if wanted is None:
        raise ReplayError(f"say which --namespace: {', '.join(names) or 'there are no limits'}")
    if wanted not in names:
        raise ReplayError(f"no limits for namespace {wanted!r}; there are {', '.join(names)}")
    return wanted


def _unmapped(entries: DescriptorMapping, met: set[tuple[int, str]]) -> tuple[str, ...]:
    return tuple(
        f"descriptors[{entry.descriptor}].{entry.key}"
        for entry in entries.entries
        if (entry.descriptor, entry.key) not in met
    )


@contextlib.contextmanager
def _progress(settings: ReplaySettings) -> Iterator[LogFiles]:
    total = sum(Path(log).stat().st_size for log in settings.logs if Path(log).is_file())
    columns = (
        TextColumn("replaying"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=None if STDIN in settings.logs else total)
        files = LogFiles(settings.logs, lambda count: progress.advance(task, count))
        yield files
        progress.update(task, completed=total)


def show(made: Report, console: Console) -> None:
    """The report as tables."""
    console.print(
        f"{made.requests:,} requests, {made.first} to {made.last}; "
        f"{made.refused:,} would have been refused",
        highlight=False,
    )
    if made.skipped:
        console.print(f"{made.skipped:,} of {made.lines:,} lines could not be read")
    for entry in made.unmapped:
        console.print(printable(f"no request had a value for {entry}; see --map"))
    table = Table("limit", box=None, header_style="bold")
    for column in ("requests", "refused", "share", "suggested"):
        table.add_column(column, justify="right")
    table.add_column("most refused key")
    for limit in made.limits:
        worst = limit.worst_keys[0] if limit.worst_keys else None
        table.add_row(
            printable(title(limit)),
            f"{limit.requests:,}",
            f"{limit.refused:,}",
            f"{limit.refused / limit.requests:.2%}" if limit.requests else "",
            "" if limit.suggested_value is None else f"{limit.suggested_value:,}",
            printable(f"{key_text(worst.values)} ({worst.refused:,})" if worst else ""),
        )
    console.print(table)
