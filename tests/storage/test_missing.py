"""Tests of `tk.read_gaps`: of a recording of any format, and of a folder."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from recorded import Growing, ticks

import tickerkit as tk
from tickerkit.log import Gap, gap_frame
from tickerkit.storage import write_csv, write_parquet


def listed(path: Path) -> list[tuple[int, int, str]]:
    """Return the first and last seq, and the reason, of each gap."""
    frame = tk.read_gaps(path)
    return list(frame[["from", "to", "reason"]].itertuples(index=False, name=None))


def test_gaps_of_a_folder_come_in_order_of_its_ticks(tmp_path: Path) -> None:
    """What is missing between two files of one recording is among them."""
    gaps = gap_frame([Gap("e", 301, 310, "lost")])
    write_csv(ticks(1, 300), tmp_path / "ticks-20261129T000000Z.csv")
    write_csv(ticks(311, 90), tmp_path / "ticks-20261129T000001Z.csv", gaps=gaps)
    write_csv(ticks(411, 90), tmp_path / "ticks-20261129T000002Z.csv")
    found = listed(tmp_path)
    assert [each[:2] for each in found] == [(301, 310), (401, 410)]
    assert found[0][2] == "lost"


def test_no_rows_of_finished_files_are_read(tmp_path: Path) -> None:
    """Their sidecars and footers say what is missing, and how far the ticks reach."""
    gaps = gap_frame([Gap("e", 301, 310, "lost")])
    write_csv(ticks(1, 300), tmp_path / "ticks-20261129T000000Z.csv", gaps=gaps)
    write_parquet(ticks(321, 80), tmp_path / "ticks-20261129T000001Z.parquet")
    csv = tmp_path / "ticks-20261129T000000Z.csv"
    csv.write_bytes(bytes(csv.stat().st_size))
    assert listed(csv) == [(301, 310, "lost")]
    assert [each[:2] for each in listed(tmp_path)] == [(301, 310)]


def test_a_growing_recording_lists_its_gaps(tmp_path: Path) -> None:
    """Those of its finished partitions are the same, and come once."""
    growing = Growing(tmp_path / "captures", partition="symbol")
    growing.add(300, gaps=[Gap("e", 301, 310, "lost")])
    with pytest.warns(tk.RecordingWarning):
        assert listed(tmp_path / "captures") == [(301, 310, "lost")]
    growing.close()
    assert listed(tmp_path / "captures") == [(301, 310, "lost")]


def test_an_unreadable_file_hides_no_gap_of_the_others(tmp_path: Path) -> None:
    """One warning names it."""
    write_csv(ticks(1, 300), tmp_path / "a.csv", gaps=gap_frame([Gap("e", 301, 310, "lost")]))
    (tmp_path / "b.parquet").write_bytes(b"PAR1")
    pd.DataFrame({"x": [1]}).to_csv(tmp_path / "c.csv")
    with pytest.warns(tk.RecordingWarning) as caught:
        assert listed(tmp_path) == [(301, 310, "lost")]
    assert len(caught) == 1
