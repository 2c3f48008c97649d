"""Files that are there whole, or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Literal, TypeAlias

from tickerkit.errors import InvalidArgument, RecordingExists
from tickerkit.formatting import format_choices

__all__ = ["MODES", "Mode", "prepare_path", "replacing"]

Mode: TypeAlias = Literal["new", "append", "overwrite"]
MODES = ("new", "append", "overwrite")


def prepare_path(path: str | os.PathLike[str], mode: Mode) -> Path:
    """Return the path of a file that is to be written, whose folder is there.

    Raises:
        RecordingExists: there is a file, and mode is "new".
        InvalidArgument: there is no such mode.
    """
    if mode not in MODES:
        raise InvalidArgument("mode", mode, format_choices(MODES))
    place = Path(path).expanduser()
    if mode == "new" and place.exists():
        raise RecordingExists(place)
    place.parent.mkdir(parents=True, exist_ok=True)
    return place


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file that takes the place of `path` when the block is left without an error.

    Until then it has another name in the same folder, which is made where it is missing; on an
    error it is removed, and what stood at `path` stays as it was.
    """
    # Through a symbolic link: it is the file behind it that is replaced.
    target = Path(os.path.realpath(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    # Not tempfile: its files can be read by nobody else.
    beside = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}.tmp")
    try:
        with beside.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, beside)
        beside.replace(target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
