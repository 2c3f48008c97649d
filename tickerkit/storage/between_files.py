"""Between files: the order of the files of one recording, and what is missing between them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, TypeAlias

import pandas as pd

from tickerkit.errors import Problem
from tickerkit.log import Gap, Position, gap_frame
from tickerkit.storage.paths import recording_name
from tickerkit.storage.recording import Recording
from tickerkit.storage.seam import fill

__all__ = ["Part", "add_missing", "check_between", "order"]

BETWEEN_FILES = "missing between two files of the recording"

Place: TypeAlias = tuple[int, int, str]


class Part(NamedTuple):
    """What must be known of a file to compare it with the other files of its recording.

    Attributes:
        path: the file.
        key: the folder and name of the recording, and the source of its ticks.
        symbols: the symbols recorded, None for all.
        first: position of the first tick, None without one.
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
    def from_recording(cls, path: Path, recording: Recording) -> Part:
        """Return what must be known of a recording that was read."""
        frame, first, spans = recording.frame, None, {}
        if len(frame) and {"seq", "epoch"} <= set(frame) and frame["seq"].dtype.kind in "iu":
            codes, names = pd.factorize(frame["epoch"], use_na_sentinel=False)
            first = Position(str(names[0]), int(frame["seq"].iloc[0]))
            seqs = frame["seq"].groupby(codes).agg(["min", "max"])
            spans = {
                str(names[code]): (int(low), int(high)) for code, low, high in seqs.itertuples()
            }
        key = (*recording_name(path), recording.source)
        return cls(path, key, recording.symbols, first, spans, _read_gaps(recording.gaps))


def _read_gaps(frame: pd.DataFrame) -> list[Gap]:
    """Return the gaps in a frame, without their times; those of unknown start are left out."""
    columns = (frame[name].tolist() for name in ("epoch", "from", "to", "reason"))
    return [
        Gap(str(epoch), int(first), None if pd.isna(last) else int(last), str(reason))
        for epoch, first, last, reason in zip(*columns, strict=True)
        if not pd.isna(first)
    ]


def order(parts: Sequence[Part]) -> list[int]:
    """Return the order of files: that of the list, but for files of one recording.

    Of these, the files that begin in one epoch are in order of seq: the name of a file may come
    from a clock that was wrong.
    """
    places: dict[object, list[int]] = {}
    for index, part in enumerate(parts):
        if part.first is not None:
            places.setdefault((part.key, part.first.epoch), []).append(index)
    found = list(range(len(parts)))
    for indices in places.values():
        by_seq = sorted(indices, key=lambda index: parts[index].spans[_epoch(parts[index])][0])
        for place, index in zip(indices, by_seq, strict=True):
            found[place] = index
    return found


def _epoch(part: Part) -> str:
    return part.first.epoch if part.first is not None else ""


def add_missing(before: Part, part: Part, recording: Recording) -> Recording:
    """Return a recording that also lists what is missing between its file and the one before."""
    if before.key != part.key or part.first is None or not before.spans:
        return recording
    if before.symbols is not None or part.symbols is not None:
        return recording
    epoch, first = part.first.epoch, part.first.seq
    reach = before.spans.get(epoch, (first, first))[1]
    missing = list(_uncovered(epoch, reach, first, [*before.gaps, *part.gaps]))
    if not missing:
        return recording
    missing = [Gap(gap.epoch, gap.first, gap.last, BETWEEN_FILES) for gap in missing]
    gaps = pd.concat([gap_frame(missing), recording.gaps], ignore_index=True)
    return recording._replace(gaps=gaps)


def _uncovered(epoch: str, reach: int, first: int, gaps: Iterable[Gap]) -> Iterator[Gap]:
    """Yield the ranges of an epoch between two seqs that no gap lists."""
    known = [gap for gap in gaps if gap.epoch == epoch and gap.first < first]
    known.sort(key=lambda gap: gap.first)
    return (gap for gap in fill(epoch, reach, first, known) if gap not in known)


def check_between(parts: Iterable[Part]) -> Iterator[tuple[Path, int, list[Problem]]]:
    """Find what is missing between the files of each recording, and what is in two of them.

    Of recordings of some symbols, that can't be known.

    Yields:
        The path of each recording that has problems, without a time; its number of files; and the
        problems.
    """
    recordings: dict[object, list[Part]] = {}
    for part in parts:
        recordings.setdefault(part.key, []).append(part)
    for found in recordings.values():
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
    gaps = [gap for part in files for gap in part.gaps]
    missing: list[Place] = []
    twice: list[Place] = []
    epochs = list(dict.fromkeys(epoch for part in files for epoch in part.spans))
    holders = {epoch: [part for part in files if epoch in part.spans] for epoch in epochs}
    for epoch, parts in holders.items():
        ordered = sorted(parts, key=lambda part: part.spans[epoch])
        reach = ordered[0].spans[epoch][1]
        for part in ordered[1:]:
            first, last = part.spans[epoch]
            for gap in _uncovered(epoch, reach, first, gaps):
                about = f"missing before {part.path.name}, and not among the gaps listed"
                missing.append((gap.first, gap.last or gap.first, f"of epoch {epoch}: {about}"))
            if first <= reach:
                about = f"of epoch {epoch}: in {part.path.name}, and in an earlier file"
                twice.append((first, min(last, reach), about))
            reach = max(reach, last)
    closed = {gap.epoch for gap in gaps if gap.last is None}
    for epoch, later in pairwise(epochs):
        after = holders[later][0]
        if epoch not in closed and epoch not in after.spans:
            seq = max(part.spans[epoch][1] for part in holders[epoch]) + 1
            about = f"{after.path.name} begins another epoch, and no gap is listed before it"
            missing.append((seq, seq, f"of epoch {epoch}, and later ones: {about}"))
    yield "unlisted gap", missing
    yield "duplicates", twice
