"""ForeignReader: reads a plain websocket whose messages are not ticks as tickerkit names them."""

from __future__ import annotations

from typing import Any

from tickerkit.fieldmaps.fields import parse_fields
from tickerkit.fieldmaps.guess import NO_SYMBOL, guess_fields
from tickerkit.fieldmaps.machine import Machine
from tickerkit.fieldmaps.reader import NotJson, decode
from tickerkit.ticks import Batch, read_ticks

__all__ = ["ForeignReader"]

# Messages without a symbol by that name after which a websocket is taken for one of ticks.
MAX_UNDECIDED = 20
MAX_MESSAGE_BYTES = 2**18
# Messages from which a map without prices may be guessed: the first may be a greeting.
MIN_MESSAGES = 2


class ForeignReader:
    """Decides from the first messages whether a field map is needed, and reads by it.

    A message with the field `symbol` has ticks as tickerkit names them; then none is needed. In
    others a map is guessed. It is used from then on if it names a symbol, and trades or quotes; one
    without prices is used from the second message on.

    Attributes:
        machine: reads by the guessed map; None if none is needed.
    """

    def __init__(self) -> None:
        self.machine: Machine | None = None
        self._seen: list[str | bytes] = []
        self._is_decided = False

    def start_connection(self) -> None:
        """Begin a connection; the map stays."""
        if self.machine is not None:
            self.machine.start_connection(0.0)

    def read(self, data: str | bytes) -> list[Batch] | None:
        """Return the ticks of a message; None if it has ticks as tickerkit names them."""
        if self.machine is not None:
            if (batches := self._read([data])) or not _has_symbol(decode(data)):
                return batches
            # The map came from a message that was damaged, or of another kind.
            self.machine, self._is_decided = None, True
        if self._is_decided or len(data) > MAX_MESSAGE_BYTES:
            return None
        message = decode(data)
        if isinstance(message, NotJson):
            return None
        self._seen.append(data)
        has_symbol = _has_symbol(message)
        self._is_decided = has_symbol or len(self._seen) >= MAX_UNDECIDED
        fields = None if has_symbol else guess_fields(self._seen)
        tables: list[Any] = fields if isinstance(fields, list) else [fields] if fields else []
        is_market = any("price" in table or "bid" in table for table in tables)
        has_name = any(table["symbol"] != NO_SYMBOL for table in tables)
        if not has_name or not (is_market or len(self._seen) >= MIN_MESSAGES):
            return None
        self.machine = Machine(parse_fields(fields), is_guess=True)
        seen, self._seen = self._seen, []
        # What the reader of ticks has refused so far is read now.
        return self._read(seen)

    def _read(self, messages: list[str | bytes]) -> list[Batch]:
        assert self.machine is not None
        received = self.machine.receive(messages)
        if received.refused:
            batch = read_ticks([])
            batch.refused, batch.errors = received.refused, list(received.errors)
            received.batches.append(batch)
        return received.batches


def _has_symbol(message: Any) -> bool:
    """Return whether a decoded message has ticks as tickerkit names them."""
    first = message[0] if isinstance(message, list) and message else message
    return isinstance(first, dict) and "symbol" in first
