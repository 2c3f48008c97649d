"""json_lines: the lines of a pipe or a file become ticks as soon as they have come."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import IO, Any

import pandas as pd
import pytest
from peers import Kept

import tickerkit as tk
from tickerkit.errors import BadTick, FieldMapError, SourceError
from tickerkit.sources import json_lines
from tickerkit.sources import lines as lines_module
from tickerkit.ticks import Batch, read_ticks

Until = Callable[..., None]
FIRST = b'{"symbol": "kitchen", "temperature": 21.5}\n'


@pytest.fixture
def pipe() -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """Return the two ends of a pipe; reading the first waits for the second."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as reader, os.fdopen(writing, "wb", buffering=0) as writer:
        yield reader, writer


def read(data: bytes, fields: object = None) -> tuple[Kept, list[Batch]]:
    """Return what a source of a file with this content has sent, also as batches."""
    out = Kept()
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        out.run(json_lines(file, fields))
    return out, [read_ticks(each) for each in out.sent]


def temperatures(batches: list[Batch]) -> list[float]:
    """Return the temperatures of batches."""
    columns: list[Any] = [batch.columns.get("temperature", ()) for batch in batches]
    return [value for column in columns for value in column]


def test_lines_become_ticks_as_soon_as_they_have_come(
    pipe: tuple[IO[bytes], IO[bytes]], until: Until
) -> None:
    """A line that is not complete waits for its end; the end of the stream ends the source."""
    reader, writer = pipe
    with tk.serve(json_lines(reader), port=0) as server:
        writer.write(FIRST + FIRST[:10])
        until(lambda: server.stats["ticks"] == 1)
        writer.write(FIRST[10:] + b"\n")
        until(lambda: server.stats["ticks"] == 2)
        assert server.stats["status"] == "listening"
        writer.close()
        until(lambda: server.stats["status"] == "ended")
        assert (server.stats["ticks"], server.stats["refused"]) == (2, 0)


def test_stream_that_is_silent_can_be_stopped(pipe: tuple[IO[bytes], IO[bytes]]) -> None:
    """The source waits for lines, and its server stops at once."""
    server = tk.serve(json_lines(pipe[0]), port=0)
    server.stop()
    assert server.stats["status"] == "stopped"


def test_file_is_read_to_its_end() -> None:
    """Blank lines are skipped, an array is several ticks, and the last line needs no break."""
    array = b'[{"symbol": "a", "temperature": 1}, {"symbol": "b", "temperature": 2}]'
    out, batches = read(FIRST + b"\n \r\n" + array + b"\n" + FIRST.strip())
    assert temperatures(batches) == [21.5, 1, 2, 21.5]
    assert out.errors == []


def test_file_is_never_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """On macOS, a wait at the end of a file would never return."""

    def wait_for_ever(*_: object) -> None:
        pytest.fail("waits for a file")

    monkeypatch.setattr(asyncio.selector_events.BaseSelectorEventLoop, "add_reader", wait_for_ever)
    assert temperatures(read(FIRST)[1]) == [21.5]


def test_device_that_cannot_be_waited_for_is_read_at_once() -> None:
    """Linux refuses to wait for /dev/null, which ends at once."""
    with Path(os.devnull).open("rb") as file:
        out = Kept()
        out.run(json_lines(file))
    assert (out.sent, out.errors) == ([], [])


def test_wrong_line_is_refused_alone() -> None:
    """Text that is no JSON, bytes that are no text, and objects that are no ticks."""
    _, batches = read(FIRST + b"hello\n\xff\xfe\n{}\n" + FIRST)
    assert temperatures(batches) == [21.5, 21.5]
    assert sum(batch.refused for batch in batches) == 3


def test_line_without_an_end_is_refused_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes no memory, and the lines after it are read."""
    monkeypatch.setattr(lines_module, "CHUNK_BYTES", 64)
    monkeypatch.setattr(lines_module, "MAX_LINE_BYTES", 128)
    out, batches = read(FIRST + b"x" * 5000 + b"\n" + FIRST + b"y" * 5000)
    assert temperatures(batches) == [21.5, 21.5]
    assert [type(error) for error in out.errors] == [BadTick, BadTick]
    assert "has no end" in str(out.errors[0])


def test_field_map_reads_lines_of_another_form(tmp_path: Path) -> None:
    """As of `mosquitto_sub -F %J`: the topic names the sensor, and the payload has its numbers."""
    line = b'{"tst": "2026-11-23T10:00:00Z", "topic": "home/kitchen", "payload": {"t": 21.5}}\n'
    fields = {"symbol": "topic", "temperature": "payload.t", "time": "tst:iso"}
    out, batches = read(line + b"damaged\n" + b'{"status": "ok"}\n' + line, fields)
    assert temperatures(batches) == [21.5, 21.5]
    assert [type(error) for error in out.errors] == [BadTick]
    path = tmp_path / "map.toml"
    path.write_text('symbol = "topic"\ntemperature = "payload.t"\n')
    assert temperatures(read(line, path)[1]) == [21.5]


def test_map_is_guessed_where_lines_are_no_ticks() -> None:
    """The source has the map as code, and says that it is a guess."""
    line = b'{"tst": "2026-11-23T10:00:0%dZ", "topic": "home/kitchen", "payload": {"t": 21.%d}}\n'
    lines = b"".join(line % (number, number) for number in range(5))
    with tempfile.TemporaryFile() as file:
        file.write(lines)
        file.seek(0)
        source = json_lines(file)
        out = Kept()
        out.run(source)
    batches = [read_ticks(each) for each in out.sent]
    times = [pd.Timestamp(int(time)).isoformat() for batch in batches for time in batch.time]
    # The first line, alone, was no tick; it is read once the map is known.
    assert times == [f"2026-11-23T10:00:0{number}" for number in range(5)]
    assert source.fields["symbol"] == "topic"
    assert source.fields_note.startswith("a guess")
    assert "payload.t" in source.describe_guess()
    assert out.errors == []


def test_lines_that_are_ticks_need_no_map() -> None:
    """Then there is nothing to show."""
    with tempfile.TemporaryFile() as file:
        file.write(FIRST * 3)
        file.seek(0)
        source = json_lines(file)
        Kept().run(source)
    assert (source.fields, source.fields_note, source.describe_guess()) == (None, "", "")
    assert source.unknown == {}


def test_live_feed_of_a_guess_says_so(pipe: tuple[IO[bytes], IO[bytes]]) -> None:
    """`tk.live(tk.json_lines(…))`: as a feed of a websocket, and so does the server's card."""
    reader, writer = pipe
    writer.write(b'{"s": "BTC-USD", "p": "100.5", "q": "0.1"}\n' * 3)
    with tk.live(json_lines(reader)) as feed:
        feed.wait(3)
        assert feed.fields == {"symbol": "s", "price": "p", "size": "q"}
        assert feed.fields_note in repr(feed)
        assert "a guess" in feed._owned[0]._repr_html_()  # type: ignore[attr-defined]


def test_wrong_arguments_are_refused(tmp_path: Path) -> None:
    """A stream needs a file descriptor, and the map must be one."""
    for wrong in (None, 5, "ticks.jsonl", StringIO("x")):
        with pytest.raises(SourceError, match="file"):
            json_lines(wrong)  # type: ignore[arg-type]
    with tempfile.TemporaryFile() as file:
        with pytest.raises(FieldMapError):
            json_lines(file, {"symbool": "s"})
        with pytest.raises(FileNotFoundError):
            json_lines(file, tmp_path / "missing.toml")


def test_source_can_be_cancelled_while_it_reads_a_long_file() -> None:
    """A file never makes it wait, so that it lets others run in between."""

    async def cancel(file: IO[bytes]) -> None:
        out = Kept()
        task = asyncio.create_task(json_lines(file).run(out))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(out.sent) <= 1

    with tempfile.TemporaryFile() as file:
        file.write(FIRST * 10_000)
        file.seek(0)
        asyncio.run(cancel(file))
