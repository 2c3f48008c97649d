"""Sequence: the seqs of a recording: which go back, are there twice, or are missing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from tickerkit.formatting import format_value
from tickerkit.storage.check.problems import Ints, Problem, RowLabels, few, problem, runs
from tickerkit.storage.recording import Recording

__all__ = ["SequenceCheck"]

ENDLESS = 2**62


class SequenceCheck:
    """The seqs of a frame, by epoch."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.seq: Ints = frame["seq"].to_numpy(np.int64)
        self.words: list[str] = []
        self.codes: Any = np.zeros(len(frame), dtype=np.int8)
        if "epoch" in frame:
            series = frame["epoch"]
            if isinstance(series.dtype, pd.CategoricalDtype):
                self.codes = series.cat.codes.to_numpy()
                self.words = [str(word) for word in series.cat.categories]
            else:
                self.codes, words = pd.factorize(series)
                self.words = [str(word) for word in words]
        starts = np.flatnonzero(self.codes[1:] != self.codes[:-1]) + 1
        self.runs = np.concatenate([np.zeros(min(len(frame), 1), dtype=np.int64), starts])
        kinds, firsts = np.unique(self.codes[self.runs], return_index=True)
        self.epochs = len(kinds)
        self._back = np.delete(self.runs, firsts)

    def problems(self, rows: RowLabels, recording: Recording) -> Iterable[Problem]:
        """Tell of order, duplicates, and gaps that no list has."""
        codes, seq, order = self.codes, self.seq, None
        if len(self._back):
            order = np.argsort(codes, kind="stable")
            codes, seq = codes[order], seq[order]
        same, steps = codes[1:] == codes[:-1], np.diff(seq)
        back = np.flatnonzero(same & (steps < 0))
        if len(back):
            at = back + 1 if order is None else order[back + 1]
            before, after = seq[back], seq[back + 1]
            yield problem(
                "order",
                rows.unit,
                rows.number(at),
                rows.number(at),
                lambda i: f"seq {after[i]:,} comes after {before[i]:,}",
            )
            order = np.lexsort((self.seq, self.codes))
            codes, seq = self.codes[order], self.seq[order]
            same, steps = codes[1:] == codes[:-1], np.diff(seq)
        twice = np.flatnonzero(same & (steps == 0)) + 1
        if len(twice):
            at = np.sort(twice if order is None else order[twice])
            first, last = runs(rows.number(at))
            yield problem(
                "duplicates", rows.unit, first, last, lambda i: "there before, with the same seq"
            )
        if recording.symbols is None:
            jumps = np.flatnonzero(same & (steps > 1))
            yield from self._unlisted(
                seq[jumps] + 1, seq[jumps + 1] - 1, codes[jumps], recording.gaps
            )

    def _unlisted(self, first: Ints, last: Ints, codes: Any, gaps: pd.DataFrame) -> list[Problem]:
        """Tell which of the missing seqs no gap names."""
        left = np.ones(len(first), dtype=bool)
        known = {word: _listed(part) for word, part in gaps.groupby("epoch", sort=False)}
        for code, word in enumerate(self.words):
            here = np.flatnonzero(codes == code) if word in known else ()
            if len(here):
                missing = last[here] - first[here] + 1
                listed = _below(last[here] + 1, *known[word]) - _below(first[here], *known[word])
                left[here] = listed < missing
        first, last, codes = first[left], last[left], codes[left]
        if not len(first):
            return []

        def about(i: int) -> str:
            of = f" of epoch {format_value(self.words[codes[i]])[1:-1]}" if self.epochs > 1 else ""
            return f"missing{of}, and not among the gaps that are listed"

        return [problem("unlisted gap", "seq", first, last, about)]

    def notes(self, rows: RowLabels) -> Iterable[str]:
        """Tell of epochs that come back."""
        if len(self._back):
            where = few(rows, self._back)
            yield f"an epoch goes on after another one began, at {where}"


def _listed(gaps: pd.DataFrame) -> tuple[Ints, Ints]:
    """Return first and last seqs of what gaps of one epoch name, in order, none twice."""
    first = gaps["from"].to_numpy(np.int64, na_value=0)
    last = gaps["to"].to_numpy(np.int64, na_value=ENDLESS)
    order = np.argsort(first, kind="stable")
    first, last = first[order], np.maximum.accumulate(last[order])
    first = np.maximum(first, np.concatenate([[0], last[:-1] + 1]))
    some = first <= last
    return first[some], last[some]


def _below(seqs: Ints, first: Ints, last: Ints) -> Ints:
    """Return how many of the listed seqs are below each of some."""
    before = np.searchsorted(first, seqs, side="left")
    whole = np.concatenate([[0], np.cumsum(last - first + 1)])
    over = np.maximum(np.concatenate([[0], last])[before] + 1 - seqs, 0)
    counted: Ints = whole[before] - np.where(before > 0, over, 0)
    return counted
