"""Paths: the names of recordings and of the files beside them, and when the next file begins."""

from __future__ import annotations

import contextlib
import os
import re
import time
from calendar import timegm
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tickerkit.errors import InvalidArgument
from tickerkit.storage.csv.parts import is_part, parts_of
from tickerkit.storage.files import COMPRESSIONS
from tickerkit.storage.partitions import (
    RECORDING,
    Template,
    group_partitions,
    parse_partition,
    partition_files,
    partition_folders,
)
from tickerkit.storage.sidecar import sidecar_path
from tickerkit.validation import check_choice, check_path

__all__ = [
    "ENDINGS",
    "Naming",
    "Rotation",
    "files_of",
    "hidden_paths",
    "is_jsonl",
    "naming_from_path",
    "raw_path",
    "read_size",
    "recording_name",
    "recordings_in",
    "working_path",
]

# How the names of the files that a recorder writes end, and those of recordings in all formats.
SUFFIXES = (".parquet", ".csv", ".csv.gz", ".csv.zst")
JSONL_ENDINGS = (".jsonl", ".jsonl.gz", ".jsonl.zst")
ENDINGS = (*SUFFIXES, *JSONL_ENDINGS)
SIDECAR, RAW = ".meta.jsonl", ".raw.jsonl"

FORMATS = ("csv", "parquet")
UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
PERIODS_S = {"day": 86_400, "hour": 3_600}
NAME_TIME = "%Y%m%dT%H%M%SZ"
NAME_OF_TIME = r"-\d{8}T\d{6}Z"
TIMED_ENDING = rf"{NAME_OF_TIME}(\.csv|\.csv\.gz|\.csv\.zst|\.parquet)"
SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?B)\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Naming:
    """The names of a recording's files.

    Attributes:
        folder: the folder of the files.
        stem: the start of their names.
        suffix: one of ".csv", ".csv.gz", ".csv.zst" and ".parquet".
        timed: whether each file has its start time in its name; else there is only one file.
        partition: by which keys finished files are laid out, see `partitions`; empty for none.
    """

    folder: Path
    stem: str
    suffix: str
    timed: bool
    partition: tuple[str, ...] = ()

    @property
    def is_parquet(self) -> bool:
        """Whether finished files are Parquet."""
        return self.suffix == ".parquet"

    def path(self, now: float) -> Path:
        """Return the path of a file that starts at a time, in seconds since 1970."""
        if not self.timed:
            return self.folder / f"{self.stem}{self.suffix}"
        moment = time.strftime(NAME_TIME, time.gmtime(now))
        return self.folder / f"{self.stem}-{moment}{self.suffix}"

    def free(self, now: float) -> float:
        """Return the first time from `now` on that no file has in its name.

        A number after the time would not do: files are replayed in order of name.
        """
        while self.timed:
            path = self.path(now)
            taken = (path, working_path(path), sidecar_path(path), raw_path(path))
            if not any(each.exists() for each in taken):
                break
            now += 1
        return now

    def newest(self, before: float) -> float:
        """Return the newest time before `before` in the names of this format, 0 if none."""
        newest = 0.0
        for path in self.files() if self.timed else ():
            moment = path.name.removeprefix(f"{self.stem}-").removesuffix(self.suffix)
            with contextlib.suppress(ValueError):  # another format, or no time of day
                began = float(timegm(time.strptime(moment, NAME_TIME)))
                newest = max(newest, began if began < before else 0.0)
        return newest

    def files(self) -> list[Path]:
        """Return the files that earlier runs have written, oldest first, in any format.

        An unfinished Parquet file is listed by its final path, though its rows are still in the
        file at `working_path`.
        """
        if not self.timed:
            path = self.path(0)
            return [path] if path.is_file() or working_path(path).is_file() else []
        folders = [self.folder] if self.folder.is_dir() else []
        if self.partition:
            root = self.folder.parent
            folders += partition_folders(root)
        written = (each.name for folder in folders for each in folder.iterdir() if each.is_file())
        names = set(map(_final_name, written))
        timed_name = re.compile(re.escape(self.stem) + TIMED_ENDING)
        return [self.folder / name for name in sorted(names) if timed_name.fullmatch(name)]


def working_path(path: Path) -> Path:
    """Return the file that rows are appended to: of Parquet, a CSV beside it.

    It is beside the file itself, not beside a link to it. Its name begins with an underscore, so
    that pandas and pyarrow leave it out of a folder.
    """
    if path.suffix != ".parquet":
        return path
    target = Path(os.path.realpath(path)) if path.is_symlink() else path
    return target.with_name(f"_{target.name}.csv")


def hidden_paths(path: Path) -> list[Path]:
    """Return the names that the hidden copy of a Parquet file has while the file grows."""
    return [path.with_name(f".{path.name}.{ending}") for ending in ("next", "last")]


def _final_name(name: str) -> str:
    """Return the name of a file once it is finished: the opposite of `working_path`."""
    is_working = name.startswith("_") and name.endswith(".parquet.csv")
    return name[1:].removesuffix(".csv") if is_working else name


def raw_path(path: Path, compression: str | None = None) -> Path:
    """Return the path of a recording's raw frames, which are compressed if the recording is."""
    suffix = _find_suffix(path.name) or path.suffix
    packed = COMPRESSIONS.get(compression or "", "") or (
        path.suffix if path.suffix in COMPRESSIONS.values() else ""
    )
    return path.with_name(f"{path.name.removesuffix(suffix)}{RAW}{packed}")


def files_of(path: Path) -> list[Path]:
    """Return the files that belong to a file of a recording and exist, raw frames included."""
    rows = {path, *parts_of(working_path(path))}
    raw = {raw_path(path, compression) for compression in (None, *COMPRESSIONS)}
    beside = {*rows, *map(sidecar_path, rows), *raw, *hidden_paths(path)}
    return [*(each for each in sorted(beside) if each.exists()), *partition_files(path)]


def is_jsonl(path: Path) -> bool:
    """Return whether a file's name is that of JSON lines."""
    return path.name.endswith(JSONL_ENDINGS)


def recordings_in(folder: Path) -> list[Path]:
    """Return the recordings in a folder and its partitions, in order of name.

    A partition is a folder named `key=value`, such as `day=2026-11-20`. Hidden files, sidecars,
    further parts of a CSV, and raw frames beside a recording of ticks are not among them. A Parquet
    file that is not finished has its final name here; `working_path` has its rows. Files that a
    recorder has laid out by symbol are one recording, see `partitions`.
    """
    names = {path.name for path in folder.iterdir() if path.is_file() and path.name[0] != "."}
    names = {name for name in names if name.endswith(ENDINGS) and not name.endswith(SIDECAR)}
    found = set(map(_final_name, names))
    stems = {_stem(name) for name in found if RAW not in name}
    found -= {name for name in found if is_part(folder / name)}
    beside = {name for name in found if RAW in name and _stem(name) in stems}
    paths = [folder / name for name in sorted(found - beside)]
    parts = [path for part in sorted(folder.glob("[!.]*=*/")) for path in recordings_in(part)]
    growing = recordings_in(folder / RECORDING) if (folder / RECORDING).is_dir() else []
    recorded = re.compile(rf".+{NAME_OF_TIME}\.parquet")
    return paths + group_partitions(folder, [*parts, *growing], recorded)


def recording_name(path: Path) -> tuple[Path, str]:
    """Return the folder and the name of the recording that a file belongs to.

    The files of one recording differ by the time in their names, or by the partition they are in.
    """
    folder = path.parent
    while "=" in folder.name or folder.name == RECORDING:
        folder = folder.parent
    return folder, re.sub(TIMED_ENDING + "$", r"\1", path.name)


def _find_suffix(name: str) -> str | None:
    """Return which of `SUFFIXES` a name has."""
    return next((suffix for suffix in SUFFIXES if name.endswith(suffix)), None)


def _stem(name: str) -> str:
    """Return the name of a recording without its endings."""
    return name.removesuffix(".gz").removesuffix(".zst").rpartition(".")[0].removesuffix(".raw")


def naming_from_path(
    path: str | os.PathLike[str],
    *,
    rotates: bool = False,
    compression: str | None = None,
    format: str | None = None,  # noqa: A002
    partition: str | Sequence[str] | None = None,
) -> Naming:
    """Return how the files of a recording are named.

    Args:
        path: a file, or a folder: one that exists, ends with a separator, or has no suffix; or a
            template of folders: `data/day={date}/symbol={symbol}/ticks.parquet`, see `partitions`.
        rotates: whether the recording has several files.
        compression: "gzip", "zstd" or None, for a folder.
        format: "csv" or "parquet", for a folder.
        partition: by which of "day", "hour" and "symbol" Parquet files of a folder are laid out.

    Raises:
        InvalidArgument: the compression or format is unknown, or contradicts the file's name or
            the partition.
    """
    check_path("path", path)
    keys = parse_partition(partition)
    if keys and format not in (None, "parquet"):
        raise InvalidArgument("format", format, '"parquet" for a recording with a partition')
    format = "parquet" if keys else format  # noqa: A001
    check_choice("format", format, (*FORMATS, None))
    check_choice("compression", compression, (*COMPRESSIONS, None))
    if format == "parquet" and compression is not None:
        raise InvalidArgument("compression", compression, "None for a Parquet file")
    text = os.fspath(path)
    place = Path(text).expanduser()
    if (template := Template.parse(place)) is not None:
        return _naming_from_template(template, format, compression, partition)
    ends = tuple(filter(None, ("/", os.sep, os.altsep)))
    if text.endswith(ends) or place.is_dir() or not place.suffix:
        suffix = (
            ".parquet" if format == "parquet" else f".csv{COMPRESSIONS.get(compression or '', '')}"
        )
        folder = place / RECORDING if keys else place
        return Naming(folder, "ticks", suffix, timed=True, partition=keys)
    if keys:
        raise InvalidArgument("path", place.name, "a folder for a recording with a partition")
    found = _find_suffix(place.name)
    if found is None:
        expected = f"a folder, or a file name that ends in {', '.join(SUFFIXES[1:])} or .parquet"
        raise InvalidArgument("path", place.name, expected)
    settled = f"None, since the name ends in {found}"
    if format and found.startswith(".csv") != (format == "csv"):
        raise InvalidArgument("format", format, settled)
    if compression and not found.endswith(COMPRESSIONS[compression]):
        raise InvalidArgument("compression", compression, settled)
    return Naming(place.parent, place.name.removesuffix(found), found, timed=rotates)


def _naming_from_template(
    template: Template,
    format: str | None,  # noqa: A002
    compression: str | None,
    partition: object,
) -> Naming:
    stem = template.name.removesuffix(".parquet")
    if stem == template.name:
        expected = "a name that ends in .parquet in folders such as day={date}"
        fix = "for CSV, record to one file and call tickerkit convert --split"
        raise InvalidArgument("path", template.name, f"{expected}; {fix}")
    settled = "None, since the path says how files are laid out"
    if partition is not None:
        raise InvalidArgument("partition", partition, settled)
    if format not in (None, "parquet") or compression is not None:
        name, value = ("compression", compression) if compression else ("format", format)
        raise InvalidArgument(name, value, "None, since the name ends in .parquet")
    folder = template.root / RECORDING
    return Naming(folder, stem, ".parquet", timed=True, partition=template.keys)


@dataclass(frozen=True)
class Rotation:
    """When a recording continues in another file.

    Attributes:
        period_s: at each multiple of this many seconds since 1970, UTC. None: at no time.
        size: when the file has this many bytes. None: at no size.
    """

    period_s: int | None = None
    size: int | None = None

    @classmethod
    def parse(cls, rotate: str | int | None) -> Rotation | None:
        """Parse "day", "hour", a size, or None; raises `InvalidArgument`."""
        if rotate is None:
            return None
        if isinstance(rotate, str) and rotate in PERIODS_S:
            return cls(period_s=PERIODS_S[rotate])
        return cls(size=read_size("rotate", rotate, ' or "day" or "hour"'))

    def limit(self, size: int) -> Rotation:
        """Return this rotation with files of at most a size."""
        return Rotation(self.period_s, min(size, self.size or size))

    def is_due(self, began: float, now: float, size: int) -> bool:
        """Return whether a file must end now.

        Args:
            began: when the file began, in seconds since 1970.
            now: the time now.
            size: the size of the file in bytes.
        """
        if self.size is not None and size >= self.size:
            return True
        return self.period_s is not None and began // self.period_s != now // self.period_s


def read_size(name: str, value: str | int, also: str = "") -> int:
    """Parse a number of bytes, or text such as "100MB"; raises `InvalidArgument`."""
    found = SIZE.fullmatch(value) if isinstance(value, str) else None
    size = 0
    if found is not None:
        size = int(float(found[1]) * UNITS[found[2].upper()])
    elif isinstance(value, int) and not isinstance(value, bool):
        size = value
    if size < 1:
        raise InvalidArgument(name, value, f'a size such as "100MB"{also}')
    return size
