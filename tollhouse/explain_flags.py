"""What `tollhouse explain` can be told on its command line."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from authz.outgoing.bounds import OutgoingBounds
from tollhouse import flags, outgoing_flags
from tollhouse.errors import UsageError
from tollhouse.outgoing_flags import OUTGOING_FLAGS

DIRS = "TOLLHOUSE_DIR"

DESCRIPTION = """\
Run one request through the AuthConfig of its host and tell every phase and evaluator: its result or
reason, its time and its lane, and the answer that Envoy would get. Evaluators ask the servers that
they would ask; callbacks are not sent."""

EPILOG = f"""\
the request:
  --attributes FILE holds an AttributeContext of Envoy in JSON (source, metadataContext,
  contextExtensions, tlsSession …); the other flags are put on top of it.
  --body @FILE reads the body from a file.

environment:
  {DIRS} holds the paths of --manifests separated by colons; --outgoing-… have the variables
  that tollhouse serve takes.

exit codes:
  0  explained, whatever the answer     1  unreadable input     2  unusable command line

examples:
  tollhouse explain --manifests manifests/ --host toys.com --path /toys
  tollhouse explain --manifests manifests/ --host toys.com --method POST --path /toys \\
    --header "Authorization: APIKEY secret" --body @toy.json --json"""

MOST_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class ExplainSettings:
    """One run. host: None leaves it to `attributes`. body: as given, `@FILE` not yet read.
    timeout_seconds: for the whole request."""

    manifests: tuple[Path, ...]
    host: str | None
    method: str = "GET"
    path: str = "/"
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: str = field(default="", repr=False)
    attributes: Path | None = None
    timeout_seconds: float = 10.0
    json: bool = False
    outgoing: OutgoingBounds = field(default_factory=OutgoingBounds)


def parse(arguments: Sequence[str], environment: Mapping[str, str]) -> ExplainSettings:
    """Raises UsageError, and SystemExit for --help."""
    for word in arguments:
        if not word.isprintable():
            raise UsageError(f"{word!r}: expected printable text; --body @FILE takes any bytes")
    given = _parser().parse_args(arguments)
    manifests = given.manifests or [d for d in environment.get(DIRS, "").split(":") if d]
    if not manifests:
        raise UsageError(f"--manifests: expected, or {DIRS}")
    if given.host is None and given.attributes is None:
        raise UsageError("--host: expected, or --attributes that hold it")
    return ExplainSettings(
        manifests=tuple(map(flags.path, manifests)),
        host=given.host,
        method=given.method,
        path=given.path,
        headers=tuple(map(_header, given.header)),
        body=given.body,
        attributes=None if given.attributes is None else flags.path(given.attributes),
        timeout_seconds=_seconds(given.timeout),
        json=given.json,
        outgoing=outgoing_flags.read(vars(given), environment),
    )


def _parser() -> argparse.ArgumentParser:
    made = flags.Parser(
        prog="tollhouse explain",
        usage="tollhouse explain --host HOST [FLAG ...]",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument(
        "--manifests", action="append", metavar="PATH", help="a directory or file; repeatable"
    )
    made.add_argument("--host", metavar="HOST", help="the host that is asked for")
    made.add_argument("--method", default="GET", metavar="METHOD", help="(default: GET)")
    made.add_argument("--path", default="/", metavar="PATH", help="with its query (default: /)")
    made.add_argument(
        "--header", action="append", default=[], metavar="'NAME: VALUE'", help="repeatable"
    )
    made.add_argument("--body", default="", metavar="TEXT", help="the body, or @FILE")
    made.add_argument("--attributes", metavar="FILE", help="an AttributeContext in JSON")
    made.add_argument(
        "--timeout", default="10", metavar="SECONDS", help="for the request (default: 10)"
    )
    made.add_argument("--json", action="store_true", help="print JSON instead of tables")
    flags.add(made, OUTGOING_FLAGS, outgoing_flags.defaults())
    return made


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    name = name.strip().lower()
    if not colon or not name:
        raise UsageError("--header: expected 'NAME: VALUE'")
    return name, value.strip()


def _seconds(text: str) -> float:
    try:
        return flags.seconds(MOST_SECONDS)(text)
    except UsageError as error:
        raise UsageError(f"--timeout: {error}") from None
