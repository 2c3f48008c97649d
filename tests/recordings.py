"""Recorded market data for the tests: the frames of venues, as they arrived."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path


def recordings(folder: Path) -> list[Path]:
    """Return the files of recorded frames."""
    return sorted([*folder.glob("frames/*.jsonl.gz"), *folder.glob("frames/*.jsonl")])


def wire_texts(path: Path) -> Iterator[str]:
    """Yield the text of each recorded frame, byte for byte what arrived."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8", newline="\n") as lines:
        for line in lines:
            yield line[line.index('"frame":') + 8 : line.rstrip("\n").rindex("}")]
