"""Damage: whatever bit is wrong, wherever a file is cut, all other lines are read."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from soaks import share_of

import tickerkit.storage.csv.text as lines_module
import tickerkit.storage.text_file as text_file_module
from tickerkit.errors import RecordingWarning
from tickerkit.log import TickLog
from tickerkit.storage import read_csv, write_csv
from tickerkit.ticks import read_ticks

pytestmark = pytest.mark.soak

FLIPS = share_of(3_400)  # of each of three kinds of files
ROWS, PIECE = 300, 50
WORDS = ["AAPL", "NA", "a,b", 'q"q', "=1+1", "株価"]
NAMES = ["t.csv", "t.csv.gz", "t.csv.zst"]


@pytest.fixture
def frame() -> pd.DataFrame:
    """Return ticks with text of every kind, each row of which is different."""
    log = TickLog()
    ticks = [
        {"symbol": WORDS[i % 6], "price": 100 + i / 7, "note": None if i % 3 else f"n\n{i}"}
        for i in range(ROWS)
    ]
    log.append(read_ticks(ticks), received=1_763_000_000_123_456_789)
    return log.frame()


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write files in several members and blocks."""
    monkeypatch.setattr(lines_module, "ROWS_AT_ONCE", PIECE)
    monkeypatch.setattr(text_file_module, "ROWS_AT_ONCE", PIECE)


def read(path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Read a file, and return its rows and the warnings."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        frame = read_csv(path)
    assert all(each.category is RecordingWarning for each in warned)
    return frame, [str(each.message) for each in warned]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("small_pieces")
def test_wrong_bit_costs_its_own_line(tmp_path: Path, frame: pd.DataFrame, name: str) -> None:
    """Of thousands of files with one wrong bit each, none is read wrong without a warning."""
    path = write_csv(frame, tmp_path / name)
    whole = path.read_bytes()
    # A row of two lines can take its neighbours with it; a compressed member is lost as a whole.
    most_lost = 4 if name == "t.csv" else PIECE
    bits = np.random.default_rng(11).integers(0, len(whole) * 8, FLIPS).tolist()
    for bit in bits:
        wrong = bytearray(whole)
        wrong[bit // 8] ^= 1 << bit % 8
        path.write_bytes(wrong)
        back, warned = read(path)
        assert len(back) >= ROWS - most_lost, bit
        same = back.merge(frame, how="inner", on=["seq", "price"])
        assert len(same) >= len(back) - 1, bit
        assert warned or back.equals(frame), bit


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("small_pieces")
def test_recording_can_be_cut_at_every_byte(tmp_path: Path, frame: pd.DataFrame, name: str) -> None:
    """It is read to its last whole row, with a warning."""
    path = write_csv(frame.iloc[:60], tmp_path / name)
    whole = path.read_bytes()
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        back, warned = read(path)
        assert warned, cut
        assert back["seq"].tolist() == list(range(1, len(back) + 1)), cut
        assert back["price"].tolist() == frame["price"].tolist()[: len(back)], cut
