"""Partitions: recordings laid out by day, hour and symbol, as DuckDB, Polars and Spark read them.

The rows lie in folders such as `day=2026-11-29/symbol=AAPL`, in files of the same name. The value
in a folder's name is not a column of its files, as those programs expect. Until a file is finished,
its rows grow in one CSV in the folder `_recording`, which such programs leave out. So the path
`_recording/ticks-….parquet` stands for the whole: the files of this name in all partitions. No file
is ever there.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

import numpy as np
import pandas as pd

from tickerkit.errors import InvalidArgument, InvalidType
from tickerkit.ticks import NS_PER_S, UTC_NS

__all__ = [
    "NO_VALUE",
    "RECORDING",
    "Template",
    "folder_values",
    "group_partitions",
    "in_order_of_arrival",
    "parse_partition",
    "partition_files",
    "partition_folders",
    "partition_path",
    "restore_symbol",
    "split",
]

# The keys, and what stands for a value in the name of a folder in a template.
KEYS = {"day": "{date}", "hour": "{hour}", "symbol": "{symbol}"}
RECORDING = "_recording"
# By this value, DuckDB, Polars and Spark know that there is none.
NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
HOUR_NS = 3_600 * NS_PER_S
# A value in a folder's name in a template, also where the key is forgotten.
VALUE = re.compile(r"=\{|\{(date|day|hour|symbol)\}")
# What a folder's name can't have on some system, or what would end it or its value.
UNSAFE = re.compile(r'[\x00-\x1f\x7f"#%*/:<=>?\\|]|^[ .]|[ .]$')


class Template(NamedTuple):
    """A path whose folders are named by values of the ticks: `data/day={date}/ticks.parquet`.

    Attributes:
        root: the folder of all partitions.
        keys: by what the ticks are laid out, the outer folder first.
        name: the name of the files.
    """

    root: Path
    keys: tuple[str, ...]
    name: str

    @classmethod
    def parse(cls, path: Path) -> Template | None:
        """Return the template that a path is, None if no folder is named by a value.

        Raises:
            InvalidArgument: such a folder has another name than in a template, or comes twice, or
                another folder is inside it.
        """
        parts = path.parts
        first = next((i for i, part in enumerate(parts) if VALUE.search(part)), None)
        if first is None:
            return None
        names = {f"{key}={value}": key for key, value in KEYS.items()}
        keys = tuple(names.get(part, "") for part in parts[first:-1])
        if "" in keys or len(set(keys)) < len(keys) or VALUE.search(path.name):
            expected = (
                f"a path such as data/{'/'.join(names)}/ticks.parquet, or some of its folders"
            )
            raise InvalidArgument("path", str(path), expected)
        return cls(Path(*parts[:first]), keys, path.name)


def parse_partition(partition: object, argument: str = "partition") -> tuple[str, ...]:
    """Return the keys to lay a recording out by, the outer folder first; none for None.

    Args:
        partition: "day", "hour", "symbol", several in one text with commas, or a sequence of them.
        argument: the name of the argument, for errors.

    Raises:
        InvalidArgument: a key is unknown, or named twice.
    """
    if partition is None:
        return ()
    expected = '"day", "hour", "symbol", or several, such as "day,symbol"'
    given = partition
    if isinstance(given, str):
        given = [key.strip() for key in given.split(",")]
    if not isinstance(given, Sequence) or not all(isinstance(key, str) for key in given):
        raise InvalidType(argument, partition, expected)
    if not given or len(set(given)) < len(given) or not set(given) <= set(KEYS):
        raise InvalidArgument(argument, partition, expected)
    return tuple(given)


def partition_path(path: Path, values: Mapping[str, str], taken: set[str]) -> Path:
    """Return the file of one partition.

    Args:
        path: of the whole recording, in the folder `RECORDING`.
        values: by key, the outer folder first.
        taken: the folders of this recording so far in small letters; the new one is added. Where
            names of files have no case, the symbols `a` and `A` need two folders.
    """
    place = Path(*(f"{key}={UNSAFE.sub(_escape, value)}" for key, value in values.items()))
    if str(place).lower() in taken:
        key, _, value = place.name.partition("=")
        place = place.with_name(f"{key}=%{ord(value[0]):02X}{value[1:]}")
    taken.add(str(place).lower())
    return path.parent.parent / place / path.name


def _escape(found: re.Match[str]) -> str:
    return f"%{ord(found[0]):02X}"


def folder_values(path: Path) -> dict[str, str]:
    """Return by key what the names of a file's folders say, such as `day=2026-11-29`."""
    pairs = (folder.name.partition("=") for folder in reversed(path.parents))
    return {key: unquote(value) for key, equals, value in pairs if key and equals}


def partition_files(path: Path) -> list[Path]:
    """Return the files in partitions that a path in `RECORDING` stands for; none for another."""
    if path.parent.name != RECORDING:
        return []
    root, name = path.parent.parent, path.name
    return sorted(file for each in partition_folders(root) if (file := each / name).is_file())


def partition_folders(root: Path) -> list[Path]:
    """Return the folders of partitions in a folder."""
    patterns = ["[!._]*=*" + "/*=*" * depth for depth in range(len(KEYS))]
    return [each for pattern in patterns for each in root.glob(pattern) if each.is_dir()]


def split(
    frame: pd.DataFrame, partition: Sequence[str]
) -> Iterator[tuple[dict[str, str], pd.DataFrame]]:
    """Yield the values of each partition, and its rows without the column `symbol` if that is one.

    Args:
        frame: ticks with `time` and `symbol`.
        partition: the keys.
    """
    hours = pd.Series(frame["time"]).astype(UTC_NS).astype(np.int64) // HOUR_NS
    times = pd.to_datetime(hours * HOUR_NS).dt
    is_timed = pd.Series(frame["time"]).notna()
    columns: dict[str, Any] = {
        "day": times.strftime("%Y-%m-%d").where(is_timed, NO_VALUE),
        # Without a folder for the day, the hour has it in its name.
        "hour": times.strftime("%H" if "day" in partition else "%Y-%m-%dT%H").where(
            is_timed, NO_VALUE
        ),
        "symbol": frame["symbol"].astype("str"),
    }
    keys = pd.DataFrame({key: columns[key].to_numpy(dtype=object) for key in partition})
    left = frame.drop(columns=[key for key in partition if key == "symbol"])
    for values, rows in keys.groupby(list(partition), sort=False).indices.items():
        each = values if isinstance(values, tuple) else (values,)
        yield dict(zip(partition, map(str, each), strict=True)), left.take(np.asarray(rows))


def restore_symbol(frame: pd.DataFrame, values: Mapping[str, str]) -> pd.DataFrame:
    """Return the rows of a partition with the column `symbol`, which its folder's name has."""
    if "symbol" in values and "symbol" not in frame:
        word = pd.CategoricalDtype(pd.Index([values["symbol"]], dtype="str"))
        codes = np.zeros(len(frame), dtype=np.int8)
        symbols = pd.Series(pd.Categorical.from_codes(codes, dtype=word), index=frame.index)
        frame.insert(min(2, frame.shape[1]), "symbol", symbols)
    return frame


def in_order_of_arrival(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of several partitions in the order in which they were recorded.

    Epochs are in order of their first `received`, and the ticks of an epoch in order of seq.
    """
    firsts = frame.groupby("epoch", observed=True)["received"].min().sort_values()
    ranks = {epoch: rank for rank, epoch in enumerate(firsts.index)}
    epochs = frame["epoch"].map(ranks).to_numpy(dtype=np.int64)
    order = np.lexsort((frame["seq"].to_numpy(), epochs))
    return frame.take(order).reset_index(drop=True)


def group_partitions(folder: Path, found: Iterable[Path], recorded: re.Pattern[str]) -> list[Path]:
    """Return recordings in partitions of a folder; files of the same name are one of them.

    Args:
        folder: the folder.
        found: the recordings in `RECORDING` and in partitions.
        recorded: what the names of a recorder's files match.
    """
    paths = list(found)
    counts = Counter(path.name for path in paths if recorded.fullmatch(path.name))
    whole = folder / RECORDING
    return list(
        dict.fromkeys(whole / path.name if counts[path.name] > 1 else path for path in paths)
    )
