"""Trades of an exchange through ccxt: with a fake ccxt, since the real one needs a network."""

from __future__ import annotations

import asyncio
import sys
import types
from collections import defaultdict
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

import tickerkit as tk
from tickerkit.errors import InvalidArgument, SourceError
from tickerkit.sources import as_source, ccxt_venue, delays
from tickerkit.sources.ccxt_venue import make_tick

Until = Callable[..., None]
SWAP = "BTC/USDT:USDT"


class BaseError(Exception):
    """The errors of ccxt, in its own order."""


class NetworkError(BaseError):
    """A connection ended."""


class BadSymbol(BaseError):
    """There is no such symbol."""


class AuthenticationError(BaseError):
    """A key is wrong or missing."""


class NotSupported(BaseError):
    """The exchange can't do it."""


def trade(number: int, **more: Any) -> dict[str, Any]:
    """Return a trade as ccxt hands it out."""
    return {
        "id": str(number),
        "symbol": "BTC/USDT",
        "price": 100.0 + number,
        "amount": 0.5,
        "side": "buy",
        "timestamp": 1_723_161_255_000 + number,
        "info": {},
        **more,
    }


class FakeExchange:
    """An exchange of ccxt: each call of `watch_trades` takes the next answer of its symbol.

    Attributes:
        made: the exchanges made, the newest last.
        answers: by symbol, what the calls return or raise; after the last, they wait.
    """

    made: ClassVar[list[FakeExchange]] = []
    answers: ClassVar[defaultdict[str, list[Any]]] = defaultdict(list)

    def __init__(self, config: dict[str, Any] | None = None) -> None:
        self.config = config or {}
        self.has = {"watchTrades": True}
        self.is_closed = False
        self.made.append(self)

    async def watch_trades(self, symbol: str) -> list[dict[str, Any]]:
        """Return new trades."""
        if not self.answers[symbol]:
            await asyncio.Event().wait()
        answer = self.answers[symbol].pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return list(answer)

    async def close(self) -> None:
        """Close the connections."""
        self.is_closed = True


class PollOnly(FakeExchange):
    """An exchange without live trades."""

    def __init__(self, config: dict[str, Any] | None = None) -> None:
        super().__init__(config)
        self.has = {"watchTrades": None}


@pytest.fixture(autouse=True)
def ccxt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a fake in place of ccxt."""
    module: Any = types.ModuleType("ccxt.pro")
    module.exchanges = ["mexc", "slow"]
    module.mexc, module.slow = FakeExchange, PollOnly
    for each in (BadSymbol, AuthenticationError, NotSupported):
        setattr(module, each.__name__, each)
    monkeypatch.setitem(sys.modules, "ccxt", types.ModuleType("ccxt"))
    monkeypatch.setitem(sys.modules, "ccxt.pro", module)
    monkeypatch.setattr(FakeExchange, "made", [])
    monkeypatch.setattr(FakeExchange, "answers", defaultdict(list))
    monkeypatch.setattr(delays, "FIRST_DELAY_S", 0.0)


def test_trades_become_ticks(until: Until) -> None:
    """With the side, the id and the time that ccxt gives; text names the source."""
    FakeExchange.answers["BTC/USDT"] = [[trade(1), trade(2, side="sell")], [trade(3, id="x-3")]]
    FakeExchange.answers[SWAP] = [[trade(9, side=None, amount=None)]]
    with tk.serve(f"ccxt:mexc:BTC/USDT,{SWAP}", port=0) as server, tk.connect(server.url) as feed:
        frame = feed.wait(4).frame("BTC/USDT")
        assert frame["price"].tolist() == [101, 102, 103]
        assert frame["size"].tolist() == [0.5] * 3
        assert frame["side"].tolist() == ["buy", "sell", "buy"]
        assert frame["trade_id"].tolist() == [1, 2, 0]
        assert frame["time"].iloc[0].isoformat() == "2024-08-08T23:54:15.001000+00:00"
        swap = feed.frame([SWAP]).iloc[0]
        assert (swap["price"], swap["trade_id"]) == (109, 9)
        exchange = FakeExchange.made[-1]
        assert exchange.config["newUpdates"] is True
        assert exchange.config["options"]["tradesLimit"] > 1000
    until(lambda: exchange.is_closed)


def test_break_is_a_gap_and_trades_that_come_again_are_left_out() -> None:
    """Some exchanges send past trades on each subscription."""
    ended = NetworkError("mexc connection closed")
    FakeExchange.answers["BTC/USDT"] = [
        ended,
        [trade(1), trade(2)],
        ended,
        ended,
        [trade(1), trade(2), trade(4)],
    ]
    with tk.live("ccxt:mexc:BTC/USDT") as feed:
        assert feed.wait(3).frame()["trade_id"].tolist() == [1, 2, 4]
        [gap] = feed.gaps.to_dict("records")
        assert gap["reason"] == "BTC/USDT: the connection ended: mexc connection closed"
        [row] = feed.freshness.to_dict("records")
        assert (row["symbol"], row["status"]) == ("BTC/USDT", "live")
        assert (row["rows"], row["gaps"], row["repaired"]) == (3, 1, 0)


def test_call_that_ccxt_cancels_is_a_break() -> None:
    """The task of the symbol would end in silence."""
    FakeExchange.answers["BTC/USDT"] = [[trade(1)], asyncio.CancelledError(), [trade(2)]]
    with tk.live("ccxt:mexc:BTC/USDT") as feed:
        assert feed.wait(2).frame()["trade_id"].tolist() == [1, 2]
        [reason] = feed.gaps["reason"]
        assert reason == "BTC/USDT: the connection ended: ccxt cancelled the call"


def test_burst_that_ccxt_can_not_keep_is_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    """It hands out as many as it keeps, and says nothing of the others."""
    monkeypatch.setattr(ccxt_venue, "MAX_NEW_TRADES", 3)
    FakeExchange.answers["BTC/USDT"] = [[trade(1)], [trade(number) for number in (5, 6, 7)]]
    with tk.serve("ccxt:mexc:BTC/USDT", port=0) as server, tk.connect(server.url) as feed:
        feed.wait(4)
        [reason] = feed.gaps["reason"]
        assert reason == "BTC/USDT: more trades at once than ccxt keeps"


@pytest.mark.parametrize("kind", [BadSymbol, AuthenticationError, NotSupported])
def test_refused_symbol_ends_alone(kind: type[Exception], until: Until) -> None:
    """The error names it, without a key; the other symbols continue."""
    FakeExchange.answers["NOPE/X"] = [kind("mexc has no NOPE/X for sesame")]
    FakeExchange.answers["BTC/USDT"] = [[trade(1)]]
    source = tk.venue("ccxt:mexc", ["NOPE/X", "BTC/USDT"], apiKey="sesame")
    with tk.serve(source, port=0) as server:
        until(lambda: server.stats["ticks"] == 1 and server.stats["refused"] == 1)
        assert "NOPE/X" in server.stats["last_error"]
        statuses = source.freshness().set_index("symbol")["status"].to_dict()
        assert statuses == {"NOPE/X": "refused", "BTC/USDT": "live"}
        shown = f"{server!r}{server.stats}{source!r}{source.freshness().to_dict()}"
        assert "sesame" not in shown
        assert FakeExchange.made[-1].config["apiKey"] == "sesame"


@pytest.mark.parametrize("wrong", [{"timestamp": float("nan")}, {"timestamp": "soon"}])
def test_malformed_trade_is_left_out_alone(wrong: dict[str, Any]) -> None:
    """The other trades of its symbol come, and those of the other symbols."""
    FakeExchange.answers["BTC/USDT"] = [[trade(1), trade(2, **wrong), trade(3)], [trade(4)]]
    with tk.serve("ccxt:mexc:BTC/USDT", port=0) as server, tk.connect(server.url) as feed:
        assert feed.wait(3).frame()["trade_id"].tolist() == [1, 3, 4]
        assert server.stats["refused"] == 1
        assert "trade of BTC/USDT is malformed" in server.stats["last_error"]


def test_answer_that_is_no_list_of_trades_is_an_error(until: Until) -> None:
    """Of a faulty exchange; the next answer is taken."""
    FakeExchange.answers["BTC/USDT"] = [["trade", None], [trade(1)]]
    with tk.serve("ccxt:mexc:BTC/USDT", port=0) as server:
        until(lambda: server.stats["ticks"] == 1)
        assert server.stats["refused"] == 2


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("a+b/c==secret", "GET https://host/trades?apiKey=a%2Bb%2Fc%3D%3Dsecret"),
        ("open-sesame", "x" * 293 + "open-sesame"),
    ],
)
def test_error_has_no_key_in_another_spelling_and_no_part_of_one(
    key: str, text: str, until: Until
) -> None:
    """An address has it with percent signs; a long text is cut off."""
    FakeExchange.answers["BTC/USDT"] = [NetworkError(text)]
    source = tk.venue("ccxt:mexc", "BTC/USDT", apiKey=key)
    with tk.serve(source, port=0) as server:
        until(lambda: server.stats["last_error"])
        assert "NetworkError" in server.stats["last_error"]


def test_source_ends_when_all_symbols_are_refused(until: Until) -> None:
    """The server then says why."""
    FakeExchange.answers["NOPE/X"] = [BadSymbol("mexc does not have market symbol NOPE/X")]
    with tk.serve("ccxt:mexc:NOPE/X", port=0) as server:
        until(lambda: server.status == "ended")
        assert "does not have market symbol" in server.stats["last_error"]


def test_ids_held_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest are forgotten; a trade without an id is always new."""
    monkeypatch.setattr(ccxt_venue, "MAX_KNOWN_IDS", 2)
    stream = ccxt_venue._Stream()
    assert [stream.is_new(trade(number)) for number in (1, 2, 2, 3, 1)] == [True] * 2 + [
        False,
        True,
        True,
    ]
    assert len(stream.known) == len(stream.ids) == 2
    assert stream.is_new({"id": None})
    assert stream.is_new({})


def test_trades_of_one_order_may_have_one_id() -> None:
    """None is lost in silence; one that comes again is not new."""
    stream = ccxt_venue._Stream()
    first, second, third = trade(1), trade(1, price=99.5), trade(1, amount=0.25)
    assert [stream.is_new(each) for each in (first, second, third)] == [True] * 3
    assert not any(stream.is_new(each) for each in (second, first, third))


def test_tick_has_no_more_than_the_trade() -> None:
    """What ccxt does not know is left out."""
    assert make_tick("A", {"price": 1.5, "id": None, "side": "unknown"}) == {
        "symbol": "A",
        "price": 1.5,
    }


def test_missing_ccxt_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install."""
    monkeypatch.setitem(sys.modules, "ccxt.pro", None)
    with pytest.raises(SourceError, match=r"pip install 'tickerkit\[ccxt\]'"):
        as_source("ccxt:mexc:BTC/USDT")


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ({"name": "ccxt:mexcc"}, "name"),
        ({"name": "ccxt:slow"}, "name"),
        ({"symbols": []}, "symbols"),
        ({"channels": "quotes"}, "channels"),
        ({"url": "wss://host/"}, "url"),
        ({"rest": "https://host/"}, "rest"),
        ({"feeds": 2}, "feeds"),
        ({"token": "x"}, "keys"),
    ],
)
def test_what_ccxt_can_not_do_is_refused(arguments: dict[str, Any], argument: str) -> None:
    """By the argument's name; a misspelt exchange with the nearest one."""
    with pytest.raises(InvalidArgument) as caught:
        tk.venue(**{"name": "ccxt:mexc", "symbols": ["BTC/USDT"], **arguments})
    assert caught.value.argument == argument
    if arguments.get("name") == "ccxt:mexcc":
        assert "'mexc'" in str(caught.value)


def test_venues_say_that_it_is_second_class() -> None:
    """Beside those that tickerkit knows itself."""
    row = tk.venues().loc["ccxt:…"]
    assert row["gaps"] == "unknown"
    assert "second class" in row["about"]
