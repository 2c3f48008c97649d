"""Venue: a preset at work: its connections, the life of each subscription, and what is missing.

No I/O: the caller opens sockets and sends requests, and gives in what comes back. A `Link` is one
connection. All links of a `Venue` share what is known of each symbol: so a second connection that
is opened before the first ends continues without a gap, and two at a time give each trade once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from tickerkit.errors import BadTick
from tickerkit.fieldmaps.batches import (
    drop_keys,
    fill_origin,
    fill_time,
    has_origin,
    trade_ids,
)
from tickerkit.fieldmaps.reader import FieldReader
from tickerkit.fieldmaps.shapes import ShapeCounts
from tickerkit.presets.link import Link, Reconnect, Wanted
from tickerkit.presets.lives import Life, Lives
from tickerkit.presets.mute import MuteCheck
from tickerkit.presets.preset import Preset, Socket
from tickerkit.presets.saving import Saver
from tickerkit.presets.suspects import Suspects
from tickerkit.presets.timed import TIMED_CLASSES, TimedStream
from tickerkit.presets.trades import (
    STREAM_CLASSES,
    Fetch,
    Missing,
    TradeEvent,
    TradeStream,
)
from tickerkit.ticks import Batch, Levels, Text
from tickerkit.ticks.masks import is_all, is_any

__all__ = ["Fallback", "Link", "Reconnect", "Venue", "VenueEvent"]

saver = Saver((*STREAM_CLASSES, *TIMED_CLASSES, Life, Lives, MuteCheck, Suspects))
# What a venue knows; its connections are saved one by one.
SAVED = ("lives", "streams", "lag_s", "_mute_checks", "_mute_asked", "_checking")


class Fallback(NamedTuple):
    """A request to use another preset: it is proved that the trades of this one do not come.

    Attributes:
        preset: its name.
        symbol: the symbol that proves it.
        problem: what is wrong with the trades.
    """

    preset: str
    symbol: str
    problem: str


VenueEvent: TypeAlias = TradeEvent | Reconnect | BadTick | Fallback


class Venue:
    """What is known of a venue's symbols, over all connections.

    Args:
        preset: the venue.
        symbols: the symbols, as the venue spells them.
        channels: some of "trades", "quotes" and "book".
        keys: the keys that the preset asks for.

    Attributes:
        lives: the life of each subscription, by symbol and channel.
        streams: the trades of each symbol.
        shapes: the messages that the preset does not name.
        lag_s: for each subscription, how long after its time its newest live row was received.
        links: the open connections.
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
        self.lives = Lives()
        self.streams: dict[str, TradeStream | TimedStream] = {}
        self.lag_s: dict[tuple[str, str], float] = {}
        self.links: list[Link] = []
        self._wanted = Wanted(
            preset.symbols,
            self.symbols,
            self.channels,
            self.keys,
            self.lives,
            Suspects(),
            self.shapes,
        )
        self._mute_checks: dict[str, MuteCheck] = {}
        self._checking = ""
        # By symbol, since its newest live trade: when the subscription that proved mute was sent.
        self._mute_asked: dict[str, float] = {}
        self._ready: set[Link] = set()
        self._ids = preset.trade_ids

    @property
    def can_compare(self) -> bool:
        """Whether past trades can be compared with those that came: they have ids."""
        return self.preset.backfill is not None and "none" not in self._ids

    def sockets(self) -> list[Socket]:
        """Return the sockets that bring the wanted channels."""
        return [
            socket
            for socket in self.preset.sockets
            if any(each.channels & set(self.channels) for each in socket.subscriptions)
        ]

    # --- saved state ------------------------------------------------------------------------------

    def save(self) -> dict[str, Any]:
        """Return what is known of the symbols, for `restore`, as values of JSON."""
        saved = {name: saver.save(getattr(self, name)) for name in SAVED}
        return {**saved, "suspects": saver.save(self._wanted.suspects)}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Continue with what another venue knew; call it before any connection is opened.

        Raises:
            Exception: `saved` is not a result of `save`.
        """
        for name in SAVED:
            setattr(self, name, saver.restore(saved[name]))
        suspects = saver.restore(saved["suspects"])
        self._wanted = replace(self._wanted, lives=self.lives, suspects=suspects)

    # --- connections ------------------------------------------------------------------------------

    def open(
        self, socket: Socket, now: float, *, resumes: bool = False
    ) -> tuple[Link, list[VenueEvent]]:
        """Begin a connection; `resumes` if trades may have been missed since the one before.

        Returns:
            The link, and the first events: requests for what was missed.
        """
        link = Link(self._wanted, socket, now)
        self.links.append(link)
        return link, self.resume(now) if resumes and link.reads_trades else []

    def resume(self, now: float) -> list[VenueEvent]:
        """Note that trades may have been missed; return the requests for them, or gaps."""
        if "trades" not in self.channels:
            return []
        if "none" in self._ids:
            reason = "reconnected; the venue's trades have no ids to tell what was missed"
            seen = any(life.rows for (_, each), life in self.lives.items() if each == "trades")
            return [Missing("", None, reason)] if seen else []
        is_live = any(link.is_ready and link.reads_trades for link in self.links)
        return [
            event
            for symbol in self.symbols
            for event in self._stream(symbol).resume(now, is_live=is_live)
        ]

    def close(self, link: Link, now: float, *, by_venue: bool) -> list[VenueEvent]:
        """Note that a connection has ended."""
        self.links = [each for each in self.links if each is not link]
        self._ready.discard(link)
        return [*link.end(now)] if by_venue else []

    def receive(
        self, link: Link, messages: Sequence[str | bytes], now: float, received_ns: int
    ) -> list[VenueEvent]:
        """Take messages of a connection, in the order in which they came."""
        batches, events = link.receive(messages, now)
        taken: list[VenueEvent] = []
        for batch in batches:
            rest = None
            books, batch.books = batch.books, []
            if batch.refused or batch.misfits:
                # What was left out comes in a batch without ticks: the ticks may be held back.
                rest = replace(batch.part(0, 0), refused=batch.refused, errors=batch.errors)
                rest.misfits = batch.misfits
                batch = batch.part(0, batch.count)
            if batch.count:
                taken += self._take(batch, link, now, received_ns)
            taken += [] if rest is None else [rest]
            if books:
                taken.append(self._take_books(books, batch, link, now, received_ns))
        # After the trades that came before these messages.
        for symbol, trade_id in link.take_newest().items():
            if (stream := self.streams.get(symbol)) is not None:
                taken += stream.note_newest(trade_id, now)
        if link not in self._ready and link.is_ready:
            self._ready.add(link)
            if link.reads_trades:
                for stream in self.streams.values():
                    stream.settle(now)
        timed = [
            fill_time(each, received_ns) if isinstance(each, Batch) else each for each in taken
        ]
        return [*timed, *events]

    def _take(self, batch: Batch, link: Link, now: float, received_ns: int) -> list[VenueEvent]:
        """Take rows of a connection."""
        batch = fill_origin(batch)
        symbols = batch.columns["symbol"]
        assert isinstance(symbols, Text)
        is_trade = ~np.isnan(np.asarray(batch.columns["price"]))
        keep = np.ones(batch.count, dtype=bool)
        # Of quotes the newest connection's are taken: there is no id to tell which came twice.
        newest = [each for each in self.links if each.socket is link.socket][-1:]
        if newest and newest[0] is not link and newest[0].has_rows:
            keep &= is_trade
        after: list[VenueEvent] = []
        quotes = "quotes" if "quotes" in self.channels else "book"
        for symbol, channel, chosen in _split(symbols, is_trade, quotes):
            part = batch if is_all(chosen) else batch.where(chosen)
            self._note(symbol, channel, part, link, now, received_ns)
            if channel != "trades" or "none" in self._ids:
                continue
            # A trade whose id can't be read is told from no other, and goes on as it is.
            if not is_all(has_id := self._has_id(part)):
                part = part.where(has_id)
                chosen[chosen] = has_id
                if not part.count:
                    continue
            new = self._stream(symbol).receive(part, now)
            if not any(each is part for each in new):
                keep &= ~chosen
            after += [each for each in new if each is not part]
        batch = drop_keys(batch)
        events: list[VenueEvent] = []
        if is_all(keep):
            events.append(batch)
        elif is_any(keep):
            events.append(batch.where(keep))
        return [*events, *after]

    def _take_books(
        self, books: list[Levels], batch: Batch, link: Link, now: float, received_ns: int
    ) -> Batch:
        """Return order books as a batch without ticks: these may be held back."""
        for book in books:
            key = (book.symbol, "book")
            link.confirm([key])
            self.lives.of(*key, now).add(1, now)
            if book.time > 0:
                self.lag_s[key] = (received_ns - book.time) / 1e9
        # Of two connections the newest one's are taken, as of quotes.
        newest = [each for each in self.links if each.socket is link.socket][-1:]
        is_newest = not newest or newest[0] is link or not newest[0].has_rows
        return replace(batch.part(0, 0), books=books if is_newest else [])

    def _has_id(self, batch: Batch) -> npt.NDArray[np.bool_]:
        """Return which trades have an id that they can be told from others by."""
        if "random" in self._ids:
            return np.ones(batch.count, dtype=bool)  # each has a key, or is compared by its time
        return trade_ids(batch) > 0

    def _note(
        self, symbol: str, channel: str, rows: Batch, link: Link, now: float, received_ns: int
    ) -> None:
        """Note what the rows of a subscription say of its life."""
        link.confirm([(symbol, channel)])
        is_live = has_origin(rows, "live")
        if not is_any(is_live):
            return
        live_rows = np.flatnonzero(is_live)
        self.lives.of(symbol, channel, now).add(len(live_rows), now)
        if channel == "trades":
            self._mute_checks.pop(symbol, None)  # the next silence is another one
            self._mute_asked.pop(symbol, None)
        time_ns = int(rows.time[live_rows[-1]])
        if time_ns > 0:
            self.lag_s[symbol, channel] = (received_ns - time_ns) / 1e9

    # --- past trades ------------------------------------------------------------------------------

    def backfilled(
        self, fetch: Fetch, messages: Sequence[str | bytes] | None, now: float
    ) -> list[VenueEvent]:
        """Take the answer to a request for past trades; `messages` is None if it failed."""
        stream = self._stream(fetch.symbol)
        batch = None if messages is None else self._read_past(fetch.symbol, messages)
        if not fetch.is_check:
            return [*stream.backfilled(fetch, batch, now)]
        self._checking = ""
        check = self._mute_check(fetch.symbol)
        if batch is None or not check.is_mute(stream.newest, stream.newest_of(batch), now):
            # At once, except for a routine check: a busy symbol may be among many quiet ones.
            return self._begin_check(now, MuteCheck.ROUTINE - 1)
        life = self.lives.of(fetch.symbol, "trades", now)
        life.is_mute = True
        # A new subscription may cure it.
        is_second = self._mute_asked.setdefault(fetch.symbol, life.asked_at) < life.asked_at
        if self.preset.fallback is not None and (life.refusal or is_second):
            word = "are refused" if life.refusal else "do not come"
            return [Fallback(self.preset.fallback, fetch.symbol, f"{word}, though it trades")]
        reason = f"{fetch.symbol} trades, but nothing comes"
        # What was missed is fetched at once; the next connection brings what follows.
        return [*stream.resume(now, is_live=False), Reconnect(reason, is_planned=True)]

    def wants(self, fetch: Fetch) -> bool:
        """Return whether the answer to a request is still of use."""
        return self._stream(fetch.symbol).wants(fetch)

    def _read_past(self, symbol: str, messages: Sequence[str | bytes]) -> Batch | None:
        """Return past trades, which may be none; None if the answer is not understood."""
        assert self.preset.backfill is not None
        fields = self.preset.backfill.make_fields(symbol)
        taken = FieldReader(fields, typed=False).read(messages)
        if taken.others:
            return None
        for batch in taken.batches:
            has_id = self._has_id(batch)
            return batch if is_all(has_id) else batch.where(has_id)
        return Batch(0, np.zeros(0, dtype=np.int64), {})

    def tick(self, now: float) -> list[VenueEvent]:
        """Give up what has not come by its deadline, and look after silent subscriptions."""
        events: list[VenueEvent] = []
        for stream in self.streams.values():
            events += stream.tick(now)
        return [*events, *self._begin_check(now, MuteCheck.ROUTINE)]

    def _begin_check(self, now: float, max_rank: int) -> list[VenueEvent]:
        """Look for newer trades of the symbol whose check is the most urgent of those due."""
        due = [
            (check.rank, check.due_at, symbol)
            for symbol, check in self._checks(now)
            if check.due_at <= now and check.rank <= max_rank
        ]
        if not due:
            return []
        *_, symbol = min(due)
        self._checking = symbol
        self._mute_check(symbol).begin(now)
        return [self._stream(symbol).check(now)]

    def due(self, now: float) -> float | None:
        """Return when `tick` has something to do; None for never."""
        times = [at for stream in self.streams.values() if (at := stream.due()) is not None]
        times += [check.due_at for _, check in self._checks(now)]
        return min(times, default=None)

    def _checks(self, now: float) -> list[tuple[str, MuteCheck]]:
        """Return the symbols of which nothing has come for longer than usual.

        One is checked at a time: the checks of many quiet symbols must not hold back the requests
        for what was missed.
        """
        if not self.can_compare or not self.links or self._checking:
            return []
        return [
            (symbol, self._mute_check(symbol))
            for (symbol, channel), life in self.lives.items()
            if channel == "trades"
            and (not life.refusal or self.preset.fallback is not None)
            and life.is_silent(now)
            and not self._stream(symbol).is_holding
        ]

    def _mute_check(self, symbol: str) -> MuteCheck:
        if (check := self._mute_checks.get(symbol)) is None:
            check = self._mute_checks[symbol] = MuteCheck()
        return check

    # --- what is known ----------------------------------------------------------------------------

    def freshness(self, now: float) -> list[dict[str, Any]]:
        """Return a row for each subscription."""
        rows = []
        # A copy: another thread may ask while the source adds lives.
        for (symbol, channel), life in list(self.lives.items()):
            stream = self.streams.get(symbol) if channel == "trades" else None
            rows.append(
                {
                    "symbol": symbol,
                    "channel": channel,
                    "status": life.status(now),
                    "last_s": None if life.last_at is None else now - life.last_at,
                    "pace_s": life.interval_s or None,
                    "lag_s": self.lag_s.get((symbol, channel)),
                    "rows": life.rows,
                    "gaps": 0 if stream is None else stream.gaps,
                    "missing": 0 if stream is None else stream.missing,
                    "repaired": 0 if stream is None else stream.repaired,
                    "refusal": life.refusal,
                }
            )
        return rows

    def _stream(self, symbol: str) -> TradeStream | TimedStream:
        if (stream := self.streams.get(symbol)) is None:
            backfill = self.preset.backfill
            pages = backfill.by if backfill is not None and self.can_compare else None
            if "random" in self._ids:
                rows = backfill.rows_per_page if backfill is not None else 0
                stream = TimedStream(symbol, pages=pages, rows_per_page=rows)
            else:
                stream = TradeStream(symbol, is_dense=self._ids == {"dense"}, pages=pages)
            self.streams[symbol] = stream
        return stream


def _split(
    symbols: Text, is_trade: npt.NDArray[np.bool_], quotes: str
) -> Iterator[tuple[str, str, npt.NDArray[np.bool_]]]:
    """Yield the symbol, the channel and the rows of each subscription that has rows.

    `quotes` is the channel that brings the quotes.
    """
    if len(symbols.words) == 1 and (is_all(is_trade) or not is_any(is_trade)):
        channel = "trades" if is_all(is_trade) else quotes
        yield symbols.words[0], channel, np.ones(len(is_trade), dtype=bool)
        return
    for code, symbol in enumerate(symbols.words):
        mine = symbols.codes == code
        for channel, chosen in (("trades", mine & is_trade), (quotes, mine & ~is_trade)):
            if is_any(chosen):
                yield symbol, channel, chosen
