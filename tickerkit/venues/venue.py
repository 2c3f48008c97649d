"""Venue: a preset at work: its connections, the life of each subscription, and what is missing.

No I/O: the caller opens sockets and sends requests, and gives in what comes back. A `Link` is one
connection. All links of a `Venue` share what is known of each symbol: so a second connection that
is opened before the first ends continues without a gap, and two at a time give each trade once.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from msgspec import UNSET

from tickerkit.errors import BadTick
from tickerkit.ticks import Batch, Text
from tickerkit.venues.fields import FieldMap
from tickerkit.venues.lives import Life
from tickerkit.venues.machine import Machine
from tickerkit.venues.preset import Answer, Preset, Socket, Subscription, fill
from tickerkit.venues.reader import FieldReader
from tickerkit.venues.shapes import ShapeCounts
from tickerkit.venues.spelling import symbol_values
from tickerkit.venues.talk import Talk, encode_message, matches
from tickerkit.venues.trades import Fetch, Missing, TradeEvent, TradeStream

__all__ = ["Link", "Reconnect", "Venue", "VenueEvent"]

ACK_S = 10.0
# How long a venue has to say that it takes subscriptions.
BEGIN_S = 30.0
MAX_ASKS = 3
CHECK_EVERY_S = 30.0
# How long before the end of a connection's life the next one is opened.
EARLY_S = 60.0


class Reconnect(NamedTuple):
    """A connection shall be replaced.

    Attributes:
        reason: why.
        is_planned: whether the next one may be opened before this one ends.
    """

    reason: str
    is_planned: bool


VenueEvent: TypeAlias = TradeEvent | Reconnect | BadTick


@dataclass(slots=True)
class _Request:
    """A message that asks for subscriptions."""

    text: str
    number: int
    asked: list[tuple[str, str]] = field(default_factory=list)


class Venue:
    """What is known of a venue's symbols, over all connections.

    Args:
        preset: the venue.
        symbols: the symbols, as the venue spells them.
        channels: "trades", "quotes" or both.
        keys: the keys that the preset asks for.

    Attributes:
        lives: the life of each subscription, by symbol and channel.
        streams: the trades of each symbol.
        shapes: the messages that the preset does not name.
        lag_s: for each symbol, how long after its time its newest live row was received.
    """

    def __init__(
        self,
        preset: Preset,
        symbols: Sequence[str],
        channels: Sequence[str] = ("trades", "quotes"),
        keys: Mapping[str, str] | None = None,
    ) -> None:
        self.preset = preset
        self.symbols = list(symbols)
        self.channels = list(channels)
        self.keys = dict(keys or {})
        self.shapes = ShapeCounts()
        self.lives: dict[tuple[str, str], Life] = {}
        self.streams: dict[str, TradeStream] = {}
        self.lag_s: dict[str, float] = {}
        self.links: list[Link] = []
        self._checked_at: dict[str, float] = {}
        self._ids = {
            read.ids
            for socket in preset.sockets
            for read in socket.reads
            if read.channel == "trades"
        }

    @property
    def can_compare(self) -> bool:
        """Whether past trades can be told from those that came: their ids rise."""
        return self.preset.backfill is not None and not self._ids & {"random", "none"}

    def sockets(self) -> list[Socket]:
        """Return the sockets that bring the wanted channels."""
        return [
            socket
            for socket in self.preset.sockets
            if any(each.channels & set(self.channels) for each in socket.subscriptions)
        ]

    def open(
        self, socket: Socket, now: float, *, resumes: bool = False
    ) -> tuple[Link, list[VenueEvent]]:
        """Begin a connection; `resumes` if the one before it has ended.

        Returns:
            The link, and the first events: requests for what was missed.
        """
        link = Link(self, socket, now)
        self.links.append(link)
        events: list[VenueEvent] = []
        if resumes and any(read.channel == "trades" for read in link.reads):
            events = self.resume(now)
        return link, events

    def resume(self, now: float) -> list[VenueEvent]:
        """Note that trades may have been missed; return the requests for them, or gaps."""
        if "none" in self._ids:
            reason = "reconnected; the venue's trades have no ids to tell what was missed"
            seen = any(
                life.rows for (_, channel), life in self.lives.items() if channel == "trades"
            )
            return [Missing("", None, reason)] if seen else []
        return [event for symbol in self.symbols for event in self._stream(symbol).resume(now)]

    def end_links(self, reason: str) -> None:
        """Have every connection replaced at once."""
        for link in self.links:
            link.ending = Reconnect(reason, is_planned=False)

    def close(self, link: Link) -> None:
        """Note that a connection has ended."""
        self.links = [each for each in self.links if each is not link]

    def take(self, batch: Batch, link: Link, now: float, received_ns: int) -> list[VenueEvent]:
        """Take rows of a connection."""
        symbols = batch.columns["symbol"]
        assert isinstance(symbols, Text)
        price = np.asarray(batch.columns["price"])
        is_trade = ~np.isnan(price)
        keep = np.ones(batch.count, dtype=bool)
        # Of quotes the newest connection's are taken: there is no id to tell which came twice.
        if len(self.links) > 1 and any(
            each is not link and each.has_rows for each in self.links[-1:]
        ):
            keep &= is_trade
        events: list[VenueEvent] = []
        after: list[VenueEvent] = []
        for code, symbol in enumerate(symbols.words):
            mine = symbols.codes == code
            traded = mine & is_trade
            count = int(traded.sum())
            if count:
                self._note(symbol, "trades", count, now)
                if "none" not in self._ids:
                    index = np.flatnonzero(traded)
                    stream = self._stream(symbol)
                    new = stream.receive(batch.where(traded), now)
                    rows = sum(each.count for each in new if isinstance(each, Batch))
                    if rows != count:
                        keep[index] = False
                        after += new
                    else:
                        after += [each for each in new if not isinstance(each, Batch)]
            if quotes := int((mine & ~is_trade).sum()):
                self._note(symbol, "quotes", quotes, now)
            last = int(np.flatnonzero(mine)[-1]) if mine.any() else -1
            if last >= 0 and batch.time[last] > 0:
                self.lag_s[symbol] = (received_ns - int(batch.time[last])) / 1e9
        if keep.all():
            events.append(batch)
        elif keep.any():
            events.append(batch.where(keep))
        return [*events, *after]

    def backfilled(
        self, fetch: Fetch, messages: Sequence[str | bytes] | None, now: float
    ) -> list[VenueEvent]:
        """Take the answer to a request for past trades; None if there is none."""
        stream = self._stream(fetch.symbol)
        if messages is None:
            return [*stream.backfilled(fetch, None, now)]
        batches = self._past_reader(fetch.symbol).read(messages).batches
        part = None
        for batch in batches:
            part = batch
        newest = stream.ledger.newest
        events: list[VenueEvent] = [*stream.backfilled(fetch, part, now)]
        life = self.lives.get((fetch.symbol, "trades"))
        if life is not None and part is not None and self._checked_at.get(fetch.symbol) == fetch.at:
            ids = part.columns.get("trade_id")
            if (
                isinstance(ids, np.ndarray)
                and len(ids)
                and int(ids.max()) > max(newest, 0)
                and newest
            ):
                life.is_mute = True
                events.append(
                    Reconnect(f"{fetch.symbol} trades, but nothing comes", is_planned=False)
                )
        return events

    def _past_reader(self, symbol: str) -> FieldReader:
        """Return a reader of the venue's past trades, whose rows may not name their symbol."""
        assert self.preset.backfill is not None
        reading = self.preset.backfill.reading
        values = tuple(
            replace(each, fixed=symbol) if each.fixed == "{symbol}" else each
            for each in reading.values
        )
        return FieldReader(FieldMap((replace(reading, values=values),), None), typed=False)

    def tick(self, now: float) -> list[VenueEvent]:
        """Give up what has not come by its deadline, and look after silent subscriptions."""
        events: list[VenueEvent] = []
        for stream in self.streams.values():
            events += stream.tick(now)
        if self.can_compare:
            for (symbol, channel), life in self.lives.items():
                if channel != "trades" or life.refusal or not life.is_silent(now):
                    continue
                if now - self._checked_at.get(symbol, float("-inf")) >= CHECK_EVERY_S:
                    self._checked_at[symbol] = now
                    events.append(Fetch(symbol, self._stream(symbol).ledger.newest, None, now))
        return events

    def due(self, now: float) -> float | None:
        """Return when `tick` has something to do; None for never."""
        times = [at for stream in self.streams.values() if (at := stream.due()) is not None]
        if self.can_compare:
            for (symbol, channel), life in self.lives.items():
                if channel == "trades" and not life.refusal:
                    checked = self._checked_at.get(symbol, float("-inf")) + CHECK_EVERY_S
                    times.append(max(life.silent_since() + life.quiet_after_s() + 0.01, checked))
        return min(times, default=None)

    def note_newest(self, symbol: str, trade_id: int, now: float) -> list[VenueEvent]:
        """Note that the venue names its newest trade; return requests for what has not come."""
        stream = self.streams.get(symbol)
        return [] if stream is None else [*stream.note_newest(trade_id, now)]

    def freshness(self, now: float) -> list[dict[str, Any]]:
        """Return a row for each subscription."""
        rows = []
        for (symbol, channel), life in self.lives.items():
            stream = self.streams.get(symbol) if channel == "trades" else None
            rows.append(
                {
                    "symbol": symbol,
                    "channel": channel,
                    "status": life.status(now),
                    "last_s": None if life.last_at is None else now - life.last_at,
                    "pace_s": life.interval_s or None,
                    "lag_s": self.lag_s.get(symbol),
                    "rows": life.rows,
                    "gaps": 0 if stream is None else stream.gaps,
                    "missing": 0 if stream is None else stream.missing,
                    "repaired": 0 if stream is None else stream.repaired,
                    "refusal": life.refusal,
                }
            )
        return rows

    def life(self, symbol: str, channel: str, now: float) -> Life:
        """Return the life of a subscription."""
        if (life := self.lives.get((symbol, channel))) is None:
            life = self.lives[symbol, channel] = Life(symbol, channel, now)
        return life

    def _note(self, symbol: str, channel: str, rows: int, now: float) -> None:
        self.life(symbol, channel, now).add(rows, now)

    def _stream(self, symbol: str) -> TradeStream:
        if (stream := self.streams.get(symbol)) is None:
            backfill = self.preset.backfill
            pages = backfill.by if backfill is not None and self.can_compare else None
            is_dense = self._ids == {"dense"}
            stream = self.streams[symbol] = TradeStream(symbol, is_dense=is_dense, pages=pages)
        return stream


class Link:
    """One connection to a venue.

    Args:
        venue: the venue.
        socket: which of its sockets.
        now: the time, in seconds, of the caller's clock.

    Attributes:
        has_rows: whether it has brought rows.
        ending: why it shall be replaced; None if it shall not.
    """

    def __init__(self, venue: Venue, socket: Socket, now: float) -> None:
        self.venue = venue
        self.socket = socket
        self.has_rows = False
        wanted = set(venue.channels)
        self.reads = [read for read in socket.reads if read.channel in wanted]
        talk = Talk(ping_every_s=socket.ping_every_s, ignore=socket.ignore)
        fields = FieldMap(tuple(read.reading for read in self.reads), None)
        self._machine = Machine(fields, talk, on_other=self._take_other)
        self._machine.shapes = venue.shapes
        self._machine.start_connection(now)
        self._began = now
        self._heard_at = now
        self._steps = deque(socket.begin)
        self._queue: deque[_Request] = deque()
        self._sent: dict[int, _Request] = {}
        self._number = 0
        self._tokens, self._refilled_at = max(socket.messages_per_s, 1.0), now
        self._ping_at = None if socket.ping is None else now + socket.ping_every_s
        self._events: list[VenueEvent] = []
        self._newest: dict[str, int] = {}
        self._asks: dict[tuple[str, str], int] = {}
        self._has_moved = False
        self._now = now
        self.ending: Reconnect | None = None
        self._begin()

    # --- what to send -----------------------------------------------------------------------------

    def due(self) -> float | None:
        """Return when there is something to send or to do; None for never."""
        times: list[float] = [] if self.ending is None else [0.0]
        if self._queue:
            times.append(
                self._refilled_at + max(1.0 - self._tokens, 0.0) / self.socket.messages_per_s
            )
        if self._ping_at is not None:
            times.append(self._ping_at)
        if self.socket.silent_s is not None:
            times.append(self._heard_at + self.socket.silent_s)
        if self._steps:
            times.append(self._began + BEGIN_S)
        if self.socket.life_s is not None and not self._has_moved:
            times.append(self._began + self.socket.life_s - EARLY_S)
        if self._unacked():
            times.append(min(self.venue.lives[each].asked_at for each in self._unacked()) + ACK_S)
        return min(times, default=None)

    def take_sends(self, now: float) -> list[str]:
        """Return the messages to send at `now`, within the venue's limit."""
        rate = self.socket.messages_per_s
        self._tokens = min(self._tokens + (now - self._refilled_at) * rate, max(rate, 1.0))
        self._refilled_at = now
        sends: list[str] = []
        if self._ping_at is not None and now >= self._ping_at and self._tokens >= 1:
            self._ping_at = now + self.socket.ping_every_s
            sends.append(self._fill(self.socket.ping))
            self._tokens -= 1
        while self._queue and self._tokens >= 1 - 1e-9:
            request = self._queue.popleft()
            self._tokens -= 1
            self._sent[request.number] = request
            for key in request.asked:
                self.venue.life(*key, now).ask(now)
            sends.append(request.text)
        return sends

    def _begin(self) -> None:
        """Queue what is sent first, up to the next message to wait for; then subscriptions."""
        while self._steps and self._steps[0].wait_for is None:
            text = self._fill(self._steps.popleft().send)
            self._queue.append(_Request(text, self._number))
        if not self._steps:
            self._subscribe(self.venue.symbols, set(self.venue.channels))

    def _subscribe(self, symbols: Sequence[str], channels: set[str]) -> None:
        left = set(channels)
        for each in sorted(self.socket.subscriptions, key=lambda each: -len(each.channels)):
            if each.channels <= left:
                left -= each.channels
                self._queue_subscription(each, symbols)

    def _queue_subscription(self, each: Subscription, symbols: Sequence[str]) -> None:
        size = each.symbols_per_message
        for start in range(0, len(symbols), size):
            part = symbols[start : start + size]
            self._number += 1
            style = self.venue.preset.symbols
            values: dict[str, Any] = {
                "id": self._number,
                "id_text": str(self._number),
                "symbols": list(part),
                **symbol_values(style, part[0]),
                "topics": [fill(each.topic, symbol_values(style, symbol)) for symbol in part],
                **self.venue.keys,
            }
            asked = [(symbol, channel) for symbol in part for channel in sorted(each.channels)]
            text = encode_message("send", fill(each.send, values))
            self._queue.append(_Request(text, self._number, asked))

    def _fill(self, template: Any) -> str:
        self._number += 1
        values = {"id": self._number, "id_text": str(self._number), **self.venue.keys}
        return encode_message("send", fill(template, values))

    # --- what comes -------------------------------------------------------------------------------

    def receive(
        self, messages: Sequence[str | bytes], now: float, received_ns: int
    ) -> list[VenueEvent]:
        """Take messages in the order in which they came."""
        self._heard_at = self._now = now
        received = self._machine.receive(messages)
        events: list[VenueEvent] = [*received.errors]
        for batch in received.batches:
            self.has_rows = True
            events += [*batch.errors]
            if batch.count:
                events += self.venue.take(batch, self, now, received_ns)
        # After the trades that came before these messages.
        for symbol, trade_id in self._newest.items():
            events += self.venue.note_newest(symbol, trade_id, now)
        self._newest.clear()
        events += self._events
        self._events = []
        return events

    def tick(self, now: float) -> list[VenueEvent]:
        """Look after what is due: silence, the end of its life, answers that did not come."""
        events: list[VenueEvent] = []
        silent_s, life_s = self.socket.silent_s, self.socket.life_s
        if self._steps and now - self._began >= BEGIN_S:
            reason = f"the venue took no subscriptions within {BEGIN_S:g} s"
            events.append(Reconnect(reason, is_planned=False))
        if silent_s is not None and now - self._heard_at >= silent_s:
            events.append(Reconnect(f"no message for {silent_s:g} s", is_planned=False))
        if life_s is not None and not self._has_moved and now - self._began >= life_s - EARLY_S:
            self._has_moved = True
            events.append(Reconnect("the connection has reached its age", is_planned=True))
        late = [key for key in self._unacked() if now - self.venue.lives[key].asked_at >= ACK_S]
        for symbol, channel in late:
            self._asks[symbol, channel] = self._asks.get((symbol, channel), 1) + 1
            self.venue.lives[symbol, channel].asked_at = now
            self._subscribe([symbol], {channel})
        return events

    def _unacked(self) -> list[tuple[str, str]]:
        """Return the subscriptions that should have been confirmed, and may be asked for again."""
        if not self.socket.acks:
            return []
        return [
            key
            for request in self._sent.values()
            for key in request.asked
            if (life := self.venue.lives[key]).acked_at is None
            and not life.refusal
            and (life.last_at is None or life.last_at < life.asked_at)
            and self._asks.get(key, 1) < MAX_ASKS
        ]

    def _take_other(self, message: Any) -> bool:
        """Take a message without rows; return whether the preset names it."""
        socket = self.socket
        if self._steps and matches(self._steps[0].wait_for or (), message):
            self._steps.popleft()
            self._begin()
            return True
        for each in socket.errors:
            if matches(each.when, message):
                self._refuse(each, message)
                return True
        # A message that lists what is on may confirm several channels.
        acks = [each for each in socket.acks if matches(each.when, message)]
        for each in acks:
            for key in self._answered(each, message):
                life = self.venue.life(*key, self._now)
                if life.acked_at is None:
                    life.acked_at = self._now
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
        keys = self._answered(answer, message)
        for key in keys:
            self.venue.life(*key, self._now).refusal = text
        name = ", ".join(sorted({symbol for symbol, _ in keys})) or "the subscription"
        self._events.append(
            BadTick("subscribe", name, f"was refused by the venue ({text})", "check the symbol")
        )

    def _answered(self, answer: Answer, message: Any) -> list[tuple[str, str]]:
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
