"""Survey: what must be known of recordings before they are played: their order and gaps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tickerkit.log import Gap
from tickerkit.storage.between_files import Part, find_elsewhere, find_missing, order
from tickerkit.storage.extent import Extent, ExtentBuilder
from tickerkit.storage.outline import read_outline
from tickerkit.storage.paths import is_jsonl
from tickerkit.storage.scan import Scan
from tickerkit.storage.sidecar import Sidecar

__all__ = ["Surveyed", "survey"]


class Surveyed(NamedTuple):
    """What must be known of a recording before it is played.

    Attributes:
        path: the recording.
        gaps: those between it and the files before, and those that it lists, unless another file
            has their ticks.
        extent: how far its ticks reach; None if that isn't known and nothing depends on it.
    """

    path: Path
    gaps: Sequence[Gap] = ()
    extent: Extent | None = None


def survey(paths: Sequence[Path]) -> list[Surveyed]:
    """Survey recordings; return them in the order in which they are played.

    Of a recording without an extent the rows are read, but only their seqs and times, and only if
    it lists gaps or there are several recordings.

    Raises:
        RecordingError: a file can't be read.
    """
    if len(paths) == 1 and not is_jsonl(paths[0]):  # the gaps of raw frames come from the rows
        outline = read_outline(paths[0])
        if not outline.about.gaps:
            return [Surveyed(paths[0], (), outline.extent)]
    found = [(path, *_survey_one(path)) for path in paths]
    parts = [Part.from_extent(*each) for each in found]
    missing, elsewhere = find_missing(parts), find_elsewhere(parts)
    return [
        Surveyed(
            path,
            [*missing.get(path, ()), *(gap for gap in about.gaps if gap not in elsewhere)],
            extent,
        )
        for path, about, extent in (found[index] for index in order(parts))
    ]


def _survey_one(path: Path) -> tuple[Sidecar, Extent]:
    """Return what a recording says about itself, and how far its ticks reach."""
    outline = read_outline(path)
    if outline.extent is not None:
        return outline.about, outline.extent
    scan, builder = Scan(path, ["seq", "epoch", "time"]), ExtentBuilder()
    for piece in scan.pieces():
        builder.add(piece.frame)
    return scan.sidecar, builder.extent
