"""What `tollhouse replay` can be told on its command line."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tollhouse import flags

DESCRIPTION = """\
Run the requests of access logs through a limits file, by the logs' own clock, and report for each
limit what it would have refused: how much, when, whom, and the value that nearly everybody would
have stayed within."""

EPILOG = """\
logs:
  Envoy's JSON logs (start_time, or another field with the time) and its default text, common and
  combined log format; plain or gzip; - is the standard input. Several are merged by time.

descriptors:
  Every entry that the limits read is filled from the field of the same name, or one that is
  usually called so (method, path, host, user, remote address, user agent). --map says otherwise:
  --map user_id=jwt.sub, or --map 1:tenant=tenant for descriptors[1].

exit codes:
  0  a report     1  unreadable or refused input     2  unusable command line

examples:
  tollhouse replay --limits limits.yaml access.log
  tollhouse replay --limits limits.yaml --html report.html --map user_id=x_user access.json.gz"""


@dataclass(frozen=True, slots=True)
class ReplaySettings:
    """One run of `tollhouse replay`.

    map: `KEY=FIELD` or `INDEX:KEY=FIELD`. hits: the field with a request's hits.
    """

    limits: Path
    logs: tuple[str, ...]
    namespace: str | None = None
    map: tuple[str, ...] = ()
    hits: str | None = None
    html: Path | None = None
    json: bool = False


def parse(arguments: Sequence[str]) -> ReplaySettings:
    """Raises UsageError, and SystemExit for --help."""
    given = _parser().parse_args(arguments)
    return ReplaySettings(
        limits=flags.path(given.limits),
        logs=tuple(given.logs),
        namespace=given.namespace,
        map=tuple(given.map),
        hits=given.hits,
        html=None if given.html is None else flags.path(given.html),
        json=given.json,
    )


def _parser() -> argparse.ArgumentParser:
    made = flags.Parser(
        prog="tollhouse replay",
        usage="tollhouse replay --limits FILE [FLAG ...] LOG ...",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument("logs", nargs="+", metavar="LOG", help="an access log")
    made.add_argument("--limits", required=True, metavar="FILE", help="the limits to try")
    made.add_argument("--namespace", metavar="NAME", help="of the limits, where there are several")
    made.add_argument(
        "--map", action="append", default=[], metavar="KEY=FIELD", help="fill an entry; repeatable"
    )
    made.add_argument("--hits", metavar="FIELD", help="hits of a request (default: one each)")
    made.add_argument("--html", metavar="FILE", help="write the report as a page as well")
    made.add_argument("--json", action="store_true", help="print the report as JSON")
    return made
