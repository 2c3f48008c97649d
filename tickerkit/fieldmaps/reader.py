"""FieldReader: reads messages as ticks by a field map, and keeps what later messages need.

There are two ways to read a message. The typed way (`compiled.py`) decodes the fields of the map
and nothing else, in C: about 1 µs per trade. The general way decodes the whole message and reads
it row by row: 10 µs per trade. It names the field and the value of an invalid row and takes the
other rows. A message that the typed way can't read is read the general way.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count, pairwise
from typing import Any, NamedTuple

import msgspec
import numpy as np
from msgspec import UNSET

from tickerkit.errors import BadTick
from tickerkit.fieldmaps.compiled import UNREADABLE, CompiledMap, compile_map
from tickerkit.fieldmaps.fields import FIRST_FRAME, MESSAGE, FieldMap, Reading, Remember
from tickerkit.fieldmaps.paths import Path
from tickerkit.limits import MAX_SYMBOLS
from tickerkit.ticks import Batch
from tickerkit.ticks.builder import BatchBuilder
from tickerkit.ticks.fields import MisfitError

__all__ = ["FieldReader", "NotJson", "Taken", "decode"]


class NotJson(NamedTuple):
    """A message that is not JSON.

    Attributes:
        text: the message.
        problem: why it is not JSON.
    """

    text: str | bytes
    problem: str


class Taken(NamedTuple):
    """What was read from some messages.

    Attributes:
        batches: the ticks, in the order of the messages.
        others: the messages in which the map names no row, decoded, or as `NotJson`.
    """

    batches: list[Batch]
    others: list[Any]


class _Run(NamedTuple):
    """Messages that follow one another, read the typed way.

    Attributes:
        first: the number of the first.
        decoded: the messages.
        skipped: the numbers of messages between them that have no rows.
    """

    first: int
    decoded: list[Any]
    skipped: list[int]


class FieldReader:
    """Reads messages by a field map.

    Args:
        fields: the map.
        typed: whether to read the typed way where possible; the ticks are the same.
    """

    def __init__(self, fields: FieldMap, *, typed: bool = True) -> None:
        self.fields = fields
        self._compiled: CompiledMap | None = compile_map(fields) if typed else None
        # The newest row of each symbol, for each reading that merges.
        self._newest: list[dict[str, dict[str, Any]]] = [{} for _ in fields.readings]
        # For each reading that marks the first message of a symbol as old: the symbols seen so far.
        self._seen: list[set[str]] = [set() for _ in fields.readings]
        # What earlier messages said, for each reading that remembers.
        self._remembered: list[dict[Any, Any]] = [{} for _ in fields.readings]

    def __reduce__(self) -> tuple[Any, ...]:
        # msgspec's decoders can't be pickled; what a connection said has no meaning elsewhere.
        return _make_reader, (self.fields, self._compiled is not None)

    def extend(self, fields: FieldMap) -> None:
        """Read by a map whose first tables are those of the map before; keep what is known."""
        more = len(fields.readings) - len(self.fields.readings)
        self.fields = fields
        self._compiled = compile_map(fields) if self._compiled is not None else None
        self._newest += [{} for _ in range(more)]
        self._seen += [set() for _ in range(more)]
        self._remembered += [{} for _ in range(more)]

    @property
    def known(self) -> tuple[list[Any], list[Any], list[Any]]:
        """What earlier messages of the connection said; `restore` takes it."""
        return self._newest, self._seen, self._remembered

    def restore(self, known: tuple[list[Any], list[Any], list[Any]]) -> None:
        """Continue with what another reader of the same map knew."""
        self._newest, self._seen, self._remembered = known

    def start_connection(self) -> None:
        """Forget what belongs to a connection: rows to merge, remembered values, symbols seen."""
        for remembered in self._remembered:
            remembered.clear()
        for newest in self._newest:
            newest.clear()
        for seen in self._seen:
            seen.clear()

    def read(self, messages: Sequence[str | bytes]) -> Taken:
        """Read messages in the order in which they came; never raises for bad input."""
        taken = Taken([], [])
        if self._compiled is None:
            self._read_generally(messages, taken)
            return taken
        compiled, iterator = self._compiled, iter(messages)
        run = _Run(0, [], [])
        while True:
            try:
                compiled.decode(iterator, run.decoded)
                break
            except UNREADABLE:
                stop = run.first + len(run.decoded) + len(run.skipped)
                message = decode(messages[stop])
                # Messages of other kinds lie among the rows. One without rows ends no batch.
                if isinstance(message, NotJson) or not self._has_rows(message):
                    taken.others.append(message)
                    run.skipped.append(stop)
                    continue
                self._read_typed(compiled, messages, run, taken)
                self._read_generally(messages[stop : stop + 1], taken)
                run = _Run(stop + 1, [], [])
        self._read_typed(compiled, messages, run, taken)
        return taken

    def _read_typed(
        self, compiled: CompiledMap, messages: Sequence[str | bytes], run: _Run, taken: Taken
    ) -> None:
        """Read the messages of a run: the typed way, or the general way if a value is invalid."""
        if not run.decoded:
            return
        batch, unknown = compiled.read(run.decoded) or (None, None)
        if unknown or unknown is None:
            stop = run.first + len(run.decoded) + len(run.skipped)
            numbers = sorted(set(range(run.first, stop)) - set(run.skipped))
            if unknown is None:
                self._read_generally([messages[number] for number in numbers], taken)
            else:
                taken.others.extend(decode(messages[numbers[place]]) for place in unknown)
        if batch is not None:
            taken.batches.append(batch)

    def _has_rows(self, message: Any) -> bool:
        """Return whether the map names a row in a message, or an empty list of rows."""
        for reading in self.fields.readings:
            chains = _walk(reading, message)
            if chains is None:
                continue
            if not chains and _is_message(reading, message):
                return True
            if any(_is_row(reading, chain, {}) for chain in chains):
                return True
        return False

    def _read_generally(self, messages: Iterable[str | bytes], taken: Taken) -> None:
        builder = BatchBuilder()
        for number, data in enumerate(messages):
            message = decode(data)
            if isinstance(message, NotJson) or not self._add(message, number, builder):
                taken.others.append(message)
        if builder.count or builder.refused or builder.misfits or builder.books:
            taken.batches.append(builder.batch())

    def _add(self, message: Any, place: int, builder: BatchBuilder) -> bool:
        """Add the rows of a message; return whether the map names any row in it.

        Args:
            message: the message.
            place: its number among those that are read together.
            builder: takes the rows.
        """
        known = False
        for number, reading in enumerate(self.fields.readings):
            remembered = self._remembered[number]
            if reading.remember is not None:
                _remember(reading.remember, message, remembered)
            chains = _walk(reading, message)
            if chains is None:
                continue
            if not chains and _is_message(reading, message):
                known = True
            rows: list[dict[str, Any]] = []
            symbols: set[str] = set()
            for chain in chains:
                if not _is_row(reading, chain, remembered):
                    continue
                known = True
                try:
                    row = _read_row(reading, chain, remembered, builder)
                    if reading.is_numbered:
                        row[MESSAGE] = float(place)
                    self._complete(number, reading, chain, row, symbols)
                    rows.append(row)
                except BadTick as error:
                    builder.refuse(error)
            self._seen[number] |= symbols
            for row in _in_order(rows, ids_rise=reading.ids_rise):
                try:
                    builder.add(row)
                except BadTick as error:
                    builder.refuse(error)
        return known

    def _complete(
        self,
        number: int,
        reading: Reading,
        chain: tuple[Any, ...],
        row: dict[str, Any],
        symbols: set[str],
    ) -> None:
        """Add to a row what is known of earlier messages."""
        symbol = row["symbol"]
        is_old = False
        if reading.old == FIRST_FRAME:
            is_old = isinstance(symbol, str) and symbol not in self._seen[number]
            if is_old and len(self._seen[number]) < MAX_SYMBOLS:
                symbols.add(symbol)
        elif reading.old:
            is_old = all(each.holds(_find(each.path, chain)) for each in reading.old)  # type: ignore[union-attr]
        if reading.merge and isinstance(symbol, str):
            newest = self._newest[number]
            known = {} if is_old else newest.get(symbol, {})
            for column, value in known.items():
                if row.get(column) is None:
                    row[column] = value
            if symbol in newest or len(newest) < MAX_SYMBOLS:
                newest[symbol] = dict(row)
        if reading.old:
            row["origin"] = "snapshot" if is_old else "live"


def decode(data: str | bytes) -> Any:
    """Return decoded JSON, or `NotJson`."""
    try:
        return msgspec.json.decode(data)
    except RecursionError:
        return NotJson(data, "is nested too deep")
    except (msgspec.MsgspecError, UnicodeError) as error:
        return NotJson(data, f"is not JSON ({error})")


def _walk(reading: Reading, message: Any) -> list[tuple[Any, ...]] | None:
    """Return the rows of a message as `Path.walk` does; without `rows`, the message is the row."""
    return [(message,)] if reading.rows is None else reading.rows.walk(message)


def _find(path: Path, chain: tuple[Any, ...]) -> Any:
    return path.get(chain[0] if path.from_message else chain[-1 - path.up])


def _is_message(reading: Reading, message: Any) -> bool:
    """Return whether what must hold for the message, apart from its rows, holds."""
    return all(
        each.holds(each.path.get(message)) for each in reading.when if each.path.from_message
    )


def _remember(remember: Remember, message: Any, remembered: dict[Any, Any]) -> None:
    """Keep what a message says that later rows need."""
    if all(each.holds(each.path.get(message)) for each in remember.when):
        key, value = remember.key.get(message), remember.value.get(message)
        if value is UNSET:
            remembered.pop(key if isinstance(key, str | int) else None, None)
        elif isinstance(key, str | int) and (key in remembered or len(remembered) < MAX_SYMBOLS):
            remembered[key] = value


def _recall(key: Any, remembered: dict[Any, Any]) -> Any:
    """Return what a key stands for; `UNSET` if no message has said it."""
    return remembered.get(key, UNSET) if isinstance(key, str | int) else UNSET


def _is_row(reading: Reading, chain: tuple[Any, ...], remembered: dict[Any, Any]) -> bool:
    """Return whether the map names a row.

    A map without `when` names each row that has a symbol and another value. A row that refers to
    what no message has said is not named.
    """
    if reading.remember is not None and any(
        _recall(_find(value.path, chain), remembered) is UNSET
        for value in reading.values
        if value.is_remembered and value.path is not None
    ):
        return False
    if reading.when:
        return all(each.holds(_find(each.path, chain)) for each in reading.when)
    has_value = False
    for value in reading.values:
        if value.path is None:
            continue
        if _find(value.path, chain) is not UNSET:
            has_value = has_value or value.column not in ("symbol", "time")
        elif value.column == "symbol":
            return False
    return has_value


def _read_row(
    reading: Reading,
    chain: tuple[Any, ...],
    remembered: dict[Any, Any],
    builder: BatchBuilder,
) -> dict[str, Any]:
    """Return a row as `BatchBuilder` takes it; raises `BadTick` for an invalid one."""
    # Without this key, `BatchBuilder` takes a column such as `p` or `last` for the price.
    row: dict[str, Any] = {"price": None}
    for value in reading.values:
        if value.path is None:
            row[value.column] = value.fixed
            continue
        given = _find(value.path, chain)
        if value.is_remembered:
            given = _recall(given, remembered)
        try:
            row[value.column] = value.convert(given)
        except MisfitError:
            builder.misfits[value.column] = builder.misfits.get(value.column, 0) + 1
    return row


def _in_order(rows: list[dict[str, Any]], *, ids_rise: bool) -> list[dict[str, Any]]:
    """Return the rows of a message, the oldest first if they came newest first.

    Several venues send past trades newest first, Coinbase Advanced its live ones, too.
    """
    if len(rows) < 2:
        return rows
    keys = [key for row in rows if (key := _order_of(row, ids_rise=ids_rise)) is not None]
    pairs = list(pairwise(keys))
    if len(keys) < len(rows) or not any(a > b for a, b in pairs):
        return rows
    if all(a >= b for a, b in pairs):
        return rows[::-1]
    if any(row.get("origin") == "snapshot" for row in rows):
        return [row for _, _, row in sorted(zip(keys, count(), rows, strict=False))]
    return rows


def _order_of(row: dict[str, Any], *, ids_rise: bool) -> tuple[int, int] | None:
    time, trade_id = row.get("time"), row.get("trade_id") if ids_rise else None
    if not isinstance(time, np.datetime64):
        return None
    return int(time.astype(np.int64)), trade_id if isinstance(trade_id, int) else 0


def _make_reader(fields: FieldMap, typed: bool) -> FieldReader:
    return FieldReader(fields, typed=typed)
