"""`tickerkit info`: what recordings hold, in words and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from numbered import gaps, ticks

import tickerkit.storage.info
from tickerkit.cli import main
from tickerkit.storage import CsvFile, write_csv, write_jsonl, write_parquet

SPAN = "2025-11-24 10:00:00 to 10:00:00 UTC"


def lines(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """Return the lines of a description by their names; that of the file is under ""."""
    path, *rest = capsys.readouterr().out.splitlines()
    return {"": path} | {line[:11].strip(): line[11:] for line in rest}


@pytest.mark.parametrize(
    ("name", "format_name"),
    [
        ("t.csv", "CSV"),
        ("t.csv.zst", "CSV with zstd"),
        ("t.jsonl.gz", "JSON lines with gzip"),
        ("t.parquet", "Parquet"),
    ],
)
def test_recording_is_described_without_its_rows(
    tmp_path: Path,
    name: str,
    format_name: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ticks, span, symbols, seqs, gaps, columns with kinds and units, size and source."""
    path = tmp_path / name
    writer = {".parquet": write_parquet, ".gz": write_jsonl}.get(path.suffix, write_csv)
    frame = pd.concat([ticks(1, 2, 5), ticks(7, epoch="e2")], ignore_index=True)
    listed = pd.concat([gaps((3, 4)), gaps((6, None))], ignore_index=True)
    about = {"units": {"price": "°C"}, "misfits": {"note": 3}, "source": "ws://x/"}
    writer(frame, path, gaps=listed, **about)  # type: ignore[arg-type]
    monkeypatch.delattr(tickerkit.storage.info, "Scan")
    assert main(["info", str(path)]) == 0
    found = lines(capsys)
    assert found.pop("size").startswith(f"{format_name}, ")
    assert found == {
        "": str(path),
        "ticks": "4 ticks of 2 symbols: S1, S2",
        "span": SPAN,
        "seqs": "1 to 5 of epoch e1, 7 to 7 of epoch e2",
        "gaps": "2 gaps: 2 missing ticks and the end of 1 epoch",
        "columns": "seq int, time time, symbol text, price float (°C), epoch text",
        "left out": "values: 3 of note",
        "source": "ws://x/",
    }


def test_rows_are_read_where_nothing_else_tells(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file of another program, and one that is being recorded."""
    path = tmp_path / "foreign.csv"
    path.write_text("sym,last\nA,1\nB,2\n")
    assert main(["info", str(path)]) == 0
    found = lines(capsys)
    assert found["ticks"] == "2 ticks of 2 symbols: A, B"
    assert found["columns"] == "sym text, last float"
    assert "span" not in found
    with CsvFile(tmp_path / "t.csv", symbols=["S1"]) as file:
        file.append(ticks(1, 4))
        assert main(["info", str(file.path)]) == 0
        found = lines(capsys)
    assert found["ticks"] == "2 ticks of 1 symbol: S1"
    assert found["only"] == "S1; others were not recorded"
    assert found["size"].endswith("not finished")


def test_folder_has_a_line_for_each_file_and_a_description_of_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Files that can't be read are named, and the exit code is 1."""
    write_csv(ticks(1, 2), tmp_path / "a.csv", gaps=gaps((3, 3)))
    write_parquet(ticks(3, 4).assign(liq=1), tmp_path / "b.parquet", gaps=gaps((3, 3)))
    assert main(["info", str(tmp_path)]) == 0
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{tmp_path / 'a.csv'}: 2 ticks of 2 symbols, {SPAN}, 1 epoch, ")
    assert first.endswith(", 1 gap")
    assert second.startswith(f"{tmp_path / 'b.parquet'}: 2 ticks of 2 symbols, ")
    (tmp_path / "c.csv").write_text("It was a dark and stormy night.\n")
    assert main(["info", "--json", str(tmp_path)]) == 1
    *_, bad, whole = map(json.loads, capsys.readouterr().out.splitlines())
    assert (bad["ok"], bad["file"]) == (False, str(tmp_path / "c.csv"))
    assert whole["file"] == str(tmp_path)
    assert (whole["files"], whole["ticks"], whole["symbols"]) == (2, 4, 3)
    assert whole["epochs"] == [{"epoch": "e1", "from": 1, "to": 4, "ticks": 4}]
    assert whole["gaps"] == [{"epoch": "e1", "from": 3, "to": 3, "reason": "lost"}]
    assert whole["columns"]["liq"] == "int"
    assert whole["format"] == "CSV, Parquet"


def test_text_of_a_file_is_escaped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A source has no effect on the terminal."""
    main(["info", str(write_csv(ticks(1), tmp_path / "t.csv", source="a\x1b[2J\u202eb"))])
    assert r"a\x1b[2J\u202eb" in capsys.readouterr().out
