"""FakeVenue: it behaves as its rules say, speaks a venue's own format, and knows what it traded."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pandas as pd
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

import tickerkit as tk
from tickerkit.errors import InvalidArgument, Stopped
from tickerkit.testing import FakeVenue, Quote, Rules, Trade
from tickerkit.testing.desk import Desk

Until = Callable[..., None]

KRAKEN = {"method": "subscribe", "params": {"channel": "trade", "symbol": ["BTC/USD"]}, "req_id": 7}
MADE_UP = {"type": "subscribe", "id": 1, "channel": "trades", "symbols": ["AAA"]}


def ask(client: ClientConnection, message: object) -> Any:
    """Send a message, and return the next one."""
    client.send(json.dumps(message))
    return receive(client)


def receive(client: ClientConnection) -> Any:
    """Return the next message."""
    return json.loads(client.recv(timeout=10))


def test_kraken_confirms_each_symbol_and_sends_trades() -> None:
    """As documented for its websocket, version 2."""
    with FakeVenue("kraken", ["BTC/USD"], trades_per_s=0) as fake, connect(fake.url) as client:
        assert receive(client)["channel"] == "status"
        ack = ask(client, KRAKEN)
        assert (ack["method"], ack["success"], ack["req_id"]) == ("subscribe", True, 7)
        assert ack["result"]["symbol"] == "BTC/USD"
        [trade] = fake.trade("BTC/USD")
        message = receive(client)
        assert (message["channel"], message["type"]) == ("trade", "update")
        [row] = message["data"]
        assert (row["trade_id"], row["price"], row["side"]) == (trade.id, trade.price, trade.side)


def test_binance_confirms_all_and_ignores_unknown_symbols() -> None:
    """One answer for the request; an unknown symbol stays silent."""
    with FakeVenue("binance", ["BTCUSDT"], trades_per_s=0) as fake, connect(fake.url) as client:
        params = ["btcusdt@trade", "nope@trade"]
        ack = ask(client, {"method": "SUBSCRIBE", "params": params, "id": 3})
        assert ack == {"result": None, "id": 3}
        [trade] = fake.trade("BTCUSDT")
        assert receive(client)["data"]["t"] == trade.id
        assert fake.subscribed == [{("BTCUSDT", "trades")}]


@pytest.mark.parametrize(
    ("unknown", "answers"), [("refuse", ["subscribed", "error"]), ("ignore", ["subscribed"])]
)
def test_unknown_symbol_is_refused_or_ignored(unknown: str, answers: list[str]) -> None:
    """As the rule `unknown` says."""
    wishes = {**MADE_UP, "symbols": ["AAA", "NOPE"]}
    with FakeVenue(trades_per_s=0, unknown=unknown) as fake, connect(fake.url) as client:
        got = [ask(client, wishes), *(receive(client) for _ in answers[1:])]
        assert [each["type"] for each in got] == answers
        fake.trade("AAA")
        assert receive(client)["type"] == "trades"


def test_unknown_symbol_may_end_the_connection() -> None:
    """Without a message: 1006."""
    with FakeVenue(trades_per_s=0, unknown="close") as fake, connect(fake.url) as client:
        client.send(json.dumps({**MADE_UP, "symbols": ["NOPE"]}))
        with pytest.raises(ConnectionClosed) as caught:
            client.recv(timeout=10)
    assert caught.value.rcvd is None


@pytest.mark.parametrize("acks", ["each", "all", "never"])
def test_subscriptions_are_confirmed_as_the_rule_says(acks: str) -> None:
    """One by one, all at once or never."""
    symbols = ["AAA", "BBB"]
    with (
        FakeVenue("dense", symbols, trades_per_s=0, acks=acks) as fake,
        connect(fake.url) as client,
    ):
        client.send(json.dumps({**MADE_UP, "symbols": symbols}))
        client.send(json.dumps({"type": "ping", "id": 2}))
        got = []
        while not got or got[-1]["type"] != "pong":
            got.append(receive(client))
        expected = {"each": [["AAA"], ["BBB"]], "all": [["AAA", "BBB"]], "never": []}[acks]
        assert [each["symbols"] for each in got[:-1]] == expected


def test_client_that_sends_too_much_is_disconnected_then_banned() -> None:
    """A banned client is told when to come again, by HTTP 429."""
    with FakeVenue(trades_per_s=0, messages_per_s=3, max_violations=1, ban_s=30) as fake:
        with connect(fake.url) as client:
            for _ in range(3):
                client.ping()
            client.send("{}")
            with pytest.raises(ConnectionClosed):
                client.recv(timeout=10)
        assert len(fake.violations) == 1
        with pytest.raises(InvalidStatus) as caught:
            connect(fake.url)
        assert caught.value.response.status_code == 429
        assert 0 < int(caught.value.response.headers["Retry-After"]) <= 30
        assert httpx.get(f"{fake.rest}/trades?symbol=AAA").status_code == 429


def test_client_that_waits_for_retry_after_is_admitted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The seconds are whole, so they are rounded up."""
    monkeypatch.setattr(Desk, "admit", lambda _: 30.4)
    monkeypatch.setattr(Desk, "admit_request", lambda _: 30.4)
    with FakeVenue(trades_per_s=0) as fake:
        answer = httpx.get(f"{fake.rest}/trades?symbol=AAA")
        assert answer.headers["Retry-After"] == "31"
        with pytest.raises(InvalidStatus) as caught:
            connect(fake.url)
        assert caught.value.response.headers["Retry-After"] == "31"


def test_silent_client_is_disconnected() -> None:
    """A venue that wants pings drops who does not send them."""
    with FakeVenue(trades_per_s=0, ping_within_s=0.1) as fake, connect(fake.url) as client:
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=10)
        assert fake.ended["silence"] == 1


def test_connection_ends_at_its_age_after_a_notice() -> None:
    """The notice comes first."""
    with FakeVenue(trades_per_s=0, life_s=0.2, notice_s=0.1) as fake, connect(fake.url) as client:
        assert receive(client)["type"] == "bye"
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=10)
        assert fake.ended["life"] == 1


@pytest.mark.parametrize(
    ("fault", "count"), [("skipped", 1), ("doubled", 8), ("shuffled", 4), ("", 4)]
)
def test_faults_of_trades_happen_on_order(fault: str, count: int) -> None:
    """The truth has each trade once, in order."""
    with FakeVenue(trades_per_s=0, seed=5) as fake, connect(fake.url) as client:
        ask(client, MADE_UP)
        made = [each.id for each in fake.trade("AAA", 4, fault)]
        [after] = fake.trade("AAA")
        got = [row["id"] for row in receive(client)["trades"]]
        assert len(got) == count
        assert [*made, after.id] == [each.id for each in fake.trades["AAA"]]
        assert made == sorted(made)
        assert set(got) == ({after.id} if fault == "skipped" else set(made))
        assert (got == sorted(got)) == (fault in ("", "skipped"))
        assert fake.faults == ({fault: 1} if fault else {})


@pytest.mark.parametrize("fault", ["half", "cut", "closed"])
def test_connection_ends_while_trades_are_sent(fault: str) -> None:
    """In the midst of a frame, or between two."""
    with FakeVenue(trades_per_s=0) as fake, connect(fake.url) as client:
        ask(client, MADE_UP)
        fake.trade("AAA", 4, fault)
        with pytest.raises(ConnectionClosed) as caught:
            client.recv(timeout=10)
        assert (caught.value.rcvd is not None) == (fault == "closed")


def test_muted_symbol_stays_silent_until_it_is_subscribed_again() -> None:
    """It was confirmed, and nothing says that it is mute."""
    with FakeVenue(trades_per_s=0) as fake, connect(fake.url) as client:
        ask(client, MADE_UP)
        fake.mute("AAA")
        fake.trade("AAA")
        assert ask(client, MADE_UP)["type"] == "subscribed"
        [trade] = fake.trade("AAA")
        assert receive(client)["trades"][0]["id"] == trade.id


@pytest.mark.parametrize("pages", ["after", "before", "newest"])
def test_rest_has_pages(pages: str) -> None:
    """Of at most so many rows, after an id, before one, or the newest."""
    with FakeVenue(trades_per_s=0, pages=pages, rows_per_page=3) as fake:
        made = [each.id for each in fake.trade("AAA", 10)]
        query, expected = {
            "after": (f"&after={made[1]}", made[2:5]),
            "before": (f"&before={made[8]}", made[5:8]),
            "newest": ("", made[7:]),
        }[pages]
        answer = httpx.get(f"{fake.rest}/trades?symbol=AAA{query}")
        assert [row["id"] for row in answer.json()] == expected
        assert httpx.get(f"{fake.rest}/trades?symbol=NOPE").status_code == 404
        assert httpx.get(f"{fake.rest}/elsewhere").status_code == 404


def test_rest_lags_and_reaches_only_so_far() -> None:
    """The newest trades are not there yet, the oldest no longer."""
    with FakeVenue(trades_per_s=0, rest_reach=2) as fake:
        made = [each.id for each in fake.trade("AAA", 5)]
        url = f"{fake.rest}/trades?symbol=AAA&after={made[0]}"
        assert [row["id"] for row in httpx.get(url).json()] == made[3:]
        fake.change(rest_lag_s=1000.0)
        assert httpx.get(url).json() == []


def test_rest_fails_by_its_share() -> None:
    """With an error of the server, or with half an answer."""
    with FakeVenue(trades_per_s=0, rest_failures=1.0) as fake:
        url = f"{fake.rest}/trades?symbol=AAA"
        assert httpx.get(url).status_code == 500
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(url)


def test_rest_refuses_too_many_requests() -> None:
    """And says when to come again."""
    with FakeVenue(trades_per_s=0, requests_per_s=2) as fake, httpx.Client() as client:
        answers = [client.get(f"{fake.rest}/trades?symbol=AAA") for _ in range(3)]
        assert [each.status_code for each in answers] == [200, 200, 429]
        assert answers[2].headers["Retry-After"] == "1"
        assert len(fake.violations) == 1


def test_same_seed_gives_the_same_trades() -> None:
    """Another one gives others."""
    made = []
    for seed in (1, 1, 2):
        with FakeVenue(seed=seed, trades_per_s=0) as fake:
            made.append([each._replace(time_ns=0) for each in fake.trade("AAA", 9)])
    assert made[0] == made[1] != made[2]


def test_recorded_ticks_are_played() -> None:
    """Each symbol's in their order, until there are no more."""
    rows = pd.DataFrame(
        {"symbol": ["A", "B", "A"], "price": [1.5, 9.0, 2.5], "size": [3.0, 4.0, 5.0]}
    ).assign(side=["sell", "buy", "buy"])
    with FakeVenue("kraken", ["A", "B"], trades_per_s=0, ticks=rows) as fake:
        made = fake.trade("A", 9)
        assert [each[2:] for each in made] == [(1.5, 3.0, "sell"), (2.5, 5.0, "buy")]
        assert fake.trade("A") == []


def test_any_messages_test_a_field_map(until: Until) -> None:
    """A map of the user's own is tested with messages of its venue."""
    fields = {"symbol": "s", "price": "p"}
    with (
        FakeVenue(messages=[{"s": "X", "p": "1.5"}], trades_per_s=0) as fake,
        tk.connect(fake.url, fields=fields) as feed,
    ):
        until(lambda: len(feed.frame()) == 1)
        fake.send({"s": "X", "p": 2.5})
        fake.send('{"s": "Y", "p": 3.5}')
        until(lambda: list(feed.frame()["price"]) == [1.5, 2.5, 3.5])


def test_wrong_arguments_are_refused() -> None:
    """The error proposes the nearest rule."""
    with pytest.raises(InvalidArgument, match="life_s"):
        FakeVenue(lifes=3)
    with pytest.raises(InvalidArgument, match="kraken"):
        FakeVenue("kracken")
    with pytest.raises(InvalidArgument, match="acks"):
        FakeVenue(acks="sometimes")
    with pytest.raises(InvalidArgument, match="faults"):
        FakeVenue(faults={"lost": 1.0})
    with FakeVenue(trades_per_s=0) as fake, pytest.raises(InvalidArgument, match="AAA"):
        fake.trade("BBB")


def test_stopped_venue_raises_and_is_not_listed() -> None:
    """It is in the registry while it runs."""
    with FakeVenue(trades_per_s=0) as fake:
        assert "fake venue" in set(tk.status()["kind"])
        assert "FakeVenue" in repr(fake)
    assert "fake venue" not in set(tk.status()["kind"])
    with pytest.raises(Stopped):
        fake.trade("AAA")


def test_types_are_public() -> None:
    """What `trades` holds, and the rules, have names."""
    assert Trade(1, 2, 3.0, 4.0, "buy").id == 1
    assert Quote(1.0, 2.0, 3.0, 4.0, 5).ask == 3.0
    assert Rules().acks == "all"


def test_alpaca_takes_one_connection_at_a_time_and_keys_in_headers() -> None:
    """As documented for its stream and its historical trades, whose first time is `start`."""
    with FakeVenue("alpaca", ["AAPL"], trades_per_s=0) as fake, connect(fake.url) as client:
        assert receive(client) == [{"T": "success", "msg": "connected"}]
        auth = {"action": "auth", "key": "K", "secret": "S"}
        assert ask(client, auth) == [{"T": "success", "msg": "authenticated"}]
        ack = ask(client, {"action": "subscribe", "trades": ["AAPL"], "quotes": []})
        assert ack == [{"T": "subscription", "trades": ["AAPL"], "quotes": []}]
        [first] = fake.trade("AAPL")
        [row] = receive(client)
        assert (row["S"], row["i"], row["p"]) == ("AAPL", first.id, first.price)
        with pytest.raises(InvalidStatus):
            connect(fake.url)
        [second] = fake.trade("AAPL")
        url = f"{fake.rest}/v2/stocks/AAPL/trades?start={row['t']}&feed=iex"
        assert httpx.get(url).status_code == 403
        answer = httpx.get(url, headers={"APCA-API-KEY-ID": "K", "APCA-API-SECRET-KEY": "S"})
        assert [each["i"] for each in answer.json()["trades"]] == [first.id, second.id]
