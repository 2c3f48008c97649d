"""Finished files: those that a recorder no longer writes to, of its own run and of earlier ones.

They are completed after a crash, written as Parquet if the recording is, counted for `max_disk`,
and removed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from tickerkit.storage.earlier_files import finish
from tickerkit.storage.paths import files_of

__all__ = ["FinishedFiles"]


class FinishedFiles:
    """The files of a recording but for the open one.

    Args:
        earlier: the files of earlier runs that `max_disk` counts, oldest name first.
        unfinished: those that a crash has left unfinished.
        on_error: called when a file can't be finished.
        partition: the keys by which Parquet files are laid out.

    Attributes:
        removed: how many files were removed.
        converting: whether a file is being finished.
        own_bytes: the size of the files of this run, with their sidecars and raw frames.
    """

    def __init__(
        self,
        earlier: Iterable[Path],
        unfinished: Iterable[Path],
        on_error: Callable[[Exception], object],
        partition: Sequence[str] = (),
    ) -> None:
        self.removed = self.own_bytes = 0
        self.converting = False
        self._on_error, self._partition = on_error, partition
        self._unfinished = list(unfinished)
        # The size of each file, the oldest first.
        self._earlier = {path: _size_of(path) for path in earlier}
        self._own: dict[Path, int] = {}
        self._has_tried = not self._unfinished

    @property
    def total_bytes(self) -> int:
        """The size of all files that `max_disk` counts."""
        return self.own_bytes + sum(self._earlier.values())

    def add(self, path: Path, *, is_whole: bool) -> None:
        """Add a file of this run; one that is not whole yet is finished, and so are others left."""
        if not is_whole:
            self._unfinished.append(path)
        self._set_size(self._own, path)
        if not is_whole:
            self.finish()

    def finish(self) -> None:
        """Finish what can be finished. A file that can't be written is tried again with the next.

        A damaged file stays as it is.
        """
        self._has_tried = self.converting = True
        try:
            for path in list(self._unfinished):
                try:
                    finish(path, self._partition)
                except Exception as error:
                    self._on_error(error)
                    if isinstance(error, OSError):
                        continue
                self._unfinished.remove(path)
                for sizes in (self._earlier, self._own):
                    if path in sizes:
                        self._set_size(sizes, path)
        finally:
            self.converting = False

    def finish_earlier(self) -> None:
        """Finish the files of earlier runs, unless that was tried already."""
        if not self._has_tried:
            self.finish()

    def remove_oldest(self) -> bool:
        """Remove the oldest file; return False if there is none."""
        files = self._earlier or self._own
        if not files:
            return False
        path = next(iter(files))
        for each in files_of(path):
            each.unlink(missing_ok=True)
        del files[path]
        self.own_bytes = sum(self._own.values())
        self._unfinished = [each for each in self._unfinished if each != path]
        self.removed += 1
        return True

    def _set_size(self, sizes: dict[Path, int], path: Path) -> None:
        sizes[path] = _size_of(path)
        self.own_bytes = sum(self._own.values())


def _size_of(path: Path) -> int:
    """Return the size of a file in bytes, with its sidecar and raw frames."""
    return sum(each.stat().st_size for each in files_of(path))
