"""Between files: the order of the files of one recording, and what is missing between them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, TypeAlias

import pandas as pd

from tickerkit.errors import Problem
from tickerkit.log import Gap, Position, gap_frame, gaps_from_frame
from tickerkit.storage.extent import Extent, ExtentBuilder
from tickerkit.storage.paths import recording_name
from tickerkit.storage.recording import Recording
from tickerkit.storage.seam import fill
from tickerkit.storage.sidecar import Sidecar

__all__ = [
    "ELSEWHERE",
    "Part",
    "check_between",
    "find_elsewhere",
    "find_missing",
    "has_positions",
    "in_order",
    "order",
]

BETWEEN_FILES = "missing between two files of the recording"
# The reason of a gap in one file of a layout, whose ticks another one has: they are late or early.
ELSEWHERE = "in another file of the layout"

Range: TypeAlias = tuple[int, int]
Place: TypeAlias = tuple[int, int, str]


class Part(NamedTuple):
    """What must be known of a file to compare it with the other files of its recording.

    Attributes:
        path: the file.
        key: the folder and name of the recording, and the source of its ticks.
        symbols: the symbols recorded, None for all.
        first: the first epoch and its lowest seq, None without one.
        spans: the first and last seq of each epoch, oldest epoch first.
        gaps: the gaps that the file lists.
    """

    path: Path
    key: tuple[Path, str, str]
    symbols: list[str] | None
    first: Position | None
    spans: dict[str, tuple[int, int]]
    gaps: list[Gap]

    @classmethod
    def from_extent(cls, path: Path, about: Sidecar, extent: Extent) -> Part:
        """Return what must be known of a file by how far its ticks reach."""
        epochs = [each for each in extent.epochs if each.epoch]
        first = Position(epochs[0].epoch, epochs[0].first) if epochs else None
        spans = {each.epoch: (each.first, each.last) for each in epochs}
        key = (*recording_name(path), about.source)
        return cls(path, key, about.symbols, first, spans, about.gaps)

    @classmethod
    def from_recording(cls, path: Path, recording: Recording) -> Part:
        """Return what must be known of a recording that was read."""
        builder = ExtentBuilder()
        builder.add(recording.frame)
        part = cls.from_extent(path, Sidecar(), builder.extent)
        key, gaps = (*part.key[:2], recording.source), gaps_from_frame(recording.gaps)
        return part._replace(key=key, symbols=recording.symbols, gaps=gaps)


def has_positions(frame: pd.DataFrame) -> bool:
    """Return whether the rows of a frame say where they were in a log."""
    return {"seq", "epoch"} <= set(frame) and frame["seq"].dtype.kind in "iu"


def order(parts: Sequence[Part]) -> list[int]:
    """Return the order of files: that of the list, but for files of one recording.

    Of these, the files that begin in one epoch are in order of seq: the name of a file may come
    from a clock that was wrong.
    """
    places: dict[tuple[object, str], list[int]] = {}
    for index, part in enumerate(parts):
        if part.first is not None:
            places.setdefault((part.key, part.first.epoch), []).append(index)
    found = list(range(len(parts)))
    for (_, epoch), indices in places.items():
        by_seq = sorted((parts[index].spans[epoch][0], index) for index in indices)
        for place, (_, index) in zip(indices, by_seq, strict=True):
            found[place] = index
    return found


def in_order(
    paths: Sequence[Path], recordings: Sequence[Recording], *, as_one: bool = False
) -> list[Recording]:
    """Return recordings in their `order`; each also lists what is missing before its file.

    Of an epoch of which a file has only some symbols, that can't be known.

    Args:
        paths: the files.
        recordings: what is in them.
        as_one: whether all files become one recording; otherwise, only files of one recording are
            compared.
    """
    parts = list(map(Part.from_recording, paths, recordings))
    missing = find_missing(parts, as_one=as_one)
    found = []
    for index in order(parts):
        recording = recordings[index]
        if listed := missing.pop(parts[index].path, []):
            gaps = pd.concat([gap_frame(listed), recording.gaps], ignore_index=True)
            recording = recording._replace(gaps=gaps)
        found.append(recording)
    return found


def find_missing(parts: Sequence[Part], *, as_one: bool = False) -> dict[Path, list[Gap]]:
    """Return for each file what is missing between it and those before it; `as_one` as above."""
    missing: dict[Path, list[Gap]] = {}
    for group in [parts] if as_one else _group(parts):
        for part, gap in _find_holes(group):
            noted = Gap(gap.epoch, gap.first, gap.last, BETWEEN_FILES)
            missing.setdefault(part.path, []).append(noted)
    return missing


def find_elsewhere(parts: Iterable[Part]) -> set[Gap]:
    """Return the gaps in one file of a recording whose ticks the others have."""
    found: set[Gap] = set()
    for group in _group(parts):
        for part in group:
            for gap in (gap for gap in part.gaps if gap.reason == ELSEWHERE and gap.last):
                others = (each for each in group if each is not part and gap.epoch in each.spans)
                held = [there for each in others for there in _held(each, gap.epoch)]
                if not _subtract([(gap.first, gap.last or gap.first)], held):
                    found.add(gap)
    return found


def _held(part: Part, epoch: str) -> list[Range]:
    """Return the ranges of seqs that a file has of an epoch: its span without its gaps."""
    _, end = part.spans[epoch]
    gaps = [(gap.first, gap.last or end) for gap in part.gaps if gap.epoch == epoch]
    return _subtract([part.spans[epoch]], gaps)


def _subtract(ranges: Iterable[Range], others: Iterable[Range]) -> list[Range]:
    """Return what is left of ranges without others; both in any order."""
    left, apart, at = [], sorted(others), 0
    for first, last in sorted(ranges):
        while at < len(apart) and apart[at][1] < first:
            at += 1
        for place in range(at, len(apart)):
            begin, end = apart[place]
            if begin > last:
                break
            if first < begin:
                left.append((first, begin - 1))
            first = max(first, end + 1)
        if first <= last:
            left.append((first, last))
    return left


def _group(parts: Iterable[Part]) -> list[list[Part]]:
    """Return the files of each recording."""
    groups: dict[object, list[Part]] = {}
    for part in parts:
        groups.setdefault(part.key, []).append(part)
    return list(groups.values())


def _holders(parts: Iterable[Part]) -> dict[str, list[Part]]:
    """Return the files that have ticks of each epoch, in order of seq."""
    found: dict[str, list[Part]] = {}
    for part in parts:
        for epoch in part.spans:
            found.setdefault(epoch, []).append(part)
    for epoch, holders in found.items():
        holders.sort(key=lambda part: part.spans[epoch])
    return found


def _find_holes(parts: Sequence[Part]) -> Iterator[tuple[Part, Gap]]:
    """Yield each range of an epoch between two files that no gap lists, after the later file."""
    gaps: dict[str, list[Gap]] = {}
    for gap in sorted((gap for part in parts for gap in part.gaps), key=lambda gap: gap.first):
        gaps.setdefault(gap.epoch, []).append(gap)
    for epoch, holders in _holders(parts).items():
        if any(part.symbols is not None for part in holders):
            continue
        listed = gaps.get(epoch, [])
        reach = holders[0].spans[epoch][1]
        for part in holders[1:]:
            first, last = part.spans[epoch]
            known = [gap for gap in listed if gap.first < first and reach < (gap.last or first)]
            holes = set(fill(epoch, reach, first, known)) - set(known)
            yield from ((part, hole) for hole in sorted(holes, key=lambda gap: gap.first))
            reach = max(reach, last)


def check_between(parts: Iterable[Part]) -> Iterator[tuple[Path, int, list[Problem]]]:
    """Find what is missing between the files of each recording, and what is in two of them.

    Of recordings of some symbols, that can't be known.

    Yields:
        The path of each recording that has problems, without a time; its number of files; and the
        problems.
    """
    for found in _group(parts):
        if len(found) < 2 or any(part.symbols is not None for part in found):
            continue
        files = [found[index] for index in order(found)]
        problems = [_problem(kind, places) for kind, places in _compare(files) if places]
        if problems:
            folder, name, _ = found[0].key
            yield folder / name, len(found), problems


def _problem(kind: str, places: list[Place]) -> Problem:
    ranges = [(first, last) for first, last, _ in places]
    return Problem.from_ranges(kind, "seq", ranges, lambda index: places[index][2])


def _compare(files: Sequence[Part]) -> Iterator[tuple[str, list[Place]]]:
    """Yield the kinds of problems, each with its places: first and last seq, and what is wrong."""
    missing: list[Place] = []
    for part, gap in _find_holes(files):
        about = f"missing before {part.path.name}, and not among the gaps listed"
        missing.append((gap.first, gap.last or gap.first, f"of epoch {gap.epoch}: {about}"))
    twice: list[Place] = []
    holders = _holders(files)
    for epoch, parts in holders.items():
        reach = parts[0].spans[epoch][1]
        for place, part in enumerate(parts[1:], 1):
            first, last = part.spans[epoch]
            if first <= reach:
                about = f"of epoch {epoch}: in {part.path.name}, and in an earlier file"
                known = [there for each in parts[:place] for there in _held(each, epoch)]
                here = _held(part, epoch)
                both = _subtract(here, _subtract(here, known))
                twice += [(start, stop, about) for start, stop in both]
            reach = max(reach, last)
    closed = {gap.epoch for part in files for gap in part.gaps if gap.last is None}
    for epoch, later in pairwise(holders):
        after = next(part for part in files if later in part.spans)
        if epoch not in closed and epoch not in after.spans:
            seq = max(part.spans[epoch][1] for part in holders[epoch]) + 1
            about = f"{after.path.name} begins another epoch, and no gap is listed before it"
            missing.append((seq, seq, f"of epoch {epoch}, and later ones: {about}"))
    yield "unlisted gap", missing
    yield "duplicates", twice
