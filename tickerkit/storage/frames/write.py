"""Framing: a recording as the frames of `tickerkit.v1` that would have brought it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd

from tickerkit.log import FIXED, Gap, TickLog, gaps_from_frame
from tickerkit.protocol import SUBPROTOCOL, Hello
from tickerkit.protocol.codec import encode_columns
from tickerkit.protocol.messages import encode
from tickerkit.storage.atomic import Mode, prepare_path, replacing
from tickerkit.storage.compression import compress, compression_of
from tickerkit.storage.frames.file import connected_line, made_line
from tickerkit.ticks import Array, read_ticks

__all__ = ["write_raw"]

ROWS_AT_ONCE = 16_384
PIECE_BYTES = 2**20


def write_raw(
    frame: pd.DataFrame,
    path: str | PathLike[str],
    gaps: pd.DataFrame | None = None,
    *,
    mode: Mode = "new",
    source: str = "",
    symbols: Sequence[str] | None = None,
) -> Path:
    """Write a recording as the frames of `tickerkit.v1` that would have brought it.

    `load_raw` makes the same ticks and gaps of it: each line holds ticks of one epoch that were
    received at one moment.

    Args:
        frame: a recording's ticks, with `seq`, `epoch` and `received`; without these they are
            numbered from 1.
        path: where to; `.gz` and `.zst` are compressed.
        gaps: the ticks that are missing, as `Feed.gaps` tells them.
        mode: "new" or "overwrite".
        source: where the ticks came from.
        symbols: those that were recorded, None for all.

    Raises:
        RecordingExists: there is a file, and mode is "new".
        ValueError: mode is "append".
        OSError: the file can't be written.
    """
    if mode == "append":
        raise ValueError('frames of a wire can\'t be added to a file; pass mode="overwrite"')
    path = prepare_path(path, mode)
    compression = compression_of(path)
    with replacing(path) as out:
        text = bytearray()
        chosen = None if symbols is None else list(symbols)
        for line in _frames(
            frame, gaps_from_frame(gaps) if gaps is not None else [], source, chosen
        ):
            text += line
            if len(text) >= PIECE_BYTES:
                out.write(compress(bytes(text), compression))
                text.clear()
        if text:
            out.write(compress(bytes(text), compression))
    return path


def _frames(
    frame: pd.DataFrame, gaps: list[Gap], source: str, symbols: list[str] | None
) -> Iterator[bytes]:
    count = len(frame)
    seq = _numbers(frame, "seq", np.arange(1, count + 1))
    received = _numbers(frame, "received", np.zeros(count, dtype=np.int64))
    known = frame["epoch"] if "epoch" in frame.columns else pd.Series(["recording"] * count)
    codes, words = pd.factorize(known.to_numpy(dtype=object))
    cuts = (np.diff(codes) != 0) | (np.diff(received) != 0) | (np.diff(seq) <= 0)
    # A gap is told between the ticks on both sides of it.
    begun = np.searchsorted(np.sort([gap.first for gap in gaps]), seq)
    cuts |= np.diff(begun) != 0
    starts = [0, *(np.flatnonzero(cuts) + 1).tolist()] if count else []
    now = int(received[0]) if count else time.time_ns()
    yield connected_line(now, source, SUBPROTOCOL, symbols=symbols)
    columns = _columns(frame)
    epoch, log, pending = None, TickLog(1), list(gaps)
    batch = read_ticks(frame.reset_index(drop=True))
    if batch.count != count:
        raise ValueError(f"{batch.refused:,} rows are no ticks, the first: {batch.errors[0]}")
    last_rows = {str(words[code]): row for row, code in enumerate(codes.tolist())}
    for start, stop in zip(starts, [*starts[1:], count], strict=False):
        now, own, first = int(received[start]), str(words[codes[start]]), int(seq[start])
        told = _before(pending, last_rows, start, own, first)
        del pending[: len(told)]
        for gap in told:
            if epoch is None:
                epoch, log = gap.epoch, TickLog(ROWS_AT_ONCE, epoch=gap.epoch)
                yield made_line(now, _hello(gap.epoch, gap.first, columns))
            yield _gap_line(now, gap)
        if own != epoch:
            epoch, log = own, TickLog(ROWS_AT_ONCE, epoch=own)
            yield made_line(now, _hello(own, first, columns))
        for at in range(start, stop, ROWS_AT_ONCE):
            end = min(at + ROWS_AT_ONCE, stop)
            row = log.stop
            log.append(batch.part(at, end), received=now, epoch=own, seq=seq[at:end])
            data = encode_columns(log.rows(row), None)
            if data is not None:
                yield b'{"t":%d,"frame":%b}\n' % (now, data)
    for gap in pending:
        if epoch is None:
            epoch = gap.epoch
            yield made_line(now, _hello(gap.epoch, gap.first, columns))
        yield _gap_line(now, gap)


def _before(
    gaps: list[Gap], last_rows: dict[str, int], row: int, epoch: str, seq: int
) -> list[Gap]:
    """Return the first of the gaps, those that lie before a row."""
    found = 0
    for place, gap in enumerate(gaps):
        lies = gap.first < seq if gap.epoch == epoch else last_rows.get(gap.epoch, -1) < row
        if not lies:
            break
        found = place + 1
    return gaps[:found]


def _numbers(frame: pd.DataFrame, name: str, otherwise: Array) -> Array:
    if name not in frame.columns:
        return otherwise
    series = frame[name]
    if series.dtype.kind == "M":
        return pd.DatetimeIndex(series).as_unit("ns").asi8
    return series.to_numpy(np.int64)


def _columns(frame: pd.DataFrame) -> dict[str, str | list[str]]:
    return {
        str(name): "number" if frame[name].dtype.kind in "fiu" else []
        for name in frame.columns
        if name not in FIXED
    }


def _hello(epoch: str, seq: int, columns: dict[str, str | list[str]]) -> bytes:
    return encode(Hello(epoch, seq, seq, [], columns))


def _gap_line(now: int, gap: Gap) -> bytes:
    return b'{"t":%d,"frame":%b}\n' % (now, encode(Gap(gap.epoch, gap.first, gap.last, gap.reason)))
