"""Raw frames: kept byte for byte, and read as the ticks that they brought."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from recordings import recordings

import tickerkit as tk
from tickerkit.log import TickLog
from tickerkit.protocol import Publication, V1Session
from tickerkit.storage import load
from tickerkit.storage.raw_lines import RawFile, connected_line, frame_line
from tickerkit.ticks import read_ticks

TICK = b'{"symbol":"A","price":1.50,"time":"2026-11-22T10:00:00Z"}'


def lines(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a file of frames."""
    return [json.loads(line) for line in path.read_bytes().splitlines()]


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_frames_are_read_as_the_ticks_in_them(
    tmp_path: Path, suffix: str, until: Callable[..., None]
) -> None:
    """Recorded from the middle of a connection: the same ticks, times and epochs."""
    server = tk.serve(tk.simulate(["A", "B"], rate=1000), port=0)
    with tk.connect(server.url) as feed:
        feed.wait(50)
        recorder = feed.record(tmp_path / f"ticks.csv{suffix}", raw=True, flush_s=0.01)
        until(lambda: recorder.stats["written"] > 100)
    kept = load(tmp_path / f"ticks.raw.jsonl{suffix}")
    ticks = load(tmp_path / f"ticks.csv{suffix}").frame
    assert kept.warning is None
    both = kept.frame[kept.frame["seq"] >= ticks["seq"].iloc[0]].reset_index(drop=True)
    pd.testing.assert_frame_equal(both, ticks, check_categorical=False)
    if not suffix:
        first, second, *_ = lines(tmp_path / "ticks.raw.jsonl")
        assert first["protocol"] == "tickerkit.v1"
        assert second["made"]
        assert second["frame"]["type"] == "hello"


def test_each_file_of_frames_is_readable_by_itself(
    tmp_path: Path, until: Callable[..., None]
) -> None:
    """Frames rotate with their recording, and each file begins with a hello."""
    server = tk.serve(tk.simulate(["A", "B"], rate=2000), port=0)
    with tk.connect(server.url) as feed:
        recorder = feed.record(tmp_path, raw=True, flush_s=0.01, rotate="20KB")
        until(lambda: recorder.stats["files"] > 4)
    files = sorted(tmp_path.glob("*.raw.jsonl"), key=lambda path: path.stat().st_mtime_ns)
    assert len(files) == recorder.stats["files"]
    seq: list[int] = []
    for path in files:
        found = load(path)
        assert found.warning is None
        seq += found.frame["seq"].tolist()
    assert seq == list(range(seq[0], seq[0] + len(seq)))
    assert seq[-1] == feed.log.last_seq


def test_plain_websocket_keeps_epoch_and_seq(tmp_path: Path) -> None:
    """Its ticks have the epoch and seq that the feed gave them, and the symbols selected."""
    server = tk.serve(tk.simulate(["A", "B"], rate=1000), port=0)
    url = f"{server.url}ticks"
    with tk.connect(url, ["A"]) as feed:
        feed.record(tmp_path / "ticks.csv", raw=True, flush_s=0.01)
        feed.wait(100)
    kept, ticks = load(tmp_path / "ticks.raw.jsonl"), load(tmp_path / "ticks.csv").frame
    assert kept.symbols == ["A"]
    both = kept.frame[kept.frame["seq"] >= ticks["seq"].iloc[0]].reset_index(drop=True)
    pd.testing.assert_frame_equal(both, ticks, check_categorical=False, check_like=True)


@pytest.mark.parametrize(
    ("data", "kept"),
    [
        (TICK, {"frame": json.loads(TICK)}),
        (TICK.decode(), {"frame": json.loads(TICK)}),
        (b'{"a":\n1}', {"text": '{"a":\n1}'}),
        (b"no json", {"text": "no json"}),
        (b"", {"text": ""}),
        (b"\xff\x00", {"base64": base64.b64encode(b"\xff\x00").decode()}),
    ],
)
def test_every_frame_has_its_line(data: str | bytes, kept: dict[str, Any]) -> None:
    """JSON on one line is kept byte for byte, anything else as text or base64."""
    line = frame_line(5, data)
    assert line.count(b"\n") == 1
    assert json.loads(line) == {"t": 5, **kept}
    if "frame" in kept:
        assert TICK in line


def test_damaged_lines_are_left_out_and_named(tmp_path: Path) -> None:
    """All others are read; a line that is torn is said to be."""
    path = tmp_path / "ticks.jsonl"
    path.write_bytes(
        frame_line(1, TICK) + b"{nonsense\n" + frame_line(2, TICK) + b'{"t":3,"frame":{"sy'
    )
    found = load(path)
    assert found.frame["received"].astype("int64").tolist() == [1, 2]
    assert found.warning is not None
    assert [(each.kind, each.places[0].first) for each in found.warning.problems] == [
        ("damaged", 2),
        ("torn", 4),
    ]
    path.write_text("time,price\n1,2\n")
    with pytest.raises(tk.RecordingError, match="no line of a raw frame"):
        load(path)
    with closing(RawFile(path, "overwrite")) as file:
        file.append(frame_line(1, TICK)[:-5])
    with closing(RawFile(path, "append")) as file:
        file.append(frame_line(2, TICK))
    assert len(load(path).frame) == 1


def test_missing_frames_are_a_gap(tmp_path: Path) -> None:
    """The seqs of `tickerkit.v1` tell which ticks were in a line that is damaged."""
    log = TickLog(epoch="e")
    session = V1Session(Publication(log), 0)
    session.receive('{"type":"subscribe","history":0}', 0)
    text = [connected_line(1, "ws://x/", "tickerkit.v1")]
    for number in range(7):
        while (message := session.next_message(number)) is not None:
            text.append(frame_line(number, message))
        log.append(read_ticks({"symbol": "A", "price": number}), received=number)
    text[4] = b"?" + text[4]
    path = tmp_path / "ticks.raw.jsonl"
    path.write_bytes(b"".join(text))
    found = load(path)
    assert found.warning is not None
    assert [place.first for place in found.warning.problems[0].places] == [5]
    seqs = found.frame["seq"].tolist()
    [gap] = found.gaps[["from", "to"]].to_numpy().tolist()
    assert sorted([*seqs, *range(gap[0], gap[1] + 1)]) == [1, 2, 3, 4, 5, 6]


def test_frames_of_venues_are_read_without_a_warning(recorded: Path) -> None:
    """Real frames, also without a time of receipt: messages without ticks are ignored."""
    for path in recordings(recorded):
        if path.stat().st_size < 30_000:
            assert load(path).warning is None
