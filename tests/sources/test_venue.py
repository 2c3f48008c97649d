"""tk.venue over real sockets: each trade once, or in a gap that names it, whatever happens."""

from __future__ import annotations

import asyncio
import logging
import random
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
from peers import free_port
from soaks import soak
from venue_truth import account

import tickerkit as tk
from tickerkit.presets import Venue, link, lives, mute, trades
from tickerkit.presets.files import load_preset
from tickerkit.presets.preset import Step
from tickerkit.sources import delays, venue_connection
from tickerkit.sources.past_trades import PastAnswer, PastTrades, send_request
from tickerkit.sources.venue import VenueSource
from tickerkit.sources.venue_connection import VenueConnection
from tickerkit.testing import FakeVenue, Trade
from tickerkit.testing.desk import Desk

Until = Callable[..., None]

# The function `venue` hides the module.
venue_module = sys.modules[VenueSource.__module__]

SYMBOLS = {"kraken": "BTC/USD", "binance": "BTCUSDT", "alpaca": "AAPL"}
SYMBOLS |= {"dense": "AAA", "unique": "AAA", "random": "AAA"}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten what tests would wait for."""
    monkeypatch.setattr(delays, "FIRST_DELAY_S", 0.02)
    monkeypatch.setattr(venue_module, "AGAIN_S", 0.02)
    monkeypatch.setattr(venue_module, "LINGER_S", 0.05)
    monkeypatch.setattr(venue_module, "STEP_S", 0.02)
    monkeypatch.setattr(trades, "FETCH_S", 1.5)
    monkeypatch.setattr(trades, "RETRY_S", 0.1)


@contextmanager
def receiving(source: VenueSource) -> Iterator[tk.Feed]:
    """Serve a source, and receive its ticks."""
    with tk.serve(source, port=0) as server, tk.connect(server.url, history=None) as feed:
        feed.own(server)
        yield feed


def ids(feed: tk.Feed, symbol: str = "AAA") -> list[int]:
    """Return the ids of the trades that came, in their order."""
    frame = feed.frame()
    if "trade_id" not in frame:
        return []
    of_symbol = frame[(frame["symbol"] == symbol) & frame["price"].notna()]
    return [int(each) for each in of_symbol["trade_id"]]


def subscribed(fake: FakeVenue, count: int = 2) -> bool:
    """Return whether the newest connection has all its subscriptions."""
    wishes = fake.subscribed
    return bool(wishes) and len(wishes[-1]) == count


def settled(fake: FakeVenue, feed: tk.Feed) -> bool:
    """Return whether nothing is left to come: each trade came, or is in a gap."""
    return account(fake, feed.frame(), feed.gaps).is_exact


def without_limit(fake: FakeVenue, symbol: str, **socket: Any) -> VenueSource:
    """Return a source that may connect as often as it has to."""
    return fake.source([symbol], connects_per_minute=None, **socket)


@pytest.mark.parametrize("name", ["kraken", "binance", "dense"])
@pytest.mark.parametrize(("disconnects", "size"), [(14, 60), soak(1000, 1000)])
def test_each_trade_comes_once_or_is_in_a_gap_with_its_id(
    name: str,
    disconnects: int,
    size: int,
    until: Until,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Over disconnects, half frames, skipped, doubled and shuffled trades, and REST that fails.

    The whole is 1,000 disconnects and 1,000,000 trades. What no connection brought is marked.
    """
    symbol, rng = SYMBOLS[name], random.Random(disconnects)
    # Before each break some messages with trades; then trades that nobody gets, at times more than
    # REST has.
    before = [[rng.randint(1, size // 6) for _ in range(4)] for _ in range(disconnects)]
    beyond = [rng.choice([1, size, 6 * size]) if n % 5 == 0 else 3 for n in range(disconnects)]
    beyond[-1] = size
    halves = 3 * (disconnects // 3)
    first = disconnects * size - sum(map(sum, before)) - sum(beyond) - halves - 2
    unsent: set[int] = set()
    send_trades = Desk._send_trades

    def note(self: Desk, wanted: str, made: list[Trade], fault: str) -> None:
        has_client = any(each.wants(wanted, "trades") for each in self.sessions)
        if not has_client or fault == "skipped":
            unsent.update(each.id for each in made)
        send_trades(self, wanted, made, fault)

    monkeypatch.setattr(Desk, "_send_trades", note)
    fake = FakeVenue(
        name,
        [symbol],
        seed=3,
        trades_per_s=0,
        connects_per_minute=None,
        requests_per_s=None,
        rest_reach=4 * size,
        rest_failures=0.1,
        rest_lag_s=0.02,
        faults={"skipped": 0.05, "doubled": 0.05, "shuffled": 0.05, "half": 0.02},
    )
    path = tmp_path / "trades.parquet"
    with fake, receiving(without_limit(fake, symbol)) as feed, feed.record(path):
        until(lambda: subscribed(fake))
        for start in range(0, first, size):
            fake.trade(symbol, min(size, first - start))
        for number in range(disconnects):
            for count in before[number]:
                fake.trade(symbol, count, None)
            match number % 3:
                case 0:
                    fake.cut()
                case 1:
                    fake.close()
                case 2:
                    fake.trade(symbol, 3, "half")
            fake.trade(symbol, beyond[number])
            until(lambda: subscribed(fake), 30)
        fake.trade(symbol, 2)
        until(lambda: settled(fake, feed), 30, f"{name}: all is accounted for")
        result = account(fake, feed.frame(), feed.gaps)
    assert result.is_exact
    assert result.unknown == 0
    assert fake.accepted > disconnects
    assert len(fake.trades[symbol]) == disconnects * size
    frame = feed.frame()
    origins = set(frame["origin"].dropna())
    assert {"live", "backfill"} <= origins <= {"live", "snapshot", "backfill"}
    marked = frame.loc[frame["trade_id"].isin(unsent), "origin"]
    assert len(marked)
    assert "live" not in set(marked)
    assert fake.violations == []
    assert ids(feed, symbol) == pd.read_parquet(path).query("price.notna()")["trade_id"].tolist()


@pytest.mark.parametrize("name", ["kraken", "binance"])
def test_preset_is_used_as_it_is(name: str, until: Until) -> None:
    """Only the addresses differ from those of the venue."""
    symbol = SYMBOLS[name]
    with FakeVenue(name, [symbol], trades_per_s=50) as fake:
        source = tk.venue(name, [symbol.lower()], url=fake.url, rest=fake.rest)
        with receiving(source) as feed:
            until(lambda: len(ids(feed, symbol)) > 5)
            fake.cut()
            until(lambda: fake.accepted == 2 and subscribed(fake))
            until(lambda: source.freshness()["status"].eq("live").all())
            fake.trades_per_s = 0
            fake.trade(symbol)
            until(lambda: settled(fake, feed))
            assert len(feed.gaps) == 0
            assert set(feed.frame()["side"].dropna()) == {"buy", "sell"}
    assert fake.violations == []


def test_trades_that_rest_no_longer_has_are_a_gap_with_their_ids(until: Until) -> None:
    """The gap's reason names the first and the last, its size is exact."""
    with (
        FakeVenue("dense", trades_per_s=0, rest_reach=5) as fake,
        receiving(without_limit(fake, "AAA")) as feed,
    ):
        until(lambda: subscribed(fake))
        fake.trade("AAA", 3)
        until(lambda: len(ids(feed)) == 3)
        fake.cut()
        gone = fake.trade("AAA", 20)[:15]
        until(lambda: settled(fake, feed))
        [reason] = feed.gaps["reason"]
        assert reason == f"AAA trades {gone[0].id} to {gone[-1].id} did not come"
        [row] = feed.freshness.query("channel == 'trades'").to_dict("records")
        assert (row["missing"], row["gaps"], row["repaired"]) == (15, 1, 5)


@pytest.mark.parametrize(
    ("name", "pages"), [("unique", "after"), ("random", "newest"), ("random", "after")]
)
@pytest.mark.parametrize(("disconnects", "size"), [(6, 8), soak(100, 40)])
def test_trades_that_did_not_come_are_never_missing_in_silence(
    name: str,
    pages: str,
    disconnects: int,
    size: int,
    until: Until,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where ids are not dense, a gap of unknown size stands in the place of those of a break."""
    monkeypatch.setattr(trades, "FETCH_S", 0.5)
    rng = random.Random(disconnects)
    with (
        FakeVenue(name, trades_per_s=0, pages=pages, rest_reach=12, rest_lag_s=0.02) as fake,
        receiving(without_limit(fake, "AAA")) as feed,
    ):
        until(lambda: subscribed(fake))
        fake.trade("AAA", 3)
        for number in range(disconnects):
            fake.trade("AAA", rng.randint(1, size))
            (fake.cut if number % 2 else fake.close)()
            fake.trade("AAA", rng.choice([0, 1, 5, 40]) or 1)
            until(lambda: subscribed(fake), 30)
            fake.trade("AAA", rng.randint(1, 3))
            newest = fake.trades["AAA"][-1].id
            until(lambda newest=newest: newest in ids(feed), 30)
        frame = feed.frame()
    assert fake.accepted > disconnects
    result = account(fake, frame, feed.gaps)
    assert result.doubled == result.invented == 0
    received = frame[frame["price"].notna()].set_index("trade_id")["epoch"]
    places = {each.id: place for place, each in enumerate(fake.trades["AAA"])}
    order = received.index.map(places)
    assert order.is_monotonic_increasing
    for _, missing in result.lost:
        at = order.searchsorted(places[missing])
        assert received.iloc[at - 1] != received.iloc[at], f"{missing} is missing in silence"
    assert result.lost  # else this test proves nothing


@pytest.mark.parametrize(
    ("name", "pages"),
    [("unique", "after"), ("random", "newest"), ("alpaca", "after")],
)
def test_ids_are_complete_where_past_trades_overlap(
    name: str, pages: str, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """REST has a trade from before the break and the first one after it: nothing is missing."""
    monkeypatch.setattr(trades, "FETCH_S", 8.0)  # enough for a busy machine
    with (
        FakeVenue(name, [SYMBOLS[name]], trades_per_s=0, pages=pages) as fake,
        receiving(without_limit(fake, SYMBOLS[name])) as feed,
    ):
        until(lambda: subscribed(fake))
        fake.trade(SYMBOLS[name], 3)
        fake.trade(SYMBOLS[name], 3)
        for _ in range(3):
            fake.cut()
            fake.trade(SYMBOLS[name], 5)
            until(lambda: subscribed(fake))
            fake.trade(SYMBOLS[name], 2)
            until(lambda: settled(fake, feed))
        assert list(feed.gaps["reason"]) == []


@pytest.mark.parametrize("how", ["notice", "life"])
@pytest.mark.parametrize("name", ["dense", "unique"])
def test_planned_end_leaves_no_gap(name: str, how: str, until: Until) -> None:
    """The next connection is opened first: nothing is missed, and nothing has to be fetched."""
    rules: dict[str, Any] = {"life_s": 1.2} if how == "life" else {}
    with FakeVenue(name, trades_per_s=200, **rules) as fake:
        source = without_limit(fake, "AAA", life_s=1.2 if how == "life" else None)
        with receiving(source) as feed:
            until(lambda: len(ids(feed)) > 20)
            for number in range(2):
                if how == "notice":
                    fake.announce_end()
                until(lambda number=number: fake.accepted >= number + 2, 20)
                until(lambda: len(fake.subscribed) == 1)
            fake.trades_per_s = 0
            until(lambda: settled(fake, feed))
            assert list(feed.gaps["reason"]) == []
            assert set(feed.frame()["origin"]) == {"live"}
    assert fake.requests == []
    assert fake.ended["life"] == 0


def test_two_connections_give_each_trade_once(until: Until) -> None:
    """With feeds=2, the end of one connection is no break."""
    with FakeVenue("unique", trades_per_s=0) as fake, receiving(fake.source(feeds=2)) as feed:
        until(lambda: [len(each) for each in fake.subscribed] == [2, 2])
        fake.trade("AAA", 5)
        until(lambda: len(ids(feed)) == 5)
        fake.cut(1)
        fake.trade("AAA", 5)
        until(lambda: [len(each) for each in fake.subscribed] == [2, 2])
        fake.trade("AAA", 5)
        until(lambda: settled(fake, feed))
        assert len(ids(feed)) == 15
        assert len(feed.gaps) == 0
    assert fake.requests == []


def test_limit_of_messages_is_kept(until: Until) -> None:
    """Many symbols are subscribed no faster than the venue allows."""
    symbols = [f"S{number}" for number in range(6)]
    with FakeVenue("dense", symbols, trades_per_s=0, messages_per_s=8) as fake:
        source = fake.source(messages_per_s=8)
        for socket in source.venue.preset.sockets:
            assert socket.messages_per_s == 8
        one_each = tuple(
            replace(each, symbols_per_message=1) for each in fake.preset.sockets[0].subscriptions
        )
        source = fake.source(messages_per_s=8, subscriptions=one_each)
        with receiving(source):
            until(lambda: subscribed(fake, 12))
    assert fake.violations == []
    assert fake.accepted == 1


def test_limit_of_connections_is_kept(until: Until) -> None:
    """After as many connections as a minute allows, the source waits."""
    with (
        FakeVenue("dense", trades_per_s=0, connects_per_minute=4) as fake,
        receiving(fake.source(connects_per_minute=4)) as feed,
    ):
        for number in range(4):
            until(lambda number=number: fake.accepted == number + 1 and subscribed(fake))
            fake.trade("AAA")
            until(lambda number=number: len(ids(feed)) == number + 1)
            fake.cut()
        until(lambda: not fake.subscribed)
        assert feed.freshness is not None
    assert fake.violations == []


def test_rest_is_asked_no_sooner_than_it_allows(
    until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer "too many requests" is obeyed, also where the preset hopes for more."""
    answers: list[bytes | None] = []
    get = PastTrades.get

    async def note(self: PastTrades, *args: Any) -> PastAnswer:
        answer = await get(self, *args)
        answers.append(answer.trades)
        return answer

    monkeypatch.setattr(PastTrades, "get", note)
    with (
        FakeVenue("dense", trades_per_s=0) as fake,
        receiving(without_limit(fake, "AAA")) as feed,
    ):
        until(lambda: subscribed(fake))
        fake.trade("AAA")
        until(lambda: len(ids(feed)) == 1)
        fake.ban(1000.0)
        fake.change(max_violations=100)
        fake.trade("AAA", 2, "skipped")
        fake.trade("AAA")
        until(lambda: answers == [None])
        fake.trade("AAA", 2, "skipped")
        fake.trade("AAA")
        until(lambda: len(feed.gaps) == 2)
        assert len(fake.requests) == 1
    assert fake.violations == []


@pytest.mark.parametrize("name", ["kraken", "dense"])
def test_refused_symbols_are_reported_by_name(name: str, until: Until) -> None:
    """The others are live."""
    good, bad = (SYMBOLS[name], "NO/PE") if name == "kraken" else ("AAA", "NOPE")
    with FakeVenue(name, [good], trades_per_s=50) as fake:
        source = fake.source([good, bad])
        with receiving(source) as feed:
            expected = {good: "live", bad: "refused"}
            until(lambda: dict(feed.freshness[["symbol", "status"]].to_numpy()) == expected)
            [server] = feed._owned
            until(lambda: bad in server.stats["last_error"])  # type: ignore[attr-defined]
            assert good not in server.stats["last_error"]  # type: ignore[attr-defined]
            fake.received.clear()
            fake.cut()
            until(lambda: fake.accepted == 2 and subscribed(fake))
            assert not any(bad in str(each) for each in fake.received)


def test_symbol_for_which_the_venue_hangs_up_is_refused(until: Until) -> None:
    """A venue that ends the connection without a word costs the other symbols nothing."""
    with (
        FakeVenue("dense", ["AAA", "BBB"], trades_per_s=50, unknown="close") as fake,
        receiving(fake.source("AAA,NOPE,BBB", connects_per_minute=None)) as feed,
    ):
        until(lambda: len(ids(feed, "AAA")) > 3 and len(ids(feed, "BBB")) > 3, 20)
        until(lambda: "refused" in set(feed.freshness["status"]), 20)
        status = feed.freshness.set_index(["symbol", "channel"])["status"]
        assert status["NOPE", "trades"] == "refused"
        until(lambda: subscribed(fake, 4))
        assert status["AAA", "trades"] != "refused" != status["BBB", "trades"]


def test_symbol_that_is_never_confirmed_is_reported(
    until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked for three times, then named."""
    monkeypatch.setattr(link, "ACK_S", 0.1)
    with FakeVenue("dense", trades_per_s=0, acks="never") as fake:
        preset = FakeVenue("dense").preset  # of a venue that confirms
        source = VenueSource(Venue(preset, ["AAA"], ["trades"]), [fake.url], fake.rest)
        with receiving(source) as feed:
            [server] = feed._owned
            until(lambda: "AAA" in server.stats["last_error"])  # type: ignore[attr-defined]
    assert len(fake.received) == 3


@pytest.mark.parametrize("name", ["dense", "unique", "alpaca", "kraken"])
@pytest.mark.parametrize("begins", [True, False])
def test_mute_subscription_is_noticed_and_repaired(
    name: str, begins: bool, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A confirmed subscription that brings nothing is replaced; what it missed is fetched."""
    monkeypatch.setattr(lives, "MIN_QUIET_S", 0.3)
    monkeypatch.setattr(lives, "QUIET_INTERVALS", 0.0)
    monkeypatch.setattr(mute, "CONFIRM_S", 0.2)
    monkeypatch.setattr(mute, "CHECK_EVERY_S", 0.3)
    symbol = SYMBOLS[name]
    with (
        FakeVenue(name, [symbol], trades_per_s=0, requests_per_s=None, snapshot=0) as fake,
        receiving(fake.source([symbol], connects_per_minute=None)) as feed,
    ):
        until(lambda: subscribed(fake))
        if begins:
            fake.trade(symbol, 3)
            until(lambda: len(ids(feed, symbol)) == 3)
        fake.mute(symbol)
        fake.trades_per_s = 50
        until(lambda: fake.accepted == 2, 20, "the connection is replaced")
        mark = fake.trades[symbol][-1].id
        until(lambda: ids(feed, symbol)[-1:] > [mark])
        fake.trades_per_s = 0
        fake.trade(symbol, 2)
        until(lambda: settled(fake, feed))
        if begins:
            assert len(ids(feed, symbol)) == len(fake.trades[symbol])
            assert len(feed.gaps) == 0
    # Where the venue takes one connection at a time, the old one is closed first.
    assert fake.violations == []


def test_trades_that_never_come_are_taken_from_the_other_preset(
    until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gap and the newest error say so; from then on each trade comes once."""
    monkeypatch.setattr(lives, "MIN_QUIET_S", 0.2)
    monkeypatch.setattr(lives, "QUIET_INTERVALS", 0.0)
    monkeypatch.setattr(mute, "CONFIRM_S", 0.1)
    monkeypatch.setattr(mute, "CHECK_EVERY_S", 0.2)
    with FakeVenue("dense", trades_per_s=0) as fake:
        source = without_limit(fake, "AAA")
        other, preset = fake.preset, source.venue.preset
        monkeypatch.setattr(venue_module, "load_preset", lambda name: replace(other, name=name))
        source.venue = Venue(replace(preset, fallback="other"), ["AAA"])
        with tk.serve(source, port=0) as server, tk.connect(server.url, history=None) as feed:
            until(lambda: subscribed(fake))
            fake.trade("AAA", 3)
            until(lambda: len(ids(feed)) == 3)
            fake.change(faults={"skipped": 1.0})
            fake.trades_per_s = 50
            until(lambda: source.venue.preset.name == "other", 20)
            fake.change(faults={})
            mark = fake.trades["AAA"][-1].id
            until(lambda: max(ids(feed)) > mark)
            fake.trades_per_s = 0
            newest = fake.trade("AAA", 2)[-1].id
            until(lambda: newest in ids(feed))
            assert [each for each in feed.gaps["reason"] if "'other'" in each] == [
                "AAA: 'madeup' trades do not come, though it trades: those of 'other' are taken "
                "instead"
            ]
            assert "see 'other'" in server.stats["last_error"]
            after = [each for each in ids(feed) if each > mark]
            assert after == list(range(after[0], newest + 1))
            assert repr(source) == "venue other:AAA"
    assert fake.accepted >= 3


def test_quiet_symbol_is_not_mute(until: Until, monkeypatch: pytest.MonkeyPatch) -> None:
    """REST without newer trades proves that there were none: nothing is replaced."""
    monkeypatch.setattr(lives, "MIN_QUIET_S", 0.1)
    monkeypatch.setattr(lives, "QUIET_INTERVALS", 0.0)
    monkeypatch.setattr(mute, "CHECK_EVERY_S", 0.1)
    monkeypatch.setattr(mute, "CONFIRM_S", 0.1)
    with (
        FakeVenue("dense", trades_per_s=0) as fake,
        receiving(without_limit(fake, "AAA")) as feed,
    ):
        until(lambda: subscribed(fake))
        fake.trade("AAA", 3)
        until(lambda: len(fake.requests) > 5)
        assert feed.freshness.set_index("channel")["status"]["trades"] == "quiet"
    assert fake.accepted == 1


def test_reconnect_of_a_quiet_symbol_holds_nothing_back(
    until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer without trades says that none was missed; live ones need not wait."""
    monkeypatch.setattr(trades, "FETCH_S", 1000.0)
    with (
        FakeVenue("binance", ["BTCUSDT"], trades_per_s=0) as fake,
        receiving(without_limit(fake, "BTCUSDT")) as feed,
    ):
        until(lambda: subscribed(fake))
        fake.trade("BTCUSDT")
        until(lambda: len(ids(feed, "BTCUSDT")) == 1)
        fake.cut()
        until(lambda: subscribed(fake) and len(fake.requests) == 1)
        fake.trade("BTCUSDT")
        until(lambda: len(ids(feed, "BTCUSDT")) == 2)
        assert len(fake.requests) == 1


def test_pings_are_sent_and_their_answers_known(until: Until) -> None:
    """Also while trades come: some venues count only what the client sends."""
    with (
        FakeVenue("kraken", ["BTC/USD"], trades_per_s=20) as fake,
        receiving(without_limit(fake, "BTC/USD", ping_every_s=0.2)) as feed,
    ):
        until(lambda: sum("ping" in str(each) for each in fake.received) > 2)
        until(lambda: len(ids(feed, "BTC/USD")) > 10)
        [server] = feed._owned
        assert server.source.unknown == {}  # type: ignore[attr-defined]
    assert fake.violations == []


def test_request_with_keys_in_headers_follows_no_redirect() -> None:
    """The other server would get them."""
    backfill = load_preset("alpaca").backfill
    assert backfill is not None
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(302, headers={"Location": "https://elsewhere.invalid/"})

    async def send() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
            keys = {"key": "K", "secret": "S"}
            return await send_request(client, backfill, "https://venue.invalid/", keys)

    assert asyncio.run(send()).status_code == 302
    [request] = seen
    assert request.headers["APCA-API-KEY-ID"] == "K"
    assert request.headers["APCA-API-SECRET-KEY"] == "S"


def test_keys_never_show(until: Until, caplog: pytest.LogCaptureFixture) -> None:
    """Neither in logs of any level, nor in what the source, the server and the feed show."""
    secret = "s3cr3t-k3y"
    caplog.set_level(logging.DEBUG)
    with FakeVenue("dense", ["AAA"], trades_per_s=20) as fake:
        base = fake.preset
        assert base.backfill is not None
        preset = replace(
            base,
            keys={"token": "FAKE_TOKEN"},
            backfill=replace(base.backfill, get=base.backfill.get + "&token={token}"),
            sockets=(replace(base.sockets[0], begin=(Step({"token": "{token}"}, None),)),),
        )
        venue = Venue(preset, ["AAA", "NOPE"], ["trades"], {"token": secret})
        source = VenueSource(venue, [fake.url + "?token={token}"], fake.rest)
        with receiving(source) as feed:
            until(lambda: len(ids(feed)) > 2)
            fake.cut()
            until(lambda: fake.accepted == 2 and fake.requests and subscribed(fake, 1))
            [server] = feed._owned
            shown = [repr(source), source.address, source.status_reason, repr(server)]
            shown += [str(server.stats), feed.freshness.to_csv(), feed.gaps.to_csv()]  # type: ignore[attr-defined]
            shown += [repr(feed), str(feed.stats), tk.status().to_csv()]
        assert any(secret in each for each in fake.requests)
        assert any(secret in str(each) for each in fake.received)
        fake.stop()
        fails = VenueSource(venue, ["ws://127.0.0.1:1/?token={token}"], fake.rest)
        with receiving(fails):
            until(lambda: fails.status_reason)
            shown.append(fails.status_reason)
    shown += [
        record.getMessage() for record in caplog.records if record.name != "websockets.server"
    ]
    assert [each for each in shown if secret in each] == []


def test_cancelled_wait_does_not_interrupt_the_closing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait ends, the connection closes nonetheless, and a second wait is for the same end."""
    steps: list[str] = []

    async def run() -> None:
        has_begun, may_close = asyncio.Event(), asyncio.Event()

        @asynccontextmanager
        async def connect(*_: Any, **__: Any) -> AsyncIterator[None]:
            try:
                has_begun.set()
                await asyncio.Event().wait()
                yield
            finally:
                steps.append("closing")
                has_begun.set()
                await may_close.wait()
                steps.append("closed")

        async def handle(_: object) -> None: ...

        monkeypatch.setattr(venue_connection, "connect", connect)
        venue = Venue(FakeVenue("dense").preset, ["AAA"])
        events = VenueSource(venue).raw_events
        connection = VenueConnection(venue, venue.sockets()[0], "", 1, events, handle, lambda: None)
        connection.start(resumes=False)
        await has_begun.wait()
        has_begun.clear()
        wait = asyncio.create_task(connection.stop())
        await has_begun.wait()
        wait.cancel()
        with pytest.raises(asyncio.CancelledError):
            await wait
        may_close.set()
        await connection.stop()

    asyncio.run(run())
    assert steps == ["closing", "closed"]


def test_freshness_has_a_row_for_each_symbol_and_channel(until: Until) -> None:
    """What a server's source and a feed of this process say is the same."""
    with (
        FakeVenue("dense", ["AAA", "BBB"], trades_per_s=50) as fake,
        tk.serve(fake.source(), port=0) as server,
        tk.connect(server.url) as feed,
    ):
        until(lambda: len(ids(feed, "AAA")) > 5 and len(ids(feed, "BBB")) > 5)
        assert isinstance(server.source, VenueSource)
        table = server.source.freshness().set_index(["symbol", "channel"])
        assert set(table.index) == {(s, c) for s in ("AAA", "BBB") for c in ("trades", "quotes")}
        assert set(table["status"]) == {"live"}
        assert (table["rows"] > 0).all()
        assert table["lag_s"].between(-1, 5).all()
        assert table["pace_s"].between(0, 5).all()
        assert (pd.Timestamp.now("UTC") - table["last"]).dt.total_seconds().between(-1, 9).all()
        # The server is not the feed's own: the feed knows what it sees itself.
        assert set(feed.freshness["symbol"]) == {"AAA", "BBB"}
        assert "channel" not in feed.freshness


def test_venue_that_is_not_reached_is_the_last_error_of_its_server(until: Until) -> None:
    """Without a network, the server and a wait for ticks say so."""
    source = tk.venue("kraken", "BTC/USD", url=f"ws://127.0.0.1:{free_port()}")
    problem = "'kraken:BTC/USD' can't be a source of ticks: can't connect: connection refused"
    with tk.serve(source, port=0) as server, tk.connect(server) as feed:
        until(lambda: server.stats["last_error"] == problem)
        with pytest.raises(tk.WaitTimeout, match=problem):
            feed.wait(timeout=0)


def test_missing_keys_are_named_as_arguments_and_variables(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Either will do."""
    monkeypatch.delenv("FINNHUB_TOKEN", raising=False)
    with pytest.raises(tk.InvalidArgument) as caught:
        tk.venue("finnhub", "AAPL")
    assert caught.value.expected == "token= for finnhub, or FINNHUB_TOKEN in the environment"
