"""What a student's function prints while it is checked: kept for the card, up to a bound."""

from __future__ import annotations

import io
import sys
import threading
from types import TracebackType
from typing import Any

__all__ = ["Captured"]

MAX_CHARACTERS = 1000


class Captured(io.TextIOBase):
    """Takes what some threads print, inside a `with` block; what others print goes where it went.

    Attributes:
        text: the first 1,000 characters.
        is_cut: whether there was more.
    """

    def __init__(self) -> None:
        self.text = ""
        self.is_cut = False
        self._idents: set[int] = set()
        self._original: Any = None

    def adopt_thread(self) -> None:
        """Take what the calling thread prints, too."""
        self._idents.add(threading.get_ident())

    def write(self, text: str) -> int:
        if threading.get_ident() not in self._idents:
            return int(self._original.write(text))
        free = MAX_CHARACTERS - len(self.text)
        self.text += text[:free]
        self.is_cut = self.is_cut or len(text) > free
        return len(text)

    def flush(self) -> None:
        if self._original is not None and threading.get_ident() not in self._idents:
            self._original.flush()

    def writable(self) -> bool:
        return True

    def close(self) -> None:
        """Do nothing. Python calls this of garbage, and would flush a stream that may be closed."""

    def __enter__(self) -> Captured:
        self._original, sys.stdout = sys.stdout, self
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if sys.stdout is self:
            sys.stdout = self._original
