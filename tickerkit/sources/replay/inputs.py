"""Inputs: what a replay is given to play: recordings, folders of them, or a frame."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from tickerkit.errors import InvalidArgument, SourceError
from tickerkit.ticks.fields import may_have_value, select_units, symbol_field
from tickerkit.validation import check_path

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Recordings", "check_recordings", "find_recordings", "find_units"]

Recordings: TypeAlias = "str | PathLike[str] | Iterable[str | PathLike[str]] | pd.DataFrame"


def check_recordings(what: Recordings) -> list[Path] | pd.DataFrame:
    """Return the paths of the recordings, or a snapshot of the frame.

    Raises:
        SourceError: a file doesn't exist, a folder has no recording, or a frame has no ticks.
    """
    import pandas as pd

    if isinstance(what, pd.DataFrame):
        return _check_frame(what)
    if isinstance(what, str | PathLike):
        return [_check_path(what)]
    paths = list(what) if isinstance(what, Iterable) and not isinstance(what, bytes) else []
    if not paths or not all(isinstance(path, str | PathLike) for path in paths):
        problem = "replay takes the path of a recording, a list of paths, or a DataFrame of ticks"
        raise SourceError(what, problem)
    return [_check_path(path) for path in paths]


def find_recordings(path: Path) -> list[Path]:
    """Return the recordings in a folder and its partitions; for a file, only the file."""
    if not path.is_dir():
        return [path]
    from tickerkit.storage.paths import recordings_in

    return recordings_in(path)


def find_units(what: list[Path] | pd.DataFrame) -> dict[str, str]:
    """Return the units of the columns of recordings, without reading their rows.

    Of a folder, the newest file has them all.
    """
    if not isinstance(what, list):
        given = what.attrs.get("units")
        return select_units(given) if isinstance(given, Mapping) else {}
    from tickerkit.storage.recording import read_units

    files = [file for path in what for file in find_recordings(path)[-1:]]
    return {name: unit for file in files for name, unit in read_units(file).items()}


def _check_path(given: str | PathLike[str]) -> Path:
    from tickerkit.storage.paths import working_path

    try:
        check_path("what", given)
    except InvalidArgument as error:
        raise SourceError(given, f"expected {error.expected}", "what") from None
    path = Path(given).expanduser()
    if not path.exists() and not working_path(path).exists():
        raise SourceError(str(given), f"there is no file at {path.absolute()}")
    if not find_recordings(path):
        raise SourceError(str(given), f"{path.absolute()} is a folder without a recording in it")
    return path


def _check_frame(frame: pd.DataFrame) -> pd.DataFrame:
    names = {str(name) for name in frame.columns}
    if symbol_field(names) is None:
        problem = "the frame has only these columns, and no column symbol"
        raise SourceError(sorted(names), problem, fix="add one with the symbol of each tick")
    if not may_have_value(names):
        problem = "the frame has only these columns, and none of a price or another number"
        raise SourceError(sorted(names), problem, fix="add one")
    # A copy-on-write copy: later changes of the user's frame don't change the replay.
    return frame.copy(deep=False)
