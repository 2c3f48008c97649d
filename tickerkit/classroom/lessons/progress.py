"""Progress: which exercises are done, kept in a file of the user's home."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from tickerkit.storage.files import replacing

__all__ = ["Guess", "Progress", "Work"]

VARIABLE = "TICKERKIT_LESSONS"
DEFAULT = "~/.tickerkit/lessons.json"
MAX_FILE_BYTES = 2**20


@dataclass
class Work:
    """What was done on one exercise.

    Attributes:
        tries: how often an answer was checked before one passed.
        passed: whether an answer has passed.
        hints: how many hints were shown.
    """

    tries: int = 0
    passed: bool = False
    hints: int = 0


@dataclass
class Guess:
    """What was guessed before a cell was run.

    Attributes:
        value: the guess as text; empty before there is one.
        late: whether it was made after the truth was shown, or after a check.
        shown: whether the truth was shown.
    """

    value: str = ""
    late: bool = False
    shown: bool = False


T = TypeVar("T", Work, Guess)


class Progress:
    """The file `~/.tickerkit/lessons.json`, or the one that TICKERKIT_LESSONS names.

    Each change reads the file and replaces it, so several notebooks may use it. A damaged file
    is set aside as `lessons.damaged.json`, damaged entries count as missing. Where the file can't
    be written, progress is kept in memory.

    Attributes:
        path: the file.
        problem: why the file can't be written; empty if it can.
    """

    def __init__(self) -> None:
        self.path = Path(os.environ.get(VARIABLE) or DEFAULT).expanduser()
        self.problem = ""
        self._data: dict[str, Any] = {}

    @property
    def where(self) -> str:
        """Where progress is kept, as a sentence."""
        if self.problem:
            return f"Progress is lost when this kernel ends: {self.problem} ({self.path})."
        return f"Progress is kept in {self.path}."

    def work(self, key: str) -> Work:
        """Return what was done on an exercise."""
        return self._get("exercises", key, Work)

    def guess(self, key: str) -> Guess:
        """Return what was guessed."""
        return self._get("guesses", key, Guess)

    def change_work(self, key: str, change: Callable[[Work], None]) -> Work:
        """Change what was done on an exercise, and return it."""
        return self._change("exercises", key, Work, change)

    def change_guess(self, key: str, change: Callable[[Guess], None]) -> Guess:
        """Change what was guessed, and return it."""
        return self._change("guesses", key, Guess, change)

    def _get(self, part: str, key: str, kind: type[T]) -> T:
        return _parse(self._read(), part, key, kind)

    def _change(self, part: str, key: str, kind: type[T], change: Callable[[T], None]) -> T:
        data = self._read()
        entry = _parse(data, part, key, kind)
        change(entry)
        entries = data.get(part)
        data[part] = {**(entries if isinstance(entries, dict) else {}), key: asdict(entry)}
        self._data = data
        try:
            with replacing(self.path) as file:
                file.write(json.dumps(data, indent=1).encode())
            self.problem = ""
        except OSError as error:
            self.problem = error.strerror or type(error).__name__
        return entry

    def _read(self) -> dict[str, Any]:
        if self.problem:  # the memory is newer than the file
            return self._data
        try:
            with self.path.open("rb") as file:
                content = file.read(MAX_FILE_BYTES)
        except FileNotFoundError:
            return {}
        except OSError:
            return self._data
        try:
            data = json.loads(content)
            if not isinstance(data, dict):
                raise ValueError("a dict is expected")
        except (ValueError, RecursionError):
            with contextlib.suppress(OSError):
                self.path.replace(self.path.with_suffix(f".damaged{self.path.suffix}"))
            return self._data
        self._data = data
        return data


def _parse(data: dict[str, Any], part: str, key: str, kind: type[T]) -> T:
    """Return an entry; what is missing or of another type has its default."""
    entry, entries = kind(), data.get(part)
    stored = entries.get(key) if isinstance(entries, dict) else None
    if isinstance(stored, dict):
        for each in fields(entry):
            value = stored.get(each.name)
            if type(value) is type(each.default) and (not isinstance(value, int) or value >= 0):
                setattr(entry, each.name, value)
    return entry
