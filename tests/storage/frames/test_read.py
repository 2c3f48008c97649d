"""raw: the frames of a wire as lines of JSON, read as the ticks that they brought, and written."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from recordings import recordings

import tickerkit as tk
from tickerkit.log import Gap, gap_frame
from tickerkit.storage import load, load_raw, write_csv, write_raw
from tickerkit.storage.frames.file import WireFile, frame_line

TICK = b'{"symbol":"A","price":1.50,"time":"2026-11-22T10:00:00Z"}'


def lines(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a file of frames."""
    return [json.loads(line) for line in path.read_bytes().splitlines()]


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_frames_are_kept_as_they_came_and_read_as_the_ticks_they_brought(
    tmp_path: Path, suffix: str, until: Callable[..., None]
) -> None:
    """A feed recorded from the midst of a connection: the same ticks, times and epochs."""
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


def test_each_file_of_frames_can_be_read_by_itself(
    tmp_path: Path, until: Callable[..., None]
) -> None:
    """Where a recording rotates, so do its frames, and each begins with what is needed."""
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


def test_a_plain_websocket_is_read_as_its_feed_read_it(tmp_path: Path) -> None:
    """Its ticks have the epoch and numbers that the feed gave them; the symbols are told."""
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
def test_every_message_has_its_line(data: str | bytes, kept: dict[str, Any]) -> None:
    """JSON on one line as it is, byte for byte; anything else so that it can be had again."""
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
    assert found.warning.lines == [2]
    assert found.warning.torn_bytes == 19
    path.write_text("time,price\n1,2\n")
    with pytest.raises(tk.RecordingError, match="no line of it"):
        load_raw(path)
    with WireFile(path, "overwrite") as file:
        file.append(frame_line(1, TICK)[:-5])
    with WireFile(path, "append") as file:
        file.append(frame_line(2, TICK))
    assert len(load(path).frame) == 1


def test_frames_that_are_missing_are_a_gap(tmp_path: Path) -> None:
    """Of `tickerkit.v1` the numbers tell what was in a line that is damaged."""
    frame = pd.DataFrame({"symbol": ["A"] * 6, "price": range(6), "received": range(6)})
    path = write_raw(frame, tmp_path / "ticks.jsonl")
    text = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*text[:4], b"?" + text[4], *text[5:]]))
    found = load(path)
    assert found.warning is not None
    assert found.warning.lines == [5]
    assert found.gaps[["from", "to"]].values.tolist() == [[3, 3]]
    assert len(found.frame) == 5


def test_a_recording_becomes_frames_and_again_the_same_recording(tmp_path: Path) -> None:
    """Converted to frames and back, the CSV is the same to the byte; so are the gaps."""
    time = pd.to_datetime([10**18 + n for n in range(6)], utc=True)
    frame = pd.DataFrame(
        {
            "seq": [1, 2, 5, 6, 1, 2],
            "time": time,
            "symbol": pd.Categorical(["A", "=1+1", 'q"', "é,", "A", "NA"]),
            "price": [0.1, float("nan"), 1e-9, -0.0, 12345678901234567890.0, 3.0],
            "size": [1.0, float("nan"), 2.5, 0.0, 1.0, 1.0],
            "received": pd.to_datetime([1, 1, 1, 2, 3, 3], utc=True).astype("datetime64[ns, UTC]"),
            "epoch": pd.Categorical(["x", "x", "x", "x", "y", "y"]),
            "bid": [float("nan"), 2.0, *[float("nan")] * 4],
            "venue": pd.Categorical([None, "V", None, "W", None, None]),
        }
    )
    gaps = gap_frame(
        [
            Gap("x", 3, 4, "one", 10**18 + 1, 10**18 + 2),
            Gap("x", 7, None, "two", 10**18 + 3, 10**18 + 4),
            Gap("y", 3, 9, "three", 10**18 + 5, None),
        ]
    )
    write_csv(frame, tmp_path / "a.csv", gaps=gaps)
    first = load(tmp_path / "a.csv")
    write_raw(first.frame, tmp_path / "a.jsonl.zst", first.gaps, symbols=["A"])
    second = load(tmp_path / "a.jsonl.zst")
    assert second.symbols == ["A"]
    write_csv(second.frame, tmp_path / "b.csv", gaps=second.gaps)
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    pd.testing.assert_frame_equal(second.gaps, first.gaps)
    with pytest.raises(tk.RecordingExists):
        write_raw(first.frame, tmp_path / "a.jsonl.zst")


def test_frames_of_venues_are_read_without_complaint(recorded: Path) -> None:
    """Real frames, also without a receive time: what is no tick is passed over."""
    for path in recordings(recorded):
        if path.stat().st_size < 30_000:
            assert load(path).warning is None
