"""Words: the dictionaries of a server's text columns, as a client receives them."""

from __future__ import annotations

from collections.abc import Sequence

from tickerkit.errors import ProtocolError
from tickerkit.limits import MAX_COLUMNS, MAX_SYMBOLS, MAX_WORDS

__all__ = ["ReceivedWords"]

MAX_CHARACTERS = 2**27


class ReceivedWords:
    """The words of each text column that a server has sent in this epoch.

    They are bounded, since the server may be hostile: there are at most as many symbols, words of
    a column and columns as a log has.

    Attributes:
        columns: the words of each column, each list in the order of its codes.
    """

    def __init__(self) -> None:
        self.columns: dict[str, list[str]] = {}
        self._characters = 0

    def extend(self, name: str, start: int, words: Sequence[str]) -> list[str]:
        """Add the words of a column from code `start` on; return all words of the column.

        Words that are known already stay: a message may have been encoded before they were sent.

        Raises:
            ProtocolError: words are left out before `start`, or there are too many.
        """
        known = self.columns.get(name)
        if known is None:
            if len(self.columns) > MAX_COLUMNS:  # the symbols are one more
                raise ProtocolError(1007, f"more than {MAX_COLUMNS} columns of text were sent")
            known = self.columns[name] = []
        if start > len(known):
            problem = f"a ticks message adds words from {start} on, after only {len(known)}"
            raise ProtocolError(1007, problem)
        new = words[len(known) - start :] if start < len(known) else words
        if new:
            bound = MAX_SYMBOLS if name == "symbol" else MAX_WORDS
            if len(known) + len(new) > bound:
                raise ProtocolError(1007, f"a column of text has more than {bound:,} words")
            self._characters += sum(map(len, new))
            if self._characters > MAX_CHARACTERS:
                raise ProtocolError(1007, f"the words have more than {MAX_CHARACTERS:,} characters")
            # Appended: a copy of 65,536 words with each message would take most of the time.
            known.extend(new)
        return known

    def forget(self, name: str) -> None:
        """Forget the words of a column that gave up its dictionary: it is sent without codes."""
        self._characters -= sum(map(len, self.columns.pop(name, ())))
