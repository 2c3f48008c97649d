"""Text files: how ticks become a whole file of CSV or JSON lines, with its sidecar."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from pathlib import Path

import msgspec
import pandas as pd

from tickerkit.storage.csv.parts import remove_parts
from tickerkit.storage.csv.text import ROWS_AT_ONCE
from tickerkit.storage.extent import extent_lines
from tickerkit.storage.files import compress, compression_of, replacing
from tickerkit.storage.sidecar import Block, Columns, End, Line, Sidecar, encode_lines, sidecar_path

__all__ = ["write_text"]


def write_text(
    path: Path, frame: pd.DataFrame, texts: Iterable[bytes], about: Sidecar, *, header: bool
) -> None:
    """Write ticks as text. An older file is replaced when the new one is complete.

    Args:
        path: the file. The suffix `.gz` or `.zst` compresses it.
        frame: the ticks.
        texts: their lines, `ROWS_AT_ONCE` at a time.
        about: what else the sidecar says.
        header: whether the first text is a header, without rows.
    """
    columns = Columns.from_frame(frame)
    sidecar: list[Line] = [*about.lasting_lines, Columns(columns.kinds), columns]
    compression, size = compression_of(path), 0
    with replacing(path) as out:
        for number, text in enumerate(texts, start=not header):
            out.write(compress(text, compression))
            size += len(text)
            sidecar.append(Block(min(number * ROWS_AT_ONCE, len(frame)), size, zlib.crc32(text)))
        end = msgspec.structs.replace(End.from_frame(frame), size=out.tell())
        # The sidecar and the parts of an older file would be wrong for this one.
        remove_parts(path)
        sidecar_path(path).unlink(missing_ok=True)
    with replacing(sidecar_path(path)) as out:
        out.write(encode_lines([*sidecar, *extent_lines(frame), *about.heads, end]))
