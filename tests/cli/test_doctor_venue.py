"""`tickerkit doctor VENUE`: it says which line of a preset is no longer true."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from commands import InProcess
from websockets.sync.server import Server, ServerConnection, serve

from tickerkit.cli import main, venue_doctor
from tickerkit.cli.findings import Finding
from tickerkit.cli.venue_doctor import Request, examination
from tickerkit.cli.venue_doctor.data import judge_clock, judge_data
from tickerkit.cli.venue_doctor.preset_lines import PresetLines
from tickerkit.cli.venue_doctor.probe import PING_NUMBER, Arrivals, Trade, answers_ping
from tickerkit.presets.files import list_presets, load_preset, read_preset
from tickerkit.testing import FakeVenue

DOCUMENTED = Path(__file__).parents[1] / "presets" / "documented"
FIRST_ID = 1001
TRADES = 24


class Kraken:
    """A small venue that speaks as the preset kraken says, but for what a test changes.

    Attributes:
        url: the address of its websocket.
        rest: the address that REST paths follow.
        faults: what it does otherwise.
        is_asked: set when a client has subscribed.
    """

    def __init__(self, *faults: str) -> None:
        self.faults = set(faults)
        self.is_asked = threading.Event()
        self.url = self.rest = ""

    def has(self, fault: str) -> bool:
        """Return whether it has a fault."""
        return fault in self.faults

    @property
    def trades(self) -> list[dict[str, Any]]:
        """All trades: buys at the ask and sells at the bid, by turns."""
        step = 2 if self.has("sparse ids") else 1
        year = 1 if self.has("old time") else 0
        now = datetime.now(UTC)
        time = now.replace(year=now.year - year, day=1).isoformat() if year else now.isoformat()
        return [
            {
                "symbol": "BTC/USD",
                "side": "buy" if index % 2 else "sell",
                "price": 100.5 if index % 2 else 100.0,
                "qty": 1.0 + index,
                "trade_id": FIRST_ID + index * step,
                "timestamp": time.replace("+00:00", "Z"),
            }
            for index in range(TRADES)
        ]

    def answer(self, connection: ServerConnection) -> None:
        """Serve one connection."""
        for text in connection:
            message = json.loads(text)
            if message["method"] == "ping":
                if not self.has("no pong"):
                    connection.send(json.dumps({"method": "pong", "req_id": message["req_id"]}))
                continue
            self.subscribe(connection, message)

    def subscribe(self, connection: ServerConnection, message: dict[str, Any]) -> None:
        """Confirm a subscription, and send its rows."""
        self.is_asked.set()
        if self.has("ends"):
            connection.close(1008, "bad coin")
            return
        channel, number = message["params"]["channel"], message["req_id"]
        answer = {"method": "subscribe", "req_id": number, "success": True}
        if self.has("refuses"):
            answer |= {"success": False, "error": "Currency pair not supported BTC/USD"}
        else:
            answer["result"] = {"channel": channel, "symbol": "BTC/USD"}
        if self.has("other ack"):
            answer = {"status": "subscribed", "req": number}
        connection.send(json.dumps(answer))
        if self.has("refuses") or self.has("silent"):
            return
        # The quote comes before the trades that are compared with it, as both channels are asked.
        if channel == "ticker":
            quote = {"symbol": "BTC/USD", "bid": 100.0, "bid_qty": 1, "ask": 100.5, "ask_qty": 1}
            quote["timestamp"] = datetime.now(UTC).isoformat().replace("+00:00", "Z")
            self.send(connection, "ticker", [quote])
            rows = self.trades
            if self.has("maker's side"):
                for row in rows:
                    row["side"] = "buy" if row["side"] == "sell" else "sell"
            self.send(connection, "trade", rows)

    def send(self, connection: ServerConnection, channel: str, rows: list[dict[str, Any]]) -> None:
        """Send the rows of a channel."""
        name = "trades_v3" if self.has("other channel") and channel == "trade" else channel
        if self.has("leaves out") and channel == "trade":
            rows = [*rows[:4], *rows[6:]]
        if self.has("text price") and channel == "trade":
            rows = [{**row, "price": "high"} for row in rows]
        connection.send(json.dumps({"channel": name, "type": "update", "data": rows}))

    def past(self) -> tuple[int, bytes]:
        """Return the status and the text of the answer to a REST request."""
        if self.has("rest region"):
            return 451, b"Unavailable"
        if self.has("rest moved"):
            return 404, b"no such page"
        if self.has("rest error"):
            return 200, b'{"error": ["EQuery:Unknown asset pair"]}'
        buy, sell = ("s", "b") if self.has("rest sides") else ("b", "s")
        shift = 10**6 if self.has("rest elsewhere") else 0
        rows = [
            [
                str(row["price"]),
                str(row["qty"]),
                datetime.now(UTC).timestamp() + (-10 if self.has("rest old") else 10),
                buy if row["side"] == "buy" else sell,
                "m",
                "",
                row["trade_id"] + shift,
            ]
            for row in self.trades
        ]
        return 200, json.dumps({"error": [], "result": {"XXBTZUSD": rows, "last": "1"}}).encode()


@contextmanager
def running(*faults: str) -> Iterator[Kraken]:
    """Run a venue with some faults."""
    venue = Kraken(*faults)

    class Rest(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, text = venue.past()
            self.send_response(status)
            self.send_header("X-RateLimit-Remaining", "14")
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    def refuse(connection: ServerConnection, _: object) -> Any:
        for status in (403, 404, 429, 503):
            if venue.has(f"HTTP {status}"):
                return connection.respond(HTTPStatus(status), "no")
        return None

    rest = ThreadingHTTPServer(("127.0.0.1", 0), Rest)
    socket: Server = serve(venue.answer, "127.0.0.1", 0, process_request=refuse)
    threads = [
        threading.Thread(target=rest.serve_forever, args=(0.01,)),
        threading.Thread(target=socket.serve_forever),
    ]
    for thread in threads:
        thread.start()
    venue.rest = f"http://127.0.0.1:{rest.server_address[1]}"
    venue.url = f"ws://127.0.0.1:{socket.socket.getsockname()[1]}/"
    try:
        yield venue
    finally:
        socket.shutdown()
        rest.shutdown()
        rest.server_close()
        for thread in threads:
            thread.join()


def examine(
    capsys: pytest.CaptureFixture[str], *faults: str, listen: str = "20s"
) -> tuple[int, dict[str, dict[str, str]]]:
    """Return the exit code, and what is found of each name."""
    with running(*faults) as venue:
        where = ("--url", venue.url, "--rest", venue.rest, "--for", listen)
        code = main(["doctor", "kraken", "BTC/USD", "--json", *where])
    out, err = capsys.readouterr()
    assert err == ""
    answer = json.loads(out)
    assert (answer["venue"], answer["symbol"]) == ("kraken", "BTC/USD")
    assert answer["ok"] == (code == 0)
    return code, {each["name"]: each for each in answer["findings"]}


def test_venue_that_is_as_its_preset_says_is_ok(capsys: pytest.CaptureFixture[str]) -> None:
    """Each check has a line, and the exit code is 0."""
    with running() as venue:
        code = main(["doctor", "kraken", "--url", venue.url, "--rest", venue.rest])
    out, err = capsys.readouterr()
    assert err == ""
    assert code == 0
    assert "✗" not in out
    assert "kraken BTC/USD" in out
    for line in (
        "✓ name           127.0.0.1 is 127.0.0.1",
        "✓ subscription   confirmed after",
        "✓ trades         the first after",
        "✓ quotes         the first after",
        "✓ side           24 of 24 trades",
        "✓ trade ids      count up by one, from 1001 to 1024",
        "✓ clock          live trades come",
        "✓ protocol ping  answered after",
        "✓ venue's ping   answered after",
        "✓ REST           24 past trades from",
        "✓ overlap        24 trades came both ways, with equal price, size and side",
        "✓ limits         x-ratelimit-remaining: 14",
        "No problems found.",
    ):
        assert line in out


FAULTS = [
    ("HTTP 403", "HTTP", "HTTP 403: the venue refuses this network or region", "url"),
    ("HTTP 404", "HTTP", "HTTP 404: this address is not a websocket: ws://", "url"),
    ("HTTP 429", "HTTP", "HTTP 429: too many connections from this network", "connects_per_minute"),
    ("refuses", "subscription", "BTC/USD", "send"),
    ("other ack", "subscription", "no confirmation came, but data did", "when"),
    ("no pong", "venue's ping", "no answer to it came", "ping"),
    (
        "other channel + rest moved",
        "trades",
        "none came within 0.5 s, though other messages did",
        "when",
    ),
    ("text price", "fields", "24 rows could not be read: price is not a number: 'high'", "price"),
    ("maker's side", "side", "0 of 24 trades at the bid or the ask", "side"),
    ("sparse ids", "trade ids", "do not count up by one: after 1001 came 1003", "ids"),
    ("old time", "clock", "days old when they come", "time"),
    ("silent", "trades", "none came within 0.5 s, though REST has newer ones", "when"),
    ("rest region", "REST", "HTTP 451: the venue refuses this network or region", "get"),
    ("rest moved", "REST", "HTTP 404 from http://127.0.0.1", "get"),
    ("rest error", "REST", "EQuery:Unknown asset pair", "rows"),
    ("rest sides", "overlap", "24 of 24 trades have another side by REST", "side"),
    ("rest elsewhere", "overlap", "REST has none of the trades that came", "trade_id"),
]


@pytest.mark.parametrize(
    ("fault", "name", "about", "key"), FAULTS, ids=[each[0] for each in FAULTS]
)
def test_line_that_is_no_longer_true_is_named(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
    name: str,
    about: str,
    key: str,
) -> None:
    """A problem says what it means, what to do, and which line of the preset it contradicts."""
    monkeypatch.setattr(examination, "RETRY_S", 0.0)
    code, found = examine(capsys, *fault.split(" + "), listen="0.5s")
    assert code == 1
    finding = found[name]
    assert finding["level"] == "problem"
    assert about in finding["about"]
    assert finding["fix"]
    place, _, line = finding["line"].partition(": ")
    number = int(place.removeprefix("kraken.toml, line "))
    assert line.startswith(f"{key} = ")
    assert read_preset("kraken").splitlines()[number - 1].startswith(line.removesuffix("…"))


def test_symbol_that_ends_the_connection_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is said of data that could not come."""
    code, found = examine(capsys, "ends")
    assert code == 1
    assert "the venue ended the connection (code 1008, bad coin)" in found["connection"]["about"]
    assert "check the symbol" in found["connection"]["fix"]
    assert not {"trades", "quotes", "side", "trade ids"} & set(found)


def test_quiet_symbol_is_no_problem(capsys: pytest.CaptureFixture[str]) -> None:
    """Without newer trades by REST, silence proves nothing: the note says what to try."""
    code, found = examine(capsys, "silent", "rest old", listen="0.5s")
    assert code == 0
    for name in ("trades", "quotes"):
        assert found[name]["level"] == "note"
        assert "the symbol may be quiet" in found[name]["fix"]


def test_address_without_a_server_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither the websocket nor REST answers."""
    with running() as venue:
        pass
    where = ("--url", venue.url, "--rest", venue.rest)
    assert main(["doctor", "kraken", "--json", *where]) == 1
    answer = json.loads(capsys.readouterr().out)
    found = {each["name"]: each for each in answer["findings"]}
    assert found["HTTP"]["about"] == f"{venue.url} refused the connection"
    assert found["REST"]["about"].endswith("/0/public/Trades did not answer: ConnectError")


@pytest.mark.parametrize(("name", "symbol"), [("kraken", "BTC/USD"), ("binance", "BTCUSDT")])
def test_venues_of_the_tests_are_as_their_presets_say(
    capsys: pytest.CaptureFixture[str], name: str, symbol: str
) -> None:
    """A simulated venue that trades has no problem."""
    with FakeVenue(name, [symbol], trades_per_s=200, snapshot=5) as fake:
        code = main(["doctor", name, symbol, "--url", fake.url, "--rest", fake.rest])
    out, err = capsys.readouterr()
    assert err == ""
    assert "✗" not in out
    assert code == 0
    assert fake.violations == []


def test_doctor_of_a_venue_ends_with_an_interrupt(start: Callable[..., InProcess]) -> None:
    """Ctrl-C while it listens closes the connections."""
    with running("silent") as venue:
        command = start("doctor", "kraken", "--url", venue.url, "--rest", venue.rest, "--for", "1h")
        assert venue.is_asked.wait(30)
        assert command.end() == 0


def test_missing_keys_are_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A venue that needs a key is not connected to without one."""
    monkeypatch.delenv("FINNHUB_TOKEN", raising=False)
    assert main(["doctor", "finnhub"]) == 1
    assert "set FINNHUB_TOKEN" in capsys.readouterr().out


def test_keys_are_never_printed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address of finnhub has the key in it."""
    monkeypatch.setenv("FINNHUB_TOKEN", "s3cr3t")
    with running("HTTP 404") as venue:
        for how in ("--for", "--json"):
            more = ["1s"] if how == "--for" else []
            url = f"{venue.url}?token=s3cr3t"
            assert main(["doctor", "finnhub", "--url", url, how, *more]) == 1
    out, err = capsys.readouterr()
    assert "HTTP 404" in out
    assert "s3cr3t" not in out + err


def test_all_tries_every_venue(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has a line of JSON; a venue whose keys are missing is no problem."""

    async def examine(request: Request) -> list[Finding]:
        return [] if load_preset(request.name).keys == {} else await real(request)

    real = venue_doctor.examine
    monkeypatch.setattr(venue_doctor, "examine", examine)
    for name in list_presets():
        for variable in load_preset(name).keys.values():
            monkeypatch.delenv(variable, raising=False)
    assert main(["doctor", "--all", "--json"]) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["venue"] for each in answers] == list(list_presets())
    keyed = {each["venue"] for each in answers if each["findings"]}
    assert keyed == {"alpaca", "finnhub"}


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["krakn"], "Invalid VENUE 'krakn'; expected 'kraken'"),
        (["kraken", "foo"], "Invalid SYMBOL 'foo'; expected a symbol of kraken, such as 'BTC/USD'"),
        (["kraken", "--for", "soon"], "Invalid --for 'soon'; expected a time such as 90s"),
        (["--json"], "--json, --url and --rest are for a venue"),
        (["kraken", "--all"], "--all tries every venue"),
    ],
)
def test_wrong_usage_is_refused(
    capsys: pytest.CaptureFixture[str], words: list[str], error: str
) -> None:
    """The exit code is 2, and nothing is tried."""
    assert main(["doctor", *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert error in err


@pytest.mark.parametrize("name", list_presets())
def test_each_preset_has_the_lines_that_are_named(name: str) -> None:
    """Every entry that a finding may name is found in its own socket and channel."""
    lines = PresetLines(name, read_preset(name))
    preset = load_preset(name)
    for number, socket in enumerate(preset.sockets):
        assert socket.url in lines.find("socket", "url", socket=number)
        assert ": send = " in lines.find("socket.subscribe", "send", socket=number)
        if socket.acks:
            assert ": when = " in lines.find("socket.ack", "when", socket=number)
        for read in socket.reads:
            if read.channel == "book":  # the doctor examines no books
                continue
            where = {"socket": number, "channel": read.channel}
            assert ": symbol = " in lines.find("socket.reads.fields", "symbol", **where)
            price = "price" if read.channel == "trades" or read.is_book else "bid"
            assert f": {price} = " in lines.find("socket.reads.fields", price, **where)
            if read.ids != "none":
                assert f'ids = "{read.ids}"' in lines.find("socket.reads", "ids", **where)
    if preset.backfill is not None:
        assert preset.backfill.base in lines.find("backfill", "base")
        assert ": price = " in lines.find("backfill.fields", "price")


PINGED = [name for name in list_presets() if any(each.ping for each in load_preset(name).sockets)]


@pytest.mark.parametrize("name", PINGED)
def test_documented_answer_to_a_ping_is_known(name: str) -> None:
    """No other documented message is taken for it."""
    documented = json.loads((DOCUMENTED / f"{name}.json").read_text(encoding="utf-8"))
    ping, pong = load_preset(name).sockets[0].ping, documented["pong"]
    if isinstance(pong, dict):
        numbered = {"id", "req_id"} & set(pong)
        pong = json.dumps(pong | dict.fromkeys(numbered, PING_NUMBER))
    assert answers_ping(ping, pong)
    others = [each["message"] for each in documented["reads"]] + documented["greetings"]
    others += [each["message"] for some in documented["answers"] for each in some["messages"]]
    assert not any(answers_ping(ping, json.dumps(each)) for each in others)


def trade(number: int, *, lag_s: float = 0.1, **columns: Any) -> Trade:
    """Return a live trade."""
    now = 1_700_000_000 * 10**9
    first = Trade("X", now, now + int(lag_s * 1e9), 10.0, 1.0, "buy", number, True, 9.0, 10.0)
    return replace(first, **columns)


def judge(name: str, trades: list[Trade]) -> dict[str, Finding]:
    """Return what is found of the trades of a venue."""
    arrivals = Arrivals(trades, {"trades": 0.1, "quotes": 0.1}, quotes=1)
    preset, lines = load_preset(name), PresetLines(name, read_preset(name))
    found = [*judge_data(preset, arrivals, None, lines, 30.0, mute=False)]
    found += judge_clock(preset, arrivals, None, lines)
    return {each.name: each for each in found}


def test_trades_that_only_rest_has_do_not_contradict_dense_ids(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A venue that leaves trades out is noted; its ids count up by one nevertheless."""
    code, found = examine(capsys, "leaves out")
    assert code == 0
    assert found["trade ids"]["level"] == "note"
    assert "2 trades did not come, the first after 1004" in found["trade ids"]["about"]


def test_few_trades_prove_nothing() -> None:
    """Neither sides nor ids are judged by a trade or two."""
    found = judge("kraken", [trade(5), trade(9)])
    assert (found["side"].level, found["trade ids"].level) == ("note", "note")
    assert "listen longer" in found["side"].fix


def test_trades_without_a_quote_have_no_side_to_compare() -> None:
    """The note says so, and not that none of none agree."""
    nan = float("nan")
    found = judge("kraken", [trade(index + 1, bid=nan, ask=nan) for index in range(9)])
    assert found["side"].level == "note"
    assert found["side"].about == "no trade came at the bid or the ask of a quote"


def test_quotes_that_come_before_their_trades_prove_no_side() -> None:
    """Half of the sides agree: that is no problem of the preset."""
    sides = ["buy", "sell"] * 10
    found = judge("binance", [trade(index + 1, side=side) for index, side in enumerate(sides)])
    assert found["side"].level == "note"


def test_unique_ids_that_fall_are_a_problem() -> None:
    """Where ids rise, the order shows what came after a break."""
    ids = [50, 70, 60, 80, 90, 95]
    found = judge("bitget", [trade(each) for each in ids])
    assert found["trade ids"].level == "problem"
    assert 'ids = "unique"' in found["trade ids"].line
    assert judge("bitget", [trade(each) for each in sorted(ids)])["trade ids"].level == "ok"


@pytest.mark.parametrize(
    ("lag_s", "level", "about"),
    [
        (0.1, "ok", "live trades come 0.10 s after their time"),
        (-3.0, "note", "this machine's clock is 3.0 s behind the venue's"),
        (60.0, "note", "live trades come 60.0 s after their time"),
        (1e6, "problem", "trades are 11.6 days old when they come"),
    ],
)
def test_clock_is_judged_by_the_fastest_trade(lag_s: float, level: str, about: str) -> None:
    """A slow trade is late; one from the future shows a wrong clock, one of last week the unit."""
    found = judge("kraken", [trade(1, lag_s=lag_s + 5), trade(2, lag_s=lag_s)])
    assert found["clock"].level == level
    assert about in found["clock"].about
