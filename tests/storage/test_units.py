"""Units: a recording of any format keeps the units of its columns."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import tickerkit as tk
from tickerkit.storage import load, write_csv, write_jsonl, write_parquet
from tickerkit.storage.csv.append import CsvFile
from tickerkit.storage.recording import combine, read_units
from tickerkit.storage.sidecar import Units, encode_lines, read_sidecar, sidecar_path

Until = Callable[..., None]
UNITS = {"temperature": "°C", "humidity": "%"}
WRITE: dict[str, Any] = {
    "ticks.csv": write_csv,
    "ticks.csv.zst": write_csv,
    "ticks.parquet": write_parquet,
    "ticks.jsonl": write_jsonl,
}


def sensors(count: int = 2, **more: Any) -> list[dict[str, Any]]:
    """Return readings."""
    return [
        {"symbol": "kitchen", "temperature": 20.5 + number, "humidity": 40, "time": number, **more}
        for number in range(count)
    ]


@pytest.fixture
def frame() -> pd.DataFrame:
    """Return ticks of a sensor."""
    return pd.DataFrame(sensors())


@pytest.mark.parametrize("name", WRITE)
def test_file_of_each_format_keeps_units(name: str, tmp_path: Path, frame: pd.DataFrame) -> None:
    """They are read with the rows, and without them."""
    path = WRITE[name](frame, tmp_path / name, units=UNITS)
    assert load(path).units == UNITS
    assert read_units(path) == UNITS
    assert combine([load(path), load(path)]).units == UNITS
    bare = WRITE[name](frame, tmp_path / f"bare-{name}")
    assert load(bare).units == {}


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_export_of_a_feed_comes_back_with_its_units(kind: str, tmp_path: Path) -> None:
    """Also if it is appended to; a frame without units has none."""
    with tk.serve(tk.poll(sensors, units=UNITS), port=0) as server, tk.connect(server.url) as feed:
        feed.wait(2)
        path = getattr(feed, f"to_{kind}")(tmp_path / f"ticks.{kind}")
        getattr(feed, f"to_{kind}")(path, mode="append")
    back = getattr(tk, f"read_{kind}")(path)
    assert back.attrs["units"] == UNITS
    assert len(back) == 4


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_recorder_writes_units_and_a_replay_has_them(
    kind: str, tmp_path: Path, until: Until
) -> None:
    """A file that is continued with further columns has them, too."""
    path = tmp_path / f"ticks.{kind}"
    with (
        tk.serve(tk.poll(sensors, units=UNITS), port=0) as server,
        tk.connect(server.url) as feed,
        feed.wait(2).record(path, flush_s=0.05) as recorder,
    ):
        server.publish(sensors(2))
        until(lambda: recorder.stats["written"] == 2)
        server.publish(sensors(1, battery=98))
        until(lambda: recorder.stats["written"] == 3)
    assert load(path).units == UNITS
    replay = tk.replay(path, speed=float("inf"))
    assert replay.units == UNITS
    with tk.serve(replay, port=0) as server, tk.connect(server.url) as feed:
        feed.wait(3)
        assert feed.units == UNITS
    assert tk.replay(tmp_path).units == UNITS


def test_replay_of_a_frame_has_its_units(frame: pd.DataFrame) -> None:
    """`tk.read_csv` gives them to a frame; others that it may have are left out."""
    assert tk.replay(frame).units == {}
    frame.attrs["units"] = {**UNITS, "x": 5, 3: "m", "y": "a\nb"}
    assert tk.replay(frame).units == UNITS


def test_units_are_noted_once(tmp_path: Path, frame: pd.DataFrame) -> None:
    """However many rows follow; a unit that changes is noted again."""
    path = tmp_path / "ticks.csv"
    for unit in ("°C", "°C", "K"):
        with CsvFile(path) as file:
            for _ in range(3):
                file.note_units({"temperature": unit})
                file.append(frame)
    lines = sidecar_path(path).read_text(encoding="utf-8").splitlines()
    noted = [json.loads(line)["units"] for line in lines if '"type":"units"' in line]
    assert noted == [{"temperature": "°C"}, {"temperature": "K"}]
    assert load(path).units == {"temperature": "K"}


def test_units_of_a_sidecar_that_was_edited_can_be_shown(
    tmp_path: Path, frame: pd.DataFrame
) -> None:
    """Control characters are left out."""
    path = write_csv(frame, tmp_path / "ticks.csv")
    with sidecar_path(path).open("ab") as file:
        file.write(encode_lines([Units({"temperature": "\x1b[31m", "humidity": "%"})]))
    sidecar = read_sidecar(path)
    assert sidecar is not None
    assert sidecar.units == {"humidity": "%"}


def test_raw_frames_have_the_units_of_their_server(tmp_path: Path, until: Until) -> None:
    """They are in the first message of the server."""
    with (
        tk.serve(tk.poll(sensors, units=UNITS), port=0) as server,
        tk.connect(server.url) as feed,
        feed.wait(2).record(tmp_path / "ticks.csv", raw=True, flush_s=0.05) as recorder,
    ):
        server.publish(sensors(2))
        until(lambda: recorder.stats["written"] == 2)
    [raw] = tmp_path.glob("*.raw.jsonl*")
    assert load(raw).units == UNITS
