"""Sidecar: what is known of a CSV recording and has no place in its rows.

`ticks.csv` has `ticks.csv.meta.jsonl` beside it: lines of JSON that tell the types of the columns,
which ticks are missing, and checksums. So the CSV itself is one that every program reads: there is
no form of comment or trailing line that a spreadsheet and `pandas.read_csv` both pass over. Without
its sidecar a recording is still read, by what its values look like.

Lines are only ever added, so that a crash costs at most the last one; one that makes no sense is
passed over.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

import msgspec
import numpy as np
import pandas as pd

from tickerkit.log.position import Gap

__all__ = [
    "Block",
    "Columns",
    "Head",
    "Line",
    "Sidecar",
    "columns_from_frame",
    "parse",
    "read_sidecar",
    "sidecar_path",
    "to_bytes",
]

VERSION = 1
MAX_WORDS = 65_536
MAX_INT = 2**63 - 1


class Head(msgspec.Struct, tag="head", omit_defaults=True):
    """Who wrote what follows.

    Attributes:
        made: when, in epoch ns.
        source: where the ticks came from.
        symbols: those that were recorded; None for all. Of some only, a jump of seq is no gap.
        escape_formulas: whether text is marked against spreadsheets, see `lines.escape_formula`.
        version: of the sidecar.
    """

    made: int
    source: str = ""
    symbols: list[str] | None = None
    escape_formulas: bool = False
    version: int = VERSION


class Columns(msgspec.Struct, tag="columns", omit_defaults=True):
    """The columns from here on.

    Attributes:
        kinds: by name, "int", "float", "time", "text" or "bool".
        words: of columns of text, the categories in their order, where these are known.
    """

    kinds: dict[str, str]
    words: dict[str, list[str]] = {}


class Block(msgspec.Struct, tag="block"):
    """Text that was written whole.

    Attributes:
        rows: how many rows the file has up to here.
        size: how many bytes, before compression, the row of names included.
        crc: CRC-32 of those since the block before.
    """

    rows: int
    size: int
    crc: int


Line: TypeAlias = Head | Columns | Block | Gap

_decoder: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)
_encoder = msgspec.json.Encoder()


class Sidecar(msgspec.Struct):
    """What a sidecar says.

    Attributes:
        heads: one for each time that was written to the file.
        columns: the newest.
        blocks: the stretches with their checksums, in order.
        gaps: the gaps, in order.
        bad: how many lines made no sense.
        size: how many bytes of the sidecar are whole lines.
        is_old: whether the file was widened since, which it does not tell.
    """

    heads: list[Head] = []
    columns: Columns = msgspec.field(default_factory=lambda: Columns({}))
    blocks: list[Block] = []
    gaps: list[Gap] = []
    bad: int = 0
    size: int = 0
    is_old: bool = False

    def of(self, names: list[str]) -> Sidecar | None:
        """Return what it says of a file with these columns; None if it is of another file.

        Of one that was widened, when a crash or a full disk came before its sidecar could be made
        anew, all holds but the checksums.
        """
        known = list(self.columns.kinds)
        if known == names:
            return self
        if not known or names[: len(known)] != known:
            return None
        kinds = self.columns.kinds | dict.fromkeys(names[len(known) :], "any")
        columns = Columns(kinds, self.columns.words)
        return Sidecar(self.heads, columns, [], self.gaps, self.bad, self.size, is_old=True)

    @property
    def symbols(self) -> list[str] | None:
        """The symbols that were recorded, None for all."""
        named = [head.symbols for head in self.heads]
        if None in named or not named:
            return None
        return sorted({symbol for each in named for symbol in each or ()})

    @property
    def source(self) -> str:
        """Where the ticks came from; of several sources each once."""
        return "; ".join(dict.fromkeys(head.source for head in self.heads if head.source))

    @property
    def escape_formulas(self) -> bool:
        """Whether text is marked against spreadsheets."""
        return any(head.escape_formulas for head in self.heads)


def sidecar_path(path: Path) -> Path:
    """Return where the sidecar of a file is: beside it, not beside a link to it."""
    path = Path(os.path.realpath(path))
    return path.with_name(f"{path.name}.meta.jsonl")


def to_bytes(lines: Iterable[Line]) -> bytes:
    """Return lines as they stand in a sidecar."""
    return b"".join(_encoder.encode(line) + b"\n" for line in lines)


def read_sidecar(path: Path) -> Sidecar | None:
    """Read the sidecar of a file; None where there is none, or none that can be read."""
    try:
        data = sidecar_path(path).read_bytes()
    except OSError:
        return None
    return parse(data)


def parse(data: bytes) -> Sidecar:
    """Read what `to_bytes` made, as far as it makes sense."""
    found = Sidecar(size=data.rfind(b"\n") + 1)
    for text in data[: found.size].splitlines():
        try:
            line = _decoder.decode(text)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            found.bad += 1
            continue
        match line:
            case Head():
                found.heads.append(line)
            case Columns():
                found.columns = line
            case Block():
                found.blocks.append(line)
            case Gap():
                found.gaps.append(line)
    return found


def columns_from_frame(frame: pd.DataFrame, *, words: bool = True) -> Columns:
    """Return the columns of a frame; with the categories of its text, unless these may grow."""
    kinds, known = {}, {}
    for index, name in enumerate(map(str, frame.columns)):
        series = frame.iloc[:, index]
        if isinstance(series.dtype, pd.CategoricalDtype):
            kinds[name] = "text"
            categories = series.cat.categories
            if words and len(categories) <= MAX_WORDS and categories.inferred_type == "string":
                known[name] = categories.tolist()
        elif series.dtype == np.bool_:
            kinds[name] = "bool"
        elif series.dtype.kind in "iu":
            unsigned = series.dtype.kind == "u"
            kinds[name] = "any" if unsigned and (series.dropna() > MAX_INT).any() else "int"
        elif series.dtype.kind == "f":
            kinds[name] = "float"
        elif series.dtype.kind == "M":
            kinds[name] = "time"
        else:
            kinds[name] = "text"
    return Columns(kinds, known)
