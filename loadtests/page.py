"""A page of results that several programs write: each one its own part."""

from pathlib import Path


def write_part(page: Path, text: str) -> None:
    """Put `text` in the place of the part with the same heading, its first line, or at the end.

    A part begins with a heading of the first or second level and reaches to the next one.
    """
    heading = text.split("\n", 1)[0]
    parts: list[str] = []
    for line in page.read_text().splitlines(keepends=True) if page.exists() else []:
        if line.startswith(("# ", "## ")) or not parts:
            parts.append("")
        parts[-1] += line
    new = text.rstrip("\n") + "\n"
    places = [index for index, part in enumerate(parts) if part.split("\n", 1)[0] == heading]
    if places:
        parts[places[0]] = new
    else:
        parts.append(new)
    page.write_text("\n".join(part.rstrip("\n") + "\n" for part in parts))
