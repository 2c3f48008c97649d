"""Survey: what must be known of recordings before they are played: their order and gaps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tickerkit.log import Gap, Position
from tickerkit.storage.between_files import Part, find_missing, order
from tickerkit.storage.extent import Extent, ExtentBuilder
from tickerkit.storage.paths import is_jsonl, recording_name
from tickerkit.storage.scan import Scan

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
    surveyed = [_survey_one(scan) for scan in scans]
    parts = [_make_part(each) for each in surveyed]
    missing = find_missing(parts)
    return [
        each._replace(gaps=[*missing.get(each.scan.path, ()), *each.gaps])
        for each in (surveyed[index] for index in order(parts))
    ]


def _survey_one(scan: Scan) -> Surveyed:
    sidecar = scan.sidecar
    if sidecar.extent is not None:
        return Surveyed(scan, sidecar.gaps, sidecar.extent)
    rows, builder = Scan(scan.path, ["seq", "epoch", "time"]), ExtentBuilder()
    for piece in rows.pieces():
        builder.add(piece.frame)
    return Surveyed(scan, rows.sidecar.gaps, builder.extent)


def _make_part(surveyed: Surveyed) -> Part:
    """Return what must be known of a recording to compare it with others."""
    scan, extent = surveyed.scan, surveyed.extent
    epochs = [] if extent is None else extent.epochs
    return Part(
        scan.path,
        (*recording_name(scan.path), scan.sidecar.source),
        scan.sidecar.symbols,
        Position(epochs[0].epoch, epochs[0].first) if epochs else None,
        {each.epoch: (each.first, each.last) for each in epochs},
        list(surveyed.gaps),
    )
