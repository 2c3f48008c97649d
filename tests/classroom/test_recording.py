"""Recorded frames: a file grows while they pass, and says what it could not take."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from peers import dial, echo, plain_server
from websockets.sync.client import connect

import tickerkit as tk
from tickerkit.classroom import Tap, recording
from tickerkit.storage.files import AppendFile

Until = Callable[..., None]


@pytest.fixture
def tap() -> Iterator[Tap]:
    """Put a tap on an echo server of websockets."""
    with plain_server(echo, compression="deflate") as url, tk.tap(url) as tap:
        yield tap


def exchange(peer: Any, *texts: str) -> None:
    """Send messages, and receive them again."""
    for text in texts:
        peer.send(text)
        assert peer.recv(5) == text


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_recording_has_each_frame_once_and_grows(
    tap: Tap, tmp_path: Path, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It begins with what the tap holds; deflated frames are inflated, as `save` does it."""
    monkeypatch.setattr(recording, "INTERVAL_S", 0.02)
    path, saved = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    with connect(tap.url, proxy=None) as peer:
        exchange(peer, "before the recording", "the same text", "the same text")
        with tap.record(path) as recorder:
            until(lambda: recorder.written == 6)
            assert tk.status()["kind"].tolist() == ["tap", "tap recorder"]
            assert "6 frames" in repr(recorder)
            assert "6 frames" in recorder._repr_html_()
            exchange(peer, "the same text")
            until(lambda: len(read_lines(path)) == 8)
            exchange(peer, "the last of it")
        tap.save(saved)
        exchange(peer, "after the recording")
    recorder.stop()
    assert (recorder.status, recorder.written, recorder.lost) == ("stopped", 10, 0)
    assert path.read_bytes() == saved.read_bytes()
    with pytest.raises(tk.RecordingExists):
        tap.record(path)
    with pytest.raises(tk.InvalidArgument, match=r"ends in '\.jsonl' or '\.pcapng'"):
        tap.record(tmp_path / "a.har")


def test_a_recorded_capture_is_what_is_saved(
    tap: Tap, tmp_path: Path, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Handshake, frames and end are written once, in pieces; the recording ends with the tap."""
    monkeypatch.setattr(recording, "INTERVAL_S", 0.01)
    path, saved = tmp_path / "a.pcapng", tmp_path / "b.pcapng"
    path.write_bytes(b"an earlier file")
    recorder = tap.record(path, mode="overwrite")
    with connect(tap.url, proxy=None) as peer:
        for number in range(5):
            exchange(peer, str(number))
            until(lambda count=2 * number + 2: recorder.written == count)
    until(lambda: len(tap.frames()) == 12)
    tap.stop()
    assert recorder.status == "stopped"
    tap.save(saved)
    assert path.read_bytes() == saved.read_bytes()
    with pytest.raises(tk.Stopped):
        tap.record(tmp_path / "c.jsonl")


def test_frames_that_could_not_be_recorded_are_counted(
    tmp_path: Path, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the disk is full the tap's memory keeps the newest; then a note tells of the others."""
    monkeypatch.setattr(recording, "INTERVAL_S", 0.02)
    append = AppendFile.append

    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with (
        plain_server(echo) as url,
        tk.tap(url, keep="100kB") as tap,
        tap.record(tmp_path / "a.jsonl") as recorder,
        dial(tap.url) as peer,
    ):
        monkeypatch.setattr(AppendFile, "append", fail)
        exchange(peer, "kept")
        until(lambda: "No space left" in recorder.last_error)
        assert recorder.status == "failing"
        exchange(peer, *["x" * 10_000] * 20)
        monkeypatch.setattr(AppendFile, "append", append)
        until(lambda: recorder.status == "recording" and recorder.written > 2)
        exchange(peer, "later")
    lines = read_lines(tmp_path / "a.jsonl")
    noted = next(line for line in lines if "could not be recorded" in line["note"])
    assert noted["note"] == f"before it, {recorder.lost} frames could not be recorded"
    seqs = [line["seq"] for line in lines]
    assert recorder.written + recorder.lost == seqs[-1]
    assert noted["seq"] == seqs[seqs.index(noted["seq"]) - 1] + recorder.lost + 1
