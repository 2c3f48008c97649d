"""Seqs: which are missing, twice or out of order is found exactly, whatever the pieces are."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from numbered import ticks

import tickerkit.storage.seqs
from tickerkit.errors import Problem
from tickerkit.log import Gap
from tickerkit.storage.content import RowLabels
from tickerkit.storage.seqs import PAGE, SeqCheck, SeqSet


def check(frame: pd.DataFrame, size: int) -> SeqCheck:
    """Return the check of a frame, in pieces of a size."""
    for keeps_all in (False, True):
        found = SeqCheck(keeps_all=keeps_all)
        starts = range(0, len(frame), size)
        if all(found.add(row, frame.iloc[row : row + size]) for row in starts):
            break
    return found


def places(problems: list[Problem]) -> dict[str, list[tuple[int, int]]]:
    """Return where each kind of problem is."""
    return {each.kind: [(p.first, p.last) for p in each.places] for each in problems}


def ranges_of(numbers: list[int]) -> list[tuple[int, int]]:
    """Return ranges of successive numbers."""
    cuts = [i for i, (a, b) in enumerate(pairwise(numbers), 1) if b != a + 1]
    bounds = [0, *cuts, len(numbers)]
    return [(numbers[a], numbers[b - 1]) for a, b in pairwise(bounds) if a < b]


def expected(frame: pd.DataFrame) -> dict[str, list[tuple[int, int]]]:
    """Return the same by sets, row by row."""
    newest: dict[str, int] = {}
    seen: dict[str, set[int]] = {}
    back, again = [], []
    for row, (epoch, seq) in enumerate(zip(frame["epoch"], frame["seq"], strict=True), 1):
        if seq < newest.get(epoch, seq):
            back.append((row, row))
        if seq in seen.setdefault(epoch, set()):
            again.append(row)
        newest[epoch] = seq
        seen[epoch].add(seq)
    missing = [
        each
        for there in seen.values()
        for each in ranges_of(sorted(set(range(min(there), max(there))) - there))
    ]
    found = {"order": back, "duplicates": ranges_of(again), "unlisted gap": missing}
    return {kind: where for kind, where in found.items() if where}


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("kind", ["in order", "jumps", "repeats", "shuffled", "two epochs"])
def test_problems_agree_with_sets(kind: str, size: int) -> None:
    """In order, with jumps, with repeats, in any order, and of epochs that take turns."""
    rng = np.random.default_rng(size)
    seqs = np.arange(1, 60)
    if kind != "in order":
        seqs = np.sort(rng.choice(80, 60, replace=kind == "repeats"))
    if kind == "shuffled":
        seqs = rng.permutation(np.concatenate([seqs, seqs[:9]]))
    frame = ticks(*seqs.tolist())
    if kind == "two epochs":
        frame["epoch"] = pd.Categorical(rng.choice(["e1", "e2"], len(frame)))
    found = check(frame, size)
    assert places([*found.problems(RowLabels()), *found.unlisted([])]) == expected(frame)


def test_set_of_seqs_is_small() -> None:
    """A bit for each seq where they are dense, two bytes where they are not."""
    dense, sparse = SeqSet(), SeqSet()
    assert not dense.add(np.arange(10 * PAGE)).any()
    assert dense.size_bytes < 10 * PAGE / 8 + 10 * 300
    assert not sparse.add(np.arange(0, 1000 * PAGE, 100)).any()
    assert sparse.size_bytes < 2.5 * 10 * PAGE
    for each in (dense, sparse):
        assert each.add(np.array([5 * PAGE + 16, 700, 700, 100_000 * PAGE])).tolist() == [
            each is dense,
            True,
            True,
            False,
        ]


def test_missing_seqs_go_across_pages() -> None:
    """A range is one, however many pages it has."""
    seqs = SeqSet()
    seqs.add(np.array([PAGE - 2, 3 * PAGE, 3 * PAGE + 1, 3 * PAGE + 5, -7]))
    found = np.concatenate([*seqs.missing()]).tolist()
    assert found == [[-6, PAGE - 3], [PAGE - 1, 3 * PAGE - 1], [3 * PAGE + 2, 3 * PAGE + 4]]


def test_listed_gaps_are_no_problem() -> None:
    """Whether all seqs are remembered or not."""
    listed = [
        Gap("e1", 3, 4, ""),
        Gap("e1", 5, 7, ""),
        Gap("e2", 9, 9, ""),
        Gap("e1", 20, None, ""),
    ]
    for frame in (ticks(1, 2, 8, 10, 30), ticks(30, 1, 10, 8, 2)):
        found = places([*check(frame, 2).unlisted(listed)])
        assert found == {"unlisted gap": [(9, 9), (11, 29)]}


def test_memory_for_seqs_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond it, only the order is checked; what may be missing isn't guessed."""
    monkeypatch.setattr(tickerkit.storage.seqs, "MAX_SET_BYTES", 1000)
    rng = np.random.default_rng(1)
    found = check(ticks(*rng.permutation(np.arange(0, 50 * PAGE, PAGE)).tolist()), 10)
    assert found.is_full
    assert set(places([*found.problems(RowLabels()), *found.unlisted([])])) == {"order"}


def test_number_of_jumps_is_exact_beyond_those_that_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Memory for them is bounded, too."""
    monkeypatch.setattr(tickerkit.storage.seqs, "MAX_RANGES", 3)
    [problem] = check(ticks(*range(1, 100, 2)), 2).unlisted([])
    assert problem.count == 49
    assert len(problem.places) <= 4
    [problem] = check(ticks(1, 1, 2, 2, 3, 3, 4, 4, 5, 5), 2).problems(RowLabels())
    assert (problem.count, len(problem.places)) == (5, 3)


def test_range_of_rows_is_cut_at_a_damaged_line() -> None:
    """Lines 2 to 6 are rows 0 to 4, but for line 4."""
    labels = RowLabels("line", [4])
    rows = np.array([[0, 3], [5, 5]])
    assert labels.ranges(rows).tolist() == [[2, 3], [5, 6], [8, 8]]
    assert RowLabels().ranges(rows).tolist() == [[1, 4], [6, 6]]
    assert labels.ranges(rows[:0]).tolist() == []
