"""Parts: a CSV recording continues in another file when its ticks get a new column.

The header is the first line of a file, so a column can be added only by writing the whole file
again: that needs as much free disk as the file has, and nothing can be recorded meanwhile. So
`ticks.csv` continues in `ticks.part2.csv`. Its sidecar says so: a file that only has such a name is
none of its parts. `read_csv("ticks.csv")` reads all parts as one frame.
"""

from __future__ import annotations

import re
from pathlib import Path

from tickerkit.storage.sidecar import read_sidecar, sidecar_path

__all__ = ["is_part", "parts_of", "prepare_part", "remove_parts"]

SUFFIX = re.compile(r"(\.[^.]*(?:\.gz|\.zst)?|)$")
PART_NAME = re.compile(r"(.+)\.part(\d+)(\.[^.]*(?:\.gz|\.zst)?|)")


def parts_of(path: Path) -> list[Path]:
    """Return the existing files of a CSV recording in order: `path`, then its further parts."""
    stem, suffix = _split(path.name)
    numbers: list[tuple[int, Path]] = []
    for each in path.parent.glob(f"{_escape(stem)}.part*{_escape(suffix)}"):
        match = PART_NAME.fullmatch(each.name)
        if match is not None and (match[1], match[3]) == (stem, suffix) and _continues(each):
            numbers.append((int(match[2]), each))
    return [*([path] if path.exists() else []), *(part for _, part in sorted(numbers))]


def is_part(path: Path) -> bool:
    """Return whether a file is a further part of a recording whose first file is there."""
    match = PART_NAME.fullmatch(path.name)
    return match is not None and path.with_name(match[1] + match[3]).exists() and _continues(path)


def prepare_part(path: Path) -> Path:
    """Return the path of the next part of a recording: no file, or an empty one, is there."""
    stem, suffix = _split(path.name)
    number = 2
    while (part := path.with_name(f"{stem}.part{number}{suffix}")).exists():
        if not part.stat().st_size:  # a crash came before its first row
            break
        number += 1
    return part


def remove_parts(path: Path) -> None:
    """Remove all parts of a recording but the first file."""
    for part in parts_of(path):
        if part != path:
            part.unlink()
            sidecar_path(part).unlink(missing_ok=True)


def _continues(path: Path) -> bool:
    sidecar = read_sidecar(path)
    return sidecar is not None and any(head.is_part for head in sidecar.heads)


def _split(name: str) -> tuple[str, str]:
    match = SUFFIX.search(name)
    suffix = match[0] if match is not None else ""
    return name.removesuffix(suffix), suffix


def _escape(text: str) -> str:
    return re.sub(r"([\[*?])", r"[\1]", text)
