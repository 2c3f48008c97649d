"""Text files: how ticks become a whole file of CSV or JSON lines, with its sidecar."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec
import pandas as pd

from tickerkit.storage.csv.parts import remove_parts
from tickerkit.storage.csv.text import ROWS_AT_ONCE
from tickerkit.storage.files import compress, compression_of, replacing
from tickerkit.storage.sidecar import Block, Columns, Line, encode_lines, sidecar_path
from tickerkit.storage.tally import About, Tally

__all__ = ["write_text"]


def write_text(
    path: Path,
    frames: Iterable[pd.DataFrame],
    lines: Callable[[pd.DataFrame], Iterator[bytes]],
    about: About,
    *,
    header: Callable[[pd.DataFrame], bytes] | None = None,
    last: Iterable[Line] = (),
) -> Tally:
    """Write ticks as text. An older file is replaced when the new one is complete.

    Args:
        path: the file. The suffix `.gz` or `.zst` compresses it.
        frames: the ticks, in one frame or more with the same columns and types.
        lines: returns the text of a frame, `ROWS_AT_ONCE` lines at a time.
        about: returns what else the sidecar says.
        header: returns the header of a frame; None if the text has none.
        last: lines of the sidecar about this file alone.

    Returns:
        What was written.
    """
    tally, blocks = Tally(), list[Line]()
    compression, size = compression_of(path), 0
    with replacing(path) as out:
        for number, frame in enumerate(frames):
            texts = [(0, header(frame))] if header is not None and not number else []
            for rows, text in (*texts, *enumerate(lines(frame), 1)):
                out.write(compress(text, compression))
                size += len(text)
                stop = tally.rows + min(rows * ROWS_AT_ONCE, len(frame))
                blocks.append(Block(stop, size, zlib.crc32(text)))
            tally.add(frame)
        # The sidecar and the parts of an older file would be wrong for this one.
        found, columns = about(), tally.columns
        remove_parts(path)
        sidecar_path(path).unlink(missing_ok=True)
        end = msgspec.structs.replace(tally.end, size=out.tell())
    before = [*found.lasting_lines, Columns(columns.kinds), columns, *blocks]
    after = [*last, *tally.extent.lines, *found.heads, end]
    with replacing(sidecar_path(path)) as out:
        out.write(encode_lines([*before, *after]))
    return tally
