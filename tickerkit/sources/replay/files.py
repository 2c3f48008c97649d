"""Files: recordings that a replay reads piece by piece, some of them again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tickerkit.storage.scan import Piece, Scan

__all__ = ["OpenFile"]

# A piece so far ahead of the newest one is read by reading on, not by beginning there.
MAX_SKIPPED = 3


class OpenFile:
    """Reads a recording from its beginning, and meanwhile pieces of it again.

    Args:
        path: the recording.

    Attributes:
        scan: reads the recording.

    Raises:
        RecordingError: it can't be read. All methods raise it.
    """

    def __init__(self, path: Path) -> None:
        self.scan = Scan(path)
        # How many pieces were read: only there reading may begin again.
        self._reach = 0
        # Reads again: the number of its next piece, and its pieces.
        self._again: tuple[int, Iterator[Piece]] | None = None

    def pieces(self) -> Iterator[Piece]:
        """Yield all pieces."""
        return self._note(self.scan.pieces())

    def read_again(self, number: int) -> Piece | None:
        """Return the piece of a number; None if the file has become too short for it."""
        if self._again is None or not 0 <= number - self._again[0] < MAX_SKIPPED:
            first = max(min(number, self._reach - 1), 0)
            self._again = first, self._note(self.scan.pieces(first))
        pieces = self._again[1]
        piece = next((piece for piece in pieces if piece.number == number), None)
        self._again = number + 1, pieces
        return piece

    def _note(self, pieces: Iterator[Piece]) -> Iterator[Piece]:
        for piece in pieces:
            self._reach = max(self._reach, piece.number + 1)
            yield piece
