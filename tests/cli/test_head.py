"""`tickerkit head`: the first ticks of a recording."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from commands import on_posix
from numbered import ticks

from tickerkit.cli import main
from tickerkit.storage import write_csv, write_jsonl, write_parquet


def test_first_ticks_are_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ten by default; a pipe gets whole lines, however wide they are."""
    frame = ticks(*range(1, 100)).assign(note=pd.Categorical(["x" * 200] * 99))
    path = write_parquet(frame, tmp_path / "t.parquet", units={"price": "°C"})
    assert main(["head", str(path)]) == 0
    title, _, *rows = filter(str.strip, capsys.readouterr().out.splitlines())
    assert title.split() == ["seq", "time", "(UTC)", "symbol", "price", "(°C)", "epoch", "note"]
    assert len(rows) == 10
    assert rows[1].split() == ["2", "2025-11-24", "10:00:00.002000", "S2", "1.5", "e1", "x" * 200]
    assert main(["head", "-n", "3", str(path)]) == 0
    assert len([*filter(str.strip, capsys.readouterr().out.splitlines())]) == 2 + 3


def test_csv_and_json_are_those_of_files(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """They can be read like these."""
    frame = ticks(1, 2, 3)
    path = write_csv(frame, tmp_path / "t.csv")
    assert main(["head", "-n", "2", "--csv", str(path)]) == 0
    found = capfdbinary.readouterr().out
    assert found == b"".join(path.read_bytes().splitlines(keepends=True)[:3])
    other = write_jsonl(frame, tmp_path / "t.jsonl")
    assert main(["head", "-n", "2", "--json", str(path)]) == 0
    found = capfdbinary.readouterr().out
    assert found == b"".join(other.read_bytes().splitlines(keepends=True)[:2])
    assert [json.loads(line)["seq"] for line in found.splitlines()] == [1, 2]
    assert main(["head", "--csv", "--json", str(path)]) == 2


def test_folder_has_the_ticks_of_its_first_files(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Until there are enough; a file without ticks is passed over, a damaged one is named."""
    write_csv(ticks(), tmp_path / "a.csv")
    damaged = write_csv(ticks(1, 2), tmp_path / "b.csv")
    damaged.write_bytes(damaged.read_bytes() + b"garbage\n")
    write_csv(ticks(3, 4).assign(liq=1.5), tmp_path / "c.csv")
    assert main(["head", "-n", "3", "--csv", str(tmp_path)]) == 0
    out, err = capfdbinary.readouterr()
    found = pd.read_csv(io.BytesIO(out))
    assert found["seq"].tolist() == [1, 2, 3]
    assert found["liq"].dropna().tolist() == [1.5]
    assert b"b.csv" in err
    assert main(["head", "-n", "0", "--csv", str(tmp_path)]) == 0
    assert main(["head", str(tmp_path / "nothing.csv")]) == 2


@on_posix
@pytest.mark.process
def test_reader_that_ends_is_no_error(tmp_path: Path) -> None:
    """As `| head -1` does."""
    path = write_csv(ticks(*range(1, 50_000)), tmp_path / "t.csv")
    words = [sys.executable, "-m", "tickerkit", "head", "-n", "49999", "--csv", str(path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        _, err = process.communicate()
    assert (process.returncode, err) == (0, b"")
