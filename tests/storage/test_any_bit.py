"""Any bit of a file may be wrong: no way of reading it crashes, hangs, or takes all memory."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import run_python
from numbered import gaps, ticks
from soaks import share_of

from tickerkit.storage import CsvFile, write_csv, write_jsonl, write_parquet
from tickerkit.storage.raw_lines import connected_line, frame_line
from tickerkit.storage.sidecar import sidecar_path

FLIPPER = Path(__file__).parents[1] / "helpers" / "flipper.py"
MAX_GROWTH = 300 * 10**6
TIMEOUT_S = 1700
FLIPS = share_of(10_000)
SOAK = (pytest.mark.soak, pytest.mark.timeout(TIMEOUT_S + 100))
T0 = 1_763_978_400 * 10**9


def make_csv(folder: Path) -> Path:
    """Return a finished recording with a listed gap."""
    return write_csv(ticks(*range(1, 31), *range(36, 60)), folder / "t.csv", gaps=gaps((31, 35)))


def make_open_csv(folder: Path) -> Path:
    """Return a recording in two parts, the second with a further column, that a crash has left."""
    file = CsvFile(folder / "t.csv", source="ws://here")
    file.append(ticks(*range(1, 31)))
    file.append(ticks(*range(31, 60)).assign(bid=0.5))
    file.abandon()
    return folder / "t.csv"


def make_parquet(folder: Path) -> Path:
    """Return a finished recording with a listed gap."""
    frame = ticks(*range(1, 31), *range(36, 60))
    return write_parquet(frame, folder / "t.parquet", gaps=gaps((31, 35)))


def make_compressed(folder: Path) -> Path:
    """Return a finished recording, compressed."""
    return write_csv(ticks(*range(1, 60)), folder / "t.csv.zst")


def make_jsonl(folder: Path) -> Path:
    """Return a recording of JSON lines with a listed gap."""
    return write_jsonl(ticks(*range(1, 60)), folder / "t.jsonl", gaps=gaps((60, None)))


def make_raw(folder: Path) -> Path:
    """Return messages as they were received."""
    lines = [connected_line(T0, "ws://here", "")]
    for seq in range(1, 40):
        frame = json.dumps({"symbol": f"S{seq % 3}", "price": seq / 4, "seq": seq})
        lines.append(frame_line(T0 + seq, frame))
    path = folder / "t.raw.jsonl"
    path.write_bytes(b"".join(lines))
    return path


def itself(path: Path) -> Path:
    """Return the path."""
    return path


MADE: dict[str, tuple[Callable[[Path], Path], Callable[[Path], Path]]] = {
    "csv": (make_csv, itself),
    "sidecar": (make_csv, sidecar_path),
    "open csv": (make_open_csv, itself),
    "open sidecar": (make_open_csv, sidecar_path),
    "csv.zst": (make_compressed, itself),
    "parquet": (make_parquet, itself),
    "jsonl": (make_jsonl, itself),
    "raw lines": (make_raw, itself),
}


@pytest.mark.process
@pytest.mark.parametrize(
    ("kind", "flips"),
    [("parquet", 10), *(pytest.param(kind, FLIPS, id=kind, marks=SOAK) for kind in MADE)],
)
def test_any_wrong_bit_is_survived(tmp_path: Path, kind: str, flips: int) -> None:
    """Each way of reading returns ticks or raises an error of tickerkit's, in little memory."""
    make, target = MADE[kind]
    path = make(tmp_path)
    done = run_python(FLIPPER, path, target(path), str(flips), str(len(kind)), timeout_s=TIMEOUT_S)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert not found["faults"], found["faults"][0]
    assert found["grew"] < MAX_GROWTH
    print(f"\n{kind}: {flips} times, grew by {found['grew'] / 1e6:.0f} MB, {found['refused']}")
