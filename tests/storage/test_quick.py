"""Quick verification: numbers tell what is missing, and no row is read."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from numbered import gaps, ticks

from tickerkit.errors import RecordingError
from tickerkit.storage import CsvFile, write_csv, write_jsonl, write_parquet
from tickerkit.storage.parquet.write import write_partitions
from tickerkit.storage.paths import recordings_in
from tickerkit.storage.quick import QuickCheck, split_at_unknown, verify_quickly
from tickerkit.storage.sidecar import Sidecar, sidecar_path
from tickerkit.storage.verify import verify

WRITERS = {".csv": write_csv, ".zst": write_csv, ".jsonl": write_jsonl, ".parquet": write_parquet}
NAMES = ["ticks.csv", "ticks.csv.zst", "ticks.jsonl", "ticks.parquet"]


def found(check: QuickCheck) -> dict[str, list[tuple[int, int]]]:
    """Return where each kind of problem is."""
    return {each.kind: [(p.first, p.last) for p in each.places] for each in check.problems}


@pytest.mark.parametrize("name", NAMES)
def test_report_is_that_of_all_rows(tmp_path: Path, name: str) -> None:
    """But for the columns of a Parquet file."""
    path = tmp_path / name
    listed = gaps((4, 5))
    WRITERS[path.suffix](pd.concat([ticks(1, 2, 3, 6), ticks(1, 2, epoch="e2")]), path, gaps=listed)
    quick, whole = verify_quickly(path).report, verify(path)
    assert quick is not None
    assert (quick.is_quick, whole.is_quick) == (True, False)
    for name in ("rows", "symbols", "only", "start", "end", "epochs", "problems", "notes"):
        assert getattr(quick, name) == getattr(whole, name)
    assert quick.gaps.equals(whole.gaps)


@pytest.mark.parametrize("name", NAMES)
def test_numbers_tell_what_is_missing(tmp_path: Path, name: str) -> None:
    """Seqs in no listed gap; not those of a recording of some symbols."""
    path = tmp_path / name
    write = WRITERS[path.suffix]
    frame = ticks(5, 6, 9, 12, 13)
    write(frame, path, gaps=gaps((1, 4), (7, 7), (10, 10), (14, None)))
    check = verify_quickly(path)
    assert found(check) == {"unlisted gap": [(5, 13)]}
    assert check.problems[0].places[0].about.startswith("2 ticks of epoch e1 missing")
    write(frame, path, gaps=gaps((7, 11)), mode="overwrite")
    assert found(verify_quickly(path)) == {}
    write(frame, path, symbols=["S0"], mode="overwrite")
    assert found(verify_quickly(path)) == {}
    write(ticks(5, 7, 6), path, mode="overwrite")
    assert list(found(verify_quickly(path))) == ["order"]


def test_changed_file_is_found(tmp_path: Path) -> None:
    """By its size, and by its metadata."""
    path = write_csv(ticks(1, 2), tmp_path / "t.csv")
    path.write_bytes(path.read_bytes()[:-5])
    check = verify_quickly(path)
    assert (check.report, list(found(check))) == (None, ["changed"])
    path = write_csv(ticks(1, 2), tmp_path / "u.csv")
    data = bytearray(sidecar_path(path).read_bytes())
    data[30] ^= 1
    sidecar_path(path).write_bytes(data)
    assert list(found(verify_quickly(path))) == ["sidecar"]
    path = write_parquet(ticks(1, 2), tmp_path / "t.parquet")
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(RecordingError):
        verify_quickly(path)
    with pytest.raises(RecordingError):
        verify_quickly(tmp_path / "nothing.csv")


def test_what_only_rows_tell_is_not_known(tmp_path: Path) -> None:
    """A recording that goes on, one without a sidecar, and another program's file."""
    with CsvFile(tmp_path / "t.csv") as file:
        file.append(ticks(1, 2))
        check = verify_quickly(tmp_path / "t.csv")
        assert (check.report, check.problems) == (None, [])
        assert "being recorded" in check.unknown
    (tmp_path / "f.csv").write_text("sym,last\nA,1\n")
    pd.DataFrame({"sym": ["A"], "last": [1.0]}).to_parquet(tmp_path / "f.parquet")
    for name in ("f.csv", "f.parquet"):
        check = verify_quickly(tmp_path / name)
        assert (check.report, check.problems) == (None, [])
    write_csv(ticks(1, 2), tmp_path / "_u.parquet.csv")
    assert "not finished" in verify_quickly(tmp_path / "u.parquet").unknown


def test_parts_are_one_recording(tmp_path: Path) -> None:
    """A CSV file that continues in another one."""
    path = tmp_path / "t.csv"
    with CsvFile(path) as file:
        file.append(ticks(1, 2))
        file.append(ticks(4).assign(liq=1.0))
    check = verify_quickly(path)
    assert check.report is not None
    assert (check.report.rows, found(check)) == (3, {"unlisted gap": [(1, 4)]})


def test_partitions_are_one_recording(tmp_path: Path) -> None:
    """By symbol; a partition that is gone is missing."""
    frame = ticks(*range(1, 10))
    path = tmp_path / "_recording" / "ticks-20260101T000000Z.parquet"
    about = Sidecar.describe("here", None, None, None)
    write_partitions(frame, path, about, ("symbol",))
    [listed] = recordings_in(tmp_path)
    check = verify_quickly(listed)
    assert check.report is not None
    assert (check.report.rows, check.report.symbols, check.problems) == (9, 3, [])
    assert (check.extent.ascending, len(check.extent.epochs)) == (True, 1)
    next(tmp_path.glob("symbol=S1/*")).unlink()
    assert list(found(verify_quickly(listed))) == ["missing", "unlisted gap"]


def test_nothing_is_compared_across_a_file_that_is_not_known(tmp_path: Path) -> None:
    """It may have what is missing between the others."""
    for day in range(1, 6):
        path = write_csv(ticks(day), tmp_path / f"t-2026010{day}T000000Z.csv", source="here")
        if day == 3:
            sidecar_path(path).unlink()
    stretches = split_at_unknown(map(verify_quickly, recordings_in(tmp_path)))
    names = [[part.path.name[8:10] for part in stretch] for stretch in stretches]
    assert names == [["01", "02"], ["04", "05"]]
