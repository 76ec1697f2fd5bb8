"""What commands show on a terminal."""

import sys

from rich.console import Console
from rich.text import Text


def console() -> Console:
    """On standard output; a pipe gets whole lines, as nobody wraps there."""
    wide = None if sys.stdout.isatty() else 1000
    return Console(highlight=False, markup=False, emoji=False, width=wide)


def printable(text: str) -> Text:
    """Text of a peer or a file with what would steer the terminal spelled out."""
    if text.isprintable():
        return Text(text)
    return Text(
        "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    )
