"""Link: one connection to a venue: what to send on it, and what its answers confirm or refuse."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from msgspec import UNSET

from tickerkit.errors import BadTick
from tickerkit.fieldmaps.fields import FieldMap
from tickerkit.fieldmaps.machine import Machine
from tickerkit.fieldmaps.shapes import ShapeCounts
from tickerkit.fieldmaps.talk import Talk, encode_message, matches
from tickerkit.presets.books import BOOK_CLASSES, BestQuotes, drop_marks
from tickerkit.presets.lives import Lives
from tickerkit.presets.outbox import Outbox, Request
from tickerkit.presets.preset import Answer, Socket, SymbolStyle, fill
from tickerkit.presets.saving import Saver
from tickerkit.presets.spelling import symbol_values
from tickerkit.presets.suspects import Suspects
from tickerkit.ticks import Batch

__all__ = ["Link", "LinkEvent", "Reconnect", "Wanted"]

ACK_S = 10.0
# How long a venue has to say that it takes subscriptions.
BEGIN_S = 30.0
MAX_ASKS = 3
# How long before the end of a connection's life the next one is opened.
EARLY_S = 60.0

saver = Saver(BOOK_CLASSES)

Key = tuple[str, str]


class Reconnect(NamedTuple):
    """A connection shall be replaced.

    Attributes:
        reason: why.
        is_planned: whether the next one may be opened before this one ends.
    """

    reason: str
    is_planned: bool


LinkEvent = Reconnect | BadTick


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is wanted of a venue, and what its connections share.

    Attributes:
        style: how symbols are spelled.
        symbols: the symbols.
        channels: some of "trades", "quotes" and "book".
        keys: the keys that the venue asks for.
        lives: the life of each subscription.
        suspects: symbols for which the venue may have ended a connection.
        shapes: the messages that the preset does not name.
    """

    style: SymbolStyle
    symbols: Sequence[str]
    channels: Sequence[str]
    keys: Mapping[str, str]
    lives: Lives
    suspects: Suspects
    shapes: ShapeCounts


class Link:
    """One connection to a venue.

    Args:
        wanted: what is wanted.
        socket: which of the venue's sockets.
        now: the time, in seconds, of the caller's clock.

    Attributes:
        socket: as given.
        has_rows: whether it has brought rows.
        reads_trades: whether it brings trades.
    """

    def __init__(self, wanted: Wanted, socket: Socket, now: float) -> None:
        self.socket = socket
        self.has_rows = False
        reads = [read for read in socket.reads if read.serves(wanted.channels)]
        self.reads_trades = any(read.channel == "trades" for read in reads)
        self._wanted = wanted
        self._machine = Machine(
            FieldMap(tuple(read.reading for read in reads), None),
            Talk(ping_every_s=socket.ping_every_s, ignore=socket.ignore),
            on_other=self._take_other,
        )
        self._machine.shapes = wanted.shapes
        books = [read for read in reads if read.is_book]
        self._books = BestQuotes() if books else None
        self._depth = next((read.depth for read in books), None)
        self._wants_books = "book" in wanted.channels
        # Where no other channel brings quotes, those of the book's best levels are taken.
        self._quotes_by_book = "quotes" not in wanted.channels
        self._quotes_by_levels = self._quotes_by_book or any(
            read.channel == "quotes" for read in books
        )
        self._machine.start_connection(now)
        self._outbox = Outbox(socket.messages_per_s)
        self._sent: dict[int, Request] = {}
        self._number = 0
        # What was asked for on this connection: when, how often, and what was confirmed of it.
        self._asked_at: dict[Key, float] = {}
        self._asks: dict[Key, int] = {}
        self._confirmed: set[Key] = set()
        self._single: deque[str] = deque()
        self._steps = deque(socket.begin)
        self._newest: dict[str, int] = {}
        self._has_moved = False
        self._began = self._heard_at = self._now = now
        self._ping_at = None if socket.ping is None else now + socket.ping_every_s
        self._events: list[LinkEvent] = []
        self._begin(now)

    @property
    def is_ready(self) -> bool:
        """Whether all that is wanted of this connection is confirmed, or brings rows."""
        if self._steps or len(self._outbox) or self._single:
            return False
        if not self.socket.acks and not self.has_rows:
            return False
        return not self._unconfirmed()

    def save(self) -> dict[str, Any]:
        """Return the state for `restore`, as values of JSON; without the texts of messages."""
        return {
            "known": saver.save(self._machine.known),
            "books": saver.save(self._books),
            "has_rows": self.has_rows,
            "number": self._number,
            "steps": len(self._steps),
            "single": list(self._single),
            "confirmed": sorted(self._confirmed),
            "asked": [[key, at, self._asks[key]] for key, at in self._asked_at.items()],
            "sent": [[each.number, each.asked] for each in self._sent.values()],
            "waiting": [[each.number, each.asked] for each in self._outbox.waiting],
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Continue with the saved state of another link; the messages to send have no text."""

        def requests(pairs: Iterable[Any]) -> list[Request]:
            return [Request("", number, [(*key,) for key in asked]) for number, asked in pairs]

        self._machine.restore(saver.restore(saved["known"]))
        self._books = saver.restore(saved["books"])
        self.has_rows, self._number = saved["has_rows"], saved["number"]
        self._steps = deque(self.socket.begin[len(self.socket.begin) - saved["steps"] :])
        self._single = deque(saved["single"])
        self._confirmed = {(symbol, channel) for symbol, channel in saved["confirmed"]}
        self._asked_at = {(*key,): at for key, at, _ in saved["asked"]}
        self._asks = {(*key,): asks for key, _, asks in saved["asked"]}
        self._sent = {each.number: each for each in requests(saved["sent"])}
        self._outbox = Outbox(self.socket.messages_per_s)
        for each in requests(saved["waiting"]):
            self._outbox.add(each)

    # --- what to send -----------------------------------------------------------------------------

    def due(self) -> float | None:
        """Return when there is something to send or to do; None for never."""
        times = [self._outbox.due(), self._ping_at]
        if self.socket.silent_s is not None:
            times.append(self._heard_at + self.socket.silent_s)
        if self._steps:
            times.append(self._began + BEGIN_S)
        if self.socket.life_s is not None and not self._has_moved:
            times.append(self._ends_at(self.socket.life_s))
        times += [self._asked_at[key] + ACK_S for key in self._unconfirmed()]
        return min((each for each in times if each is not None), default=None)

    def take_sends(self, now: float) -> list[str]:
        """Return the messages to send at `now`, within the venue's limit."""
        if self._ping_at is not None and now >= self._ping_at:
            self._ping_at = now + self.socket.ping_every_s
            self._outbox.add(Request(self._fill(self.socket.ping)), first=True)
        requests = self._outbox.take(now)
        for request in requests:
            if request.number:
                self._sent[request.number] = request
            for key in request.asked:
                self._asked_at[key] = now
                self._asks[key] = self._asks.get(key, 0) + 1
                self._wanted.lives.of(*key, now).ask(now)
        return [request.text for request in requests]

    def _begin(self, now: float) -> None:
        """Queue what is sent first, up to the next message to wait for; then subscriptions."""
        while self._steps and self._steps[0].wait_for is None:
            text = self._fill(self._steps.popleft().send)
            self._outbox.add(Request(text, self._number))
        if self._steps:
            return
        wanted = self._wanted
        symbols = [
            symbol
            for symbol in wanted.symbols
            if not all(wanted.lives.is_refused(symbol, each, now) for each in wanted.channels)
        ]
        self._single.extend(symbol for symbol in symbols if symbol in wanted.suspects)
        together = [symbol for symbol in symbols if symbol not in wanted.suspects]
        if together:
            self._subscribe(together, set(wanted.channels))
        else:
            self._ask_next()

    def _ask_next(self) -> None:
        """Ask for the next symbol that is asked for alone, once all others are confirmed."""
        if self._single and not len(self._outbox) and not self._unconfirmed():
            self._subscribe([self._single.popleft()], set(self._wanted.channels))

    def _subscribe(self, symbols: Sequence[str], channels: set[str]) -> None:
        left = set(channels)
        for each in sorted(self.socket.subscriptions, key=lambda each: -len(each.channels)):
            if not each.channels <= left:
                continue
            left -= each.channels
            for start in range(0, len(symbols), each.symbols_per_message):
                part = list(symbols[start : start + each.symbols_per_message])
                self._number += 1
                spelled = [symbol_values(self._wanted.style, symbol) for symbol in part]
                values: dict[str, Any] = {
                    "id": self._number,
                    "id_text": str(self._number),
                    "symbols": part,
                    **spelled[0],
                    "topics": [fill(each.topic, value) for value in spelled],
                    **self._wanted.keys,
                }
                asked = [(symbol, channel) for symbol in part for channel in sorted(each.channels)]
                text = encode_message("send", fill(each.send, values))
                self._outbox.add(Request(text, self._number, asked))

    def _fill(self, template: Any) -> str:
        self._number += 1
        values = {"id": self._number, "id_text": str(self._number), **self._wanted.keys}
        return encode_message("send", fill(template, values))

    # --- what comes -------------------------------------------------------------------------------

    def receive(
        self, messages: Sequence[str | bytes], now: float
    ) -> tuple[list[Batch], list[LinkEvent]]:
        """Take messages in the order in which they came; return rows, and what else they say."""
        self._heard_at = self._now = now
        received = self._machine.receive(messages)
        batches: list[Batch] = []
        events: list[LinkEvent] = [*received.errors]
        for batch in received.batches:
            self.has_rows = True
            events += batch.errors
            # They are counted as events; the batch counts only those beyond the first ten.
            batch.refused -= len(batch.errors)
            if self._books is not None:
                batch = self._books.take(
                    batch,
                    quotes=self._quotes_by_levels,
                    books=self._wants_books,
                    depth=self._depth,
                )
            batches.append(drop_marks(batch, quotes=self._quotes_by_book))
        events += self._events
        self._events = []
        return batches, events

    def take_newest(self) -> dict[str, int]:
        """Return the ids of the newest trades that the venue has named, by symbol."""
        newest, self._newest = self._newest, {}
        return newest

    def confirm(self, keys: Iterable[Key]) -> None:
        """Note that subscriptions are confirmed, by an answer or by rows."""
        for key in keys:
            self._confirmed.add(key)
            self._wanted.suspects.clear(key[0])
        self._ask_next()

    def tick(self, now: float) -> list[LinkEvent]:
        """Look after what is due: silence, the end of its life, answers that did not come."""
        events: list[LinkEvent] = []
        silent_s, life_s = self.socket.silent_s, self.socket.life_s
        if self._steps and now - self._began >= BEGIN_S:
            reason = f"the venue took no subscriptions within {BEGIN_S:g} s"
            events.append(Reconnect(reason, is_planned=False))
        if silent_s is not None and now - self._heard_at >= silent_s:
            events.append(Reconnect(f"no message for {silent_s:g} s", is_planned=False))
        if life_s is not None and not self._has_moved and now >= self._ends_at(life_s):
            self._has_moved = True
            events.append(Reconnect("the connection has reached its age", is_planned=True))
        for key in self._unconfirmed():
            if now - self._asked_at[key] < ACK_S:
                continue
            self._asked_at[key] = now
            if self._asks[key] < MAX_ASKS:
                self._subscribe([key[0]], {key[1]})
                continue
            self._confirmed.add(key)  # it is not waited for any longer
            problem = f"was not confirmed by the venue ({key[1]}), asked for {MAX_ASKS} times"
            events.append(BadTick("subscribe", key[0], problem, "check the symbol"))
        self._ask_next()
        return events

    def end(self, now: float) -> list[LinkEvent]:
        """Note that the venue has ended the connection."""
        waiting = {
            symbol
            for symbol, channel in self._unconfirmed()
            if now - self._asked_at[symbol, channel] < ACK_S
        }
        cause = self._wanted.suspects.add(waiting) if self.socket.acks else None
        if cause is None:
            return []
        problem = "ended the connection each time"
        for channel in self._wanted.channels:
            self._wanted.lives.of(cause, channel, now).refuse(f"the venue {problem}", now)
        return [
            BadTick("subscribe", cause, f"was refused: the venue {problem}", "check the symbol")
        ]

    def _ends_at(self, life_s: float) -> float:
        return self._began + life_s - min(EARLY_S, life_s / 4)

    def _unconfirmed(self) -> list[Key]:
        """Return the subscriptions that were asked for, and neither confirmed nor refused."""
        if not self.socket.acks:
            return []
        lives = self._wanted.lives
        return [
            key
            for key in self._asked_at
            if key not in self._confirmed and not lives.of(*key, self._now).refusal
        ]

    def _take_other(self, message: Any) -> bool:
        """Take a message without rows; return whether the preset names it."""
        socket = self.socket
        if self._steps and matches(self._steps[0].wait_for or (), message):
            self._steps.popleft()
            self._begin(self._now)
            return True
        for each in socket.errors:
            if matches(each.when, message):
                self._refuse(each, message)
                return True
        # A message that lists what is on may confirm several channels.
        acks = [each for each in socket.acks if matches(each.when, message)]
        for each in acks:
            keys = self._answered(each, message)
            for key in keys:
                life = self._wanted.lives.of(*key, self._now)
                if life.acked_at is None:
                    life.acked_at = self._now
            self.confirm(keys)
        if acks:
            return True
        for newest in socket.newest:
            if matches(newest.when, message):
                symbol, trade_id = newest.symbol.get(message), newest.id.get(message)
                if isinstance(symbol, str) and type(trade_id) is int:
                    self._newest[symbol] = trade_id
                return True
        if any(matches(each, message) for each in socket.planned_end):
            if not self._has_moved:
                self._has_moved = True
                self._events.append(Reconnect("the venue announced a restart", is_planned=True))
            return True
        return False

    def _refuse(self, answer: Answer, message: Any) -> None:
        found = UNSET if answer.message is None else answer.message.get(message)
        text = "no reason" if found is UNSET else str(found)
        for secret in self._wanted.keys.values():
            text = text.replace(secret, "…")
        keys = self._answered(answer, message)
        for key in keys:
            self._wanted.lives.of(*key, self._now).refuse(text, self._now)
            self._wanted.suspects.clear(key[0])
        name = ", ".join(sorted({symbol for symbol, _ in keys})) or "the subscription"
        self._events.append(
            BadTick("subscribe", name, f"was refused by the venue ({text})", "check the symbol")
        )
        self._ask_next()

    def _answered(self, answer: Answer, message: Any) -> list[Key]:
        """Return which subscriptions a message is about."""
        requests = list(self._sent.values())
        number = UNSET if answer.id is None else answer.id.get(message)
        if answer.id is not None and (number is not UNSET or not answer.names_symbols):
            requests = [each for each in requests if str(each.number) == str(number)]
        keys = [key for each in requests for key in each.asked if key[1] in answer.channels]
        if not answer.names_symbols:
            return keys
        named = answer.symbols(message)
        found = [key for key in keys if any(_names(each, key[0]) for each in named)]
        # A refusal by number may have a text that names no symbol.
        return found or (keys if number is not UNSET and not named else [])


def _names(text: str, symbol: str) -> bool:
    """Return whether a text names a symbol: it is the symbol, or has it as a part (`a@trade`)."""
    part = rf"(?<![\w/-]){re.escape(symbol)}(?![\w/-])"
    return text == symbol or re.search(part, text, re.IGNORECASE) is not None
