"""Guesser: holds the first messages of a websocket, guesses its field map, and extends it later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tickerkit.errors import FieldMapError
from tickerkit.fieldmaps.fields import TABLES, FieldMap, parse_fields
from tickerkit.fieldmaps.guess.guess import guess_fields
from tickerkit.fieldmaps.reader import FieldReader

__all__ = ["FieldGuesser"]

# A feed sends all its kinds of messages within a moment, a sensor perhaps one in a minute.
WAIT_S = 1.0
MAX_WAIT_S = 10.0
ENOUGH = 200
# Messages without a map that are held. When there are more, the oldest are given up.
MAX_HELD = 2000
MAX_HELD_BYTES = 8 * 2**20
# Messages of kinds that the map does not name, kept for the next guess.
MAX_STRANGE = 100
MAX_STRANGE_BYTES = 2**20
# After how many messages of one shape, or of the feed, another guess may tell more.
AGAIN = (1, 4, 16)
GROWING = (2, 5, 10, 30, 100)
MAX_GUESSES = 60
# What tells that two tables read the same rows.
CORE = ("price", "size", "bid", "ask")


class FieldGuesser:
    """Guesses a field map from messages as they come.

    Until a map is found, all messages are held. A map found stays as it is; tables for further
    kinds of messages, and columns for further fields, are added to it.

    Attributes:
        held: messages that no map has read yet.
    """

    def __init__(self) -> None:
        self.held: list[str | bytes] = []
        self._sample: list[str | bytes] = []
        self._strange: list[str | bytes] = []
        self._strange_bytes = 0
        self._held_bytes = 0
        self._count = 0
        self._wait_s = WAIT_S
        self._enough = ENOUGH
        self._guess_at: float | None = None
        self._left = MAX_GUESSES

    def due(self) -> float | None:
        """Return when `guess` should be called though no message came; None for never."""
        return self._guess_at if self.held else None

    def hold(self, messages: Sequence[str | bytes], now: float) -> None:
        """Hold messages; give up the oldest if there are too many."""
        if messages and self._guess_at is None:
            self._guess_at = now + self._wait_s
        self.held += messages
        self._held_bytes += sum(map(len, messages))
        stop = 0
        while len(self.held) - stop > MAX_HELD or self._held_bytes > MAX_HELD_BYTES:
            self._held_bytes -= len(self.held[stop])
            stop += 1
        self.held = self.held[stop:]

    def guess(self, now: float) -> FieldMap | None:
        """Return a map for the messages held; None if no map fits, or too few have come."""
        early = self._guess_at is None or now < self._guess_at
        if not self.held or (early and len(self.held) < self._enough):
            return None
        found = guess_fields(self.held[-ENOUGH:])
        if found is None:
            self._wait_s = min(2 * self._wait_s, MAX_WAIT_S)
            self._enough = 2 * len(self.held) if len(self.held) < MAX_HELD // 2 else MAX_HELD
            self._guess_at = now + self._wait_s
            return None
        self._sample = self.held[-ENOUGH:]
        self._count = len(self.held)
        return parse_fields(found)

    def count(self, messages: Sequence[str | bytes]) -> bool:
        """Note messages that the map has read; return whether another guess may tell more."""
        before = self._count
        self._count += len(messages)
        if before < GROWING[-1]:
            self._sample += messages[: ENOUGH - len(self._sample)]
        return any(before < each <= self._count for each in GROWING)

    def note(self, message: bytes, seen: int) -> bool:
        """Note a message that the map does not name; return whether another guess may tell more.

        Args:
            message: the message.
            seen: how many of its shape have come.
        """
        if seen > AGAIN[-1] or len(message) > MAX_STRANGE_BYTES:
            return False
        self._strange.append(message)
        self._strange_bytes += len(message)
        while len(self._strange) > MAX_STRANGE or self._strange_bytes > MAX_STRANGE_BYTES:
            self._strange_bytes -= len(self._strange.pop(0))
        return seen in AGAIN

    def extend(self, fields: FieldMap) -> tuple[FieldMap, list[str | bytes]] | None:
        """Guess again; return a longer map, and noted messages that it may name; else None."""
        if self._left <= 0:
            return None
        self._left -= 1
        found = guess_fields([*self._sample, *self._strange])
        if found is None:
            return None
        try:
            longer = parse_fields(_join_maps(fields.given, found))
        except FieldMapError:
            return None
        if longer.given == fields.given:
            return None
        before, after = FieldReader(fields, typed=False), FieldReader(longer, typed=False)
        for message in self._sample:
            # A row that two tables read would come twice.
            if (rows := _count_rows(before, message)) and rows != _count_rows(after, message):
                return None
        strange, self._strange, self._strange_bytes = self._strange, [], 0
        return longer, strange


def _join_maps(old: Any, new: Any) -> dict[str, Any] | list[dict[str, Any]]:
    """Return a map with the tables of both; where both read the same rows, the old columns stay."""
    tables: list[dict[str, Any]] = [dict(table) for table in _tables(old)]
    for table in _tables(new):
        for number, known in enumerate(tables):
            if _is_same(known, table):
                more = {key: entry for key, entry in table.items() if key not in known}
                # The newer guess has seen more kinds of messages, which conditions tell apart.
                more |= {key: table[key] for key in TABLES[1:] if key in table}
                tables[number] = {**known, **more}
                break
        else:
            if _is_market(table) or not any(_is_market(each) for each in tables):
                tables.append(dict(table))
    return tables[0] if len(tables) == 1 else tables


def _count_rows(reader: FieldReader, message: str | bytes) -> int:
    return sum(batch.count for batch in reader.read([message]).batches)


def _tables(fields: Any) -> Sequence[Mapping[str, Any]]:
    return [fields] if isinstance(fields, Mapping) else fields


def _is_market(table: Mapping[str, Any]) -> bool:
    return "price" in table or "bid" in table


def _is_same(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Return whether two tables read the same rows."""
    if a.get("rows") != b.get("rows") or a["symbol"] != b["symbol"]:
        return False
    if _is_market(a) != _is_market(b):
        return False
    return not _is_market(a) or all(a.get(each) == b.get(each) for each in CORE)
