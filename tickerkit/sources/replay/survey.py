"""Survey: what must be known of recordings before they are played: their order and gaps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tickerkit.log import Gap
from tickerkit.storage.between_files import Part, find_missing, order
from tickerkit.storage.extent import Extent, ExtentBuilder
from tickerkit.storage.paths import is_jsonl
from tickerkit.storage.scan import Scan
from tickerkit.storage.sidecar import Sidecar

__all__ = ["Surveyed", "survey"]


class Surveyed(NamedTuple):
    """What must be known of a recording before it is played.

    Attributes:
        scan: reads the recording.
        gaps: those between it and the files before, and those that it lists.
        extent: how far its ticks reach; None if that isn't known and nothing depends on it.
    """

    scan: Scan
    gaps: Sequence[Gap] = ()
    extent: Extent | None = None


def survey(paths: Sequence[Path]) -> list[Surveyed]:
    """Survey recordings; return them in the order in which they are played.

    Of a recording without an extent the rows are read, but only for their seqs and times, and only
    if it lists gaps or there are several recordings: the gaps of raw frames come from the rows.

    Raises:
        RecordingError: a file can't be read.
    """
    scans = [Scan(path) for path in paths]
    if len(paths) == 1 and not scans[0].sidecar.gaps and not is_jsonl(paths[0]):
        return [Surveyed(scans[0], extent=scans[0].sidecar.extent)]
    found = list(map(_survey_one, scans))
    parts = [Part.from_extent(each.path, about, extent) for each, about, extent in found]
    missing = find_missing(parts)
    return [
        Surveyed(scan, [*missing.get(scan.path, ()), *about.gaps], extent)
        for scan, about, extent in (found[index] for index in order(parts))
    ]


def _survey_one(scan: Scan) -> tuple[Scan, Sidecar, Extent]:
    """Return also what a recording says about itself, and how far its ticks reach."""
    if scan.sidecar.extent is not None:
        return scan, scan.sidecar, scan.sidecar.extent
    rows, builder = Scan(scan.path, ["seq", "epoch", "time"]), ExtentBuilder()
    for piece in rows.pieces():
        builder.add(piece.frame)
    return scan, rows.sidecar, builder.extent
