"""`tollhouse counters`: operations on the counters of a running server."""

import asyncio
import sys
from collections.abc import Sequence
from typing import Any

import msgspec
from rich.table import Table

from tollhouse.errors import UsageError
from tollhouse.server_access import Server
from tollhouse.settings import CountersSettings
from tollhouse.terminal import console, printable

NONE_FOUND = 1


def run(settings: CountersSettings) -> int:
    """Returns the exit code. Raises ServerError, UsageError."""
    return asyncio.run(_run(settings))


async def _run(settings: CountersSettings) -> int:
    async with Server(settings.access) as server:
        match settings.action:
            case "list":
                return await _list(settings, server)
            case "get":
                return await _get(settings, server)
            case "reset":
                return await _reset(settings, server)
            case _:
                return await _set(settings, server)


def query(settings: CountersSettings) -> dict[str, str]:
    """The selection as the HTTP side takes it."""
    asked = {f"var.{name}": value for name, value in settings.variables}
    if settings.limit is not None:
        asked["limit"] = settings.limit
    if settings.value_over is not None:
        asked["value_over"] = str(settings.value_over)
    return asked


async def _list(settings: CountersSettings, server: Server) -> int:
    found = [c async for c in server.counters(settings.namespace, query(settings))]
    found.sort(key=lambda c: (c["limit"]["name"] or "", -c["value"], list(c["set_variables"])))
    if settings.json:
        _print_json(found)
    else:
        _print_table(found)
    return 0


async def _get(settings: CountersSettings, server: Server) -> int:
    found = []
    async for counter in server.counters(settings.namespace, query(settings)):
        found.append(counter)
        if len(found) > 1:
            raise UsageError("several counters are meant; --limit and --var name one")
    if not found:
        print("no such counter", file=sys.stderr)
        return NONE_FOUND
    if settings.json:
        _print_json(found[0])
    else:
        _print_table(found)
    return 0


async def _reset(settings: CountersSettings, server: Server) -> int:
    asked = query(settings)
    if not asked and not settings.yes:
        question = f"Reset every counter of {settings.namespace!r}? [y/N] "
        if not await asyncio.to_thread(_confirmed, question):
            print("nothing was reset", file=sys.stderr)
            return NONE_FOUND
    removed = await server.reset(settings.namespace, asked)
    if settings.json:
        _print_json({"removed": removed})
    else:
        print(f"{removed} counter{'' if removed == 1 else 's'} reset")
    return 0


async def _set(settings: CountersSettings, server: Server) -> int:
    assert settings.value is not None
    counter = await server.set(settings.namespace, query(settings), settings.value)
    if settings.json:
        _print_json(counter)
    else:
        print(f"set to {counter['value']} of {counter['limit']['max_value']}")
    return 0


def _confirmed(question: str) -> bool:
    """Raises UsageError where nobody can answer."""
    if not sys.stdin.isatty():
        raise UsageError("resetting a whole namespace needs --yes where nobody can be asked")
    return input(question).strip().lower() in ("y", "yes")


def _print_json(document: Any) -> None:
    print(msgspec.json.format(msgspec.json.encode(document)).decode())


def _print_table(counters: Sequence[dict[str, Any]]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("limit")
    table.add_column("values")
    for name in ("value", "max", "remaining", "expires in"):
        table.add_column(name, justify="right")
    for counter in counters:
        limit = counter["limit"]
        values = ", ".join(f"{name}={value}" for name, value in counter["set_variables"].items())
        table.add_row(
            printable(limit["name"] or "-"),
            printable(values or "-"),
            str(counter["value"]),
            "-" if limit.get("unlimited") else str(limit["max_value"]),
            "-" if counter["remaining"] is None else str(counter["remaining"]),
            f"{counter['expires_in_seconds']} s",
        )
    console().print(table)
