"""Sidecar: the file beside a recording, for what has no place in its rows.

The sidecar of `ticks.csv` is `ticks.csv.meta.jsonl`. It is a file of its own because every program
must be able to read the CSV, and no form of comment is skipped by both spreadsheets and
`pandas.read_csv`. A recording without its sidecar can be read as well; the types of its columns are
then inferred from its values.

The sidecar is a file of JSON lines of these types:

    {"type":"head","made":1763000000123456789,"source":"ws://…","symbols":["A"],"sum":3632233996}
    {"type":"columns","kinds":{"seq":"int","symbol":"text"},"words":{"symbol":["A","B"]},"sum":…}
    {"type":"block","rows":1000,"size":65536,"crc":305419896,"sum":…}
    {"type":"gap","epoch":"a1b2","from":5,"to":9,"reason":"…","last_before":…,"first_after":…,"sum":…}
    {"type":"misfits","counts":{"note":3},"sum":…}
    {"type":"units","units":{"temperature":"°C"},"sum":…}
    {"type":"partition","values":{"day":"2026-11-29","symbol":"AAPL"},"sum":…}
    {"type":"extent","rows":1000,"epochs":[{"epoch":"a1b2","first":5,"last":1009,…}],"start":…,…}
    {"type":"end","rows":1000,"size":65536,"epoch":"a1b2","seq":1009,"time":1763000000123456789,…}

Each program that writes to the recording adds a `head`. Of several `columns` the newest is valid.
Each `block` has the checksum of the text since the block before. The counts of `misfits` add up. Of
several `units` of a column the newest is valid. An `extent` says how far the ticks reach. An `end`
is the last line of a finished recording; it is missing while the recording is written, and after a
crash. Lines are only appended, so that a crash damages at most the last line. A Parquet file holds
the heads, the gaps, the misfits, the units, the extent and the end in its own metadata. There, a
`partition` says that the file has only some of the recording's rows; the extent is that of these
rows, and the other lines are about the whole.

`sum` is the CRC-32 of the line without it. A line that doesn't match its sum is left out and
reported. A complete recording has its heads and kinds twice, so a flipped bit costs none of them.
"""

from __future__ import annotations

import os
import re
import time
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import numpy as np
import pandas as pd

from tickerkit.errors import Problem
from tickerkit.limits import MAX_INT64, MAX_WORDS
from tickerkit.log import Gap, Position, Seq, gaps_from_frame
from tickerkit.storage.extent import Extent
from tickerkit.storage.files import check_regular
from tickerkit.ticks.fields import select_units

__all__ = [
    "Block",
    "Columns",
    "End",
    "Head",
    "Line",
    "Misfits",
    "Partition",
    "Sidecar",
    "Units",
    "WordCollector",
    "add_counts",
    "encode_lines",
    "merge_kinds",
    "merge_words",
    "misfit_lines",
    "parse_lines",
    "read_sidecar",
    "sidecar_path",
]

SUM = re.compile(rb',"sum":([0-9]{1,10})\}$')
# Two lines between which a flipped bit has changed the line break.
MERGED = re.compile(rb'(?<=\}).(?=\{"type":)', re.DOTALL)


class Head(msgspec.Struct, tag="head", omit_defaults=True):
    """A program that wrote to the recording.

    Attributes:
        made: when the program began to write, in epoch ns.
        source: where the ticks came from.
        symbols: the symbols recorded; None for all. In a recording of some symbols, a jump in seq
            is no gap.
        escape_formulas: whether text is escaped for spreadsheets, see `text.escape_formula`.
        is_part: whether the file continues another one, see `csv.parts`.
    """

    made: int
    source: str = ""
    symbols: list[str] | None = None
    escape_formulas: bool = False
    is_part: bool = False


class Columns(msgspec.Struct, tag="columns", omit_defaults=True):
    """The columns of the recording.

    Attributes:
        kinds: by name, "int", "float", "time", "text", "bool", "number": int or float by its
            values, none of which is rounded; or "any": inferred when it is read.
        words: the categories of text columns in their order, where these are known.
    """

    kinds: dict[str, str]
    words: dict[str, list[str]] = {}

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> Columns:
        """Return the columns of a frame."""
        kinds, known = {}, {}
        for index, name in enumerate(map(str, frame.columns)):
            series = frame.iloc[:, index]
            kinds[name] = _kind(series)
            if isinstance(series.dtype, pd.CategoricalDtype):
                categories = series.cat.categories
                # A longer list is not written; the order of the first rows serves then.
                if len(categories) <= MAX_WORDS and categories.inferred_type == "string":
                    known[name] = categories.tolist()
        return cls(kinds, known)


def merge_kinds(known: str, kind: str) -> str:
    """Return the kind of a column whose later rows are of another kind than its earlier ones."""
    if known == kind:
        return known
    return "number" if {known, kind} <= {"int", "float", "number"} else "any"


def merge_words(
    earlier: Mapping[str, list[str]], later: Mapping[str, list[str]]
) -> dict[str, list[str]]:
    """Return the categories of earlier rows, in their order, and then those of later ones.

    If a column has too many, the order of its first rows serves.
    """
    merged = {
        name: list(dict.fromkeys([*earlier.get(name, ()), *words])) for name, words in later.items()
    }
    return {name: words for name, words in merged.items() if len(words) <= MAX_WORDS}


class WordCollector:
    """Collects the categories of text columns from rows that come piece by piece."""

    def __init__(self) -> None:
        self._found: dict[str, dict[str, None]] = {}
        # Columns with too many: the order of their first rows serves.
        self._full: set[str] = set()

    def add(self, columns: Columns) -> None:
        """Add the categories of more rows."""
        texts = {name for name, kind in columns.kinds.items() if kind == "text"}
        self._full |= texts - set(columns.words)
        for name, words in columns.words.items():
            found = self._found.setdefault(name, {})
            if name not in self._full:
                found.update(dict.fromkeys(words))
                if len(found) > MAX_WORDS:
                    self._full.add(name)

    def ordered(self, known: Mapping[str, list[str]]) -> dict[str, list[str]]:
        """Return the categories by column, in a known order if that has all of them."""
        return {
            name: list(known.get(name, ()))
            if found.keys() <= set(known.get(name, ()))
            else list(found)
            for name, found in self._found.items()
            if name not in self._full
        }


class Block(msgspec.Struct, tag="block"):
    """A stretch of text with its checksum.

    Attributes:
        rows: rows from the start of the file to the end of the block.
        size: bytes from the start of the file to the end of the block, header included, before
            compression.
        crc: CRC-32 of the text since the block before.
    """

    rows: int
    size: int
    crc: int


class End(msgspec.Struct, tag="end", frozen=True):
    """The last row of a finished recording.

    Attributes:
        rows: how many rows it has.
        size: bytes of the file; 0 for a Parquet file.
        epoch: the epoch of the last row; empty without one.
        seq: its seq.
        time: its time in epoch ns; None if it has none.
    """

    rows: int
    size: int = 0
    epoch: str = ""
    seq: Seq = 0
    time: int | None = None

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> End:
        """Return the end of a frame, without a size."""
        if not len(frame) or not {"seq", "epoch"} <= set(frame.columns):
            return cls(len(frame))
        epoch, seq = str(frame["epoch"].iloc[-1]), int(frame["seq"].iloc[-1])
        time = None
        if "time" in frame and frame["time"].dtype.kind == "M" and pd.notna(frame["time"].iloc[-1]):
            time = pd.Timestamp(frame["time"].iloc[-1]).as_unit("ns").value
        return cls(len(frame), 0, epoch, seq, time)

    @property
    def position(self) -> Position | None:
        """Position of the last row, None without one."""
        return Position(self.epoch, self.seq) if self.epoch else None


class Misfits(msgspec.Struct, tag="misfits"):
    """Values that are not in the recording, although the tick is: no column can hold them.

    Attributes:
        counts: how many, by column; in addition to those of earlier lines.
    """

    counts: dict[str, Seq]


class Units(msgspec.Struct, tag="units"):
    """The units of columns.

    Attributes:
        units: by column, as they are shown: "°C".
    """

    units: dict[str, str]


class Partition(msgspec.Struct, tag="partition"):
    """Which rows of a recording a file has.

    Attributes:
        values: by key, as in the names of its folders: "day", "symbol".
    """

    values: dict[str, str]


Line: TypeAlias = Head | Columns | Block | Gap | Misfits | Units | Partition | Extent | End

_decoder: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)
_encoder = msgspec.json.Encoder()


class Sidecar(msgspec.Struct):
    """The content of a sidecar.

    Attributes:
        heads: one for each program that wrote to the recording.
        columns: the newest columns.
        blocks: the blocks in order.
        gaps: the gaps in order.
        end: the end of a finished recording.
        misfits: how many values are not in the recording, by column.
        units: the unit of each column that has one.
        partition: by key, which rows of the recording the file has; empty for all.
        extent: how far the ticks of the file reach; None if that isn't known, as of a file that is
            being written.
        size: the size of its whole lines in bytes, without a last line that is cut off.
        damaged: the numbers of the lines that are left out.
        unsure: the indices of the blocks before which a line is left out, perhaps a block: where
            the text of such a block begins is not known.
    """

    heads: list[Head] = []
    columns: Columns = msgspec.field(default_factory=lambda: Columns({}))
    blocks: list[Block] = []
    gaps: list[Gap] = []
    end: End | None = None
    misfits: dict[str, int] = {}
    units: dict[str, str] = {}
    partition: dict[str, str] = {}
    extent: Extent | None = None
    size: int = 0
    damaged: list[int] = []
    unsure: list[int] = []

    def add(self, line: Line) -> None:
        """Add a line; a copy of an earlier head is left out."""
        self.end = None  # only the last line can be the end
        if not isinstance(line, Head | End):  # what may come after the extent
            self.extent = None
        match line:
            case Head():
                if line not in self.heads:
                    self.heads.append(line)
            case Columns():
                self.columns = line
            case Block():
                self.blocks.append(line)
            case Gap():
                self.gaps.append(line)
            case Misfits():
                self.misfits = add_counts(self.misfits, line.counts)
            case Units():
                # A file may have been edited: only what can be shown.
                self.units = {**self.units, **select_units(line.units)}
            case Partition():
                self.partition = line.values
            case Extent():
                self.extent = line
            case End():
                self.end = line

    def problems(self, name: str) -> list[Problem]:
        """Return what is damaged in the sidecar; `name` is its file's name."""
        if not self.damaged:
            return []
        about = f"of {name}: damaged, left out, and what it said is not known"
        return [Problem.from_ranges("sidecar", "line", [(n, n) for n in self.damaged], about)]

    def match(self, names: list[str]) -> Sidecar | None:
        """Return what the sidecar says about a file with these columns; None if it has others."""
        known = list(self.columns.kinds)
        return self if known == names or (not known and self.damaged) else None

    @classmethod
    def describe(
        cls,
        source: str,
        symbols: Sequence[str] | None,
        gaps: pd.DataFrame | None,
        misfits: Mapping[str, int] | None,
        units: Mapping[str, str] | None = None,
        *,
        escape_formulas: bool = False,
    ) -> Sidecar:
        """Return what is known about some ticks besides their columns.

        Args:
            source: where the ticks come from.
            symbols: the symbols recorded, None for all.
            gaps: the ticks that are missing, with the columns of `Feed.gaps`.
            misfits: how many values of the ticks were left out, by column.
            units: the unit of each column that has one.
            escape_formulas: whether text is escaped for spreadsheets.
        """
        chosen = None if symbols is None else list(symbols)
        head = Head(time.time_ns(), source, chosen, escape_formulas)
        listed = [] if gaps is None else gaps_from_frame(gaps)
        return cls([head], gaps=listed, misfits=dict(misfits or {}), units=dict(units or {}))

    def join(self, later: Sidecar) -> Sidecar:
        """Return what is known about ticks and later ones, without what is about their text."""
        known = set(self.gaps)
        return Sidecar(
            [*self.heads, *(head for head in later.heads if head not in self.heads)],
            gaps=[*self.gaps, *(gap for gap in later.gaps if gap not in known)],
            misfits=add_counts(self.misfits, later.misfits),
            units={**self.units, **later.units},
            end=later.end,
        )

    @property
    def lasting_lines(self) -> list[Line]:
        """The lines that stay true when the text of the recording is written again."""
        units = [Units(self.units)] if self.units else []
        return [*self.heads, *self.gaps, *misfit_lines(self.misfits), *units]

    @property
    def symbols(self) -> list[str] | None:
        """The symbols recorded, in the order of the heads; None for all."""
        if "symbol" in self.partition:
            return [self.partition["symbol"]]
        named = [head.symbols for head in self.heads]
        if None in named or not named:
            return None
        return list(dict.fromkeys(symbol for each in named for symbol in each or ()))

    @property
    def source(self) -> str:
        """Where the ticks came from; several sources are separated by "; "."""
        return "; ".join(dict.fromkeys(head.source for head in self.heads if head.source))

    @property
    def escape_formulas(self) -> bool:
        """Whether text is escaped for spreadsheets."""
        return any(head.escape_formulas for head in self.heads)


def sidecar_path(path: Path) -> Path:
    """Return the path of a file's sidecar: beside the file, not beside a link to it."""
    path = Path(os.path.realpath(path))
    return path.with_name(f"{path.name}.meta.jsonl")


def encode_lines(lines: Iterable[Line]) -> bytes:
    """Encode lines of a sidecar, each with its checksum."""
    texts = [_encoder.encode(line) for line in lines]
    return b"".join(b'%b,"sum":%d}\n' % (text[:-1], zlib.crc32(text)) for text in texts)


def read_sidecar(path: Path) -> Sidecar | None:
    """Read the sidecar of a file; return None if it is missing or can't be read."""
    path = sidecar_path(path)
    try:
        check_regular(path)
        data = path.read_bytes()
    except OSError:
        return None
    return parse_lines(data)


def parse_lines(data: bytes) -> Sidecar:
    """Parse the lines of a sidecar; those that are damaged are left out and noted."""
    found = Sidecar(size=data.rfind(b"\n") + 1)
    lines = data.split(b"\n")
    is_unsure = False
    for number, text in enumerate(lines, 1):
        parts = MERGED.split(text)
        if number == len(lines):
            # A crash has cut off this line, unless a flipped bit has changed its line break.
            if not _has_sum(text[:-1]):
                break
            parts, found.size = [text[:-1]], len(data)
        for part in filter(None, parts):
            try:
                line = _parse_line(part)
            except (ValueError, msgspec.MsgspecError, RecursionError):
                found.damaged.append(number)
                found.end, is_unsure = None, True
                continue
            if isinstance(line, Block) and is_unsure:
                found.unsure.append(len(found.blocks))
                is_unsure = False
            if line is not None:
                found.add(line)
    found.damaged = sorted(set(found.damaged))
    return found


def _has_sum(text: bytes) -> bool:
    """Return whether a line matches its checksum."""
    found = SUM.search(text)
    return found is not None and zlib.crc32(text[: found.start()] + b"}") == int(found[1])


def _parse_line(text: bytes) -> Line | None:
    """Return a line, None for one of a type that a later version writes; raises if it is damaged.

    Lines without a checksum are parsed, too.
    """
    is_whole = _has_sum(text)
    if not is_whole and SUM.search(text):
        raise ValueError("the line doesn't match its checksum")
    try:
        return _decoder.decode(text)
    except msgspec.ValidationError:
        if is_whole:
            return None
        raise


def add_counts(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    """Return the sums of counts by name."""
    return {name: one.get(name, 0) + other.get(name, 0) for name in {**one, **other}}


def misfit_lines(counts: Mapping[str, int]) -> list[Misfits]:
    """Return the line of some counts; none for no counts."""
    known = {name: count for name, count in counts.items() if count}
    return [Misfits(known)] if known else []


def _kind(series: pd.Series[Any]) -> str:
    if series.dtype == np.bool_:
        return "bool"
    match series.dtype.kind:
        case "f":
            return "float"
        case "M":
            return "time"
        case "i":
            return "int"
        case "u":
            return "any" if (series.dropna() > MAX_INT64).any() else "int"
    return "text"
