"""`tickerkit watch`: lines in a pipe, a live table on a terminal."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from commands import Command, InProcess, environment, on_posix
from peers import LOCAL, free_port, plain_server
from websockets.sync.server import ServerConnection

import tickerkit as tk
from tickerkit.cli.options import choose_token, split_addresses

pytestmark = on_posix

Start = Callable[..., InProcess]
EVIL = "[red]\u202eA[/red]"


@pytest.fixture
def server() -> Iterator[tk.TickServer]:
    """Return a server to which tests publish."""
    with tk.serve(None, port=0) as server:
        yield server


def trade(symbol: str, price: float, **more: object) -> dict[str, object]:
    """Return a tick without a time."""
    return {"symbol": symbol, "price": price, **more}


def test_pipe_gets_a_line_with_new_prices(server: tk.TickServer, start: Start) -> None:
    """A line has the time and the new prices, and comes at most once a second."""
    server.publish([trade("AAPL", 187.25, time="2026-01-02T03:04:05Z"), trade("MSFT", 421.5)])
    with start("watch", server.url) as command:
        command.until(r"^\S+  AAPL 187\.25  MSFT 421\.50$")
        for step in range(1, 4):
            server.publish(trade("MSFT", 421.5 + step, time=f"2026-01-02T03:04:0{step}Z"))
        command.until(r"^2026-01-02T03:04:03Z  MSFT 424\.50$")
        assert command.end() == 0
    assert command.err == ""
    assert "422.50" not in command.out


def test_address_of_the_page_is_accepted(server: tk.TickServer) -> None:
    """The link that `tickerkit serve` prints for browsers works."""
    server.publish(trade("AAPL", 187.25))
    with Command("watch", server.page) as command:
        command.until("AAPL 187.25")
        assert command.end(signal.SIGTERM) == 0


def test_quote_is_shown_without_a_trade(server: tk.TickServer, start: Start) -> None:
    """Without a price, the line has bid and ask."""
    server.publish({"symbol": "AAPL", "bid": 187.24, "ask": 187.26})
    with start("watch", server.url) as command:
        command.until(r"AAPL 187\.24/187\.26$")
        assert command.end() == 0


def test_numbers_are_shown_without_a_price(server: tk.TickServer, start: Start) -> None:
    """Of a sensor, the line has the names and the values of the first columns."""
    sensor = {"symbol": "kitchen", "temperature": 21.5, "humidity": 40.123456789, "size": 3}
    server.publish([sensor, trade("AAPL", 187.25)])
    with start("watch", server.url) as command:
        command.until(r"  kitchen temperature 21\.5 humidity 40\.123457  AAPL 187\.25$")
        assert command.end() == 0


def test_whole_numbers_are_shown_without_a_price(server: tk.TickServer, start: Start) -> None:
    """Also of a column of integers, since a float would round some; there, 0 stands for none."""
    server.publish([{"symbol": "meter", "pulses": 2**60 + 1}, {"symbol": "new", "level": 0.5}])
    with start("watch", server.url) as command:
        command.until(r"  meter pulses 1\.15292e\+18  new level 0\.5$")
        assert command.end() == 0


def test_alert_is_a_line(server: tk.TickServer, start: Start) -> None:
    """Each time that it fires; what a server has of before is not an alert."""
    server.publish([trade("AAPL", 1), trade("AAPL", 300), trade("AAPL", 1)])
    with start("watch", server.url, "--alert", "AAPL > 200", "--alert", "* crosses 2") as command:
        command.until(r"  AAPL 1\.00$")
        server.publish(trade("AAPL", 250.5, time="2026-01-02T03:04:05Z"))
        command.until(r"^2026-01-02T03:04:05Z  alert: AAPL is above 200: 250\.5$")
        command.until(r"  alert: AAPL crosses 2 up: 250\.5$")
        assert command.end() == 0
    assert command.out.count("alert:") == 2


def test_alerts_of_a_source_are_complete(start: Start, tmp_path: Path) -> None:
    """All ticks of a recording are judged before the command ends."""
    path = tmp_path / "ticks.jsonl"
    prices = [1, 3] * 500
    path.write_text("".join(f'{{"symbol": "A", "price": {price}}}\n' for price in prices))
    with start("watch", str(path), "--alert", "A > 2") as command:
        assert command.wait() == 0
    assert command.out.count("alert: A is above 2: 3\n") == 500


def test_text_that_is_no_alert_is_refused(start: Start) -> None:
    """The error lists the forms, and nothing is started."""
    with start("watch", "sim:AAPL", "--alert", "AAPL = 200") as command:
        assert command.wait() == 2
    assert "AAPL crosses 200" in command.err


def test_watch_ends_when_the_source_ends(start: Start) -> None:
    """The exit code is 0, and the last prices are printed."""
    ticks = [trade("AAPL", 100 + index) for index in range(3)]
    with tk.serve(ticks, port=0) as server, start("watch", server.url) as command:
        assert command.wait() == 0
    assert command.out.endswith("AAPL 102.00\n")
    assert command.err == "tickerkit: the source is finished\n"


def test_source_is_watched(start: Start, tmp_path: Path) -> None:
    """Its server runs inside the command; a recording ends by itself."""
    path = tmp_path / "ticks.jsonl"
    path.write_text('{"symbol": "AAPL", "price": 187.25}\n')
    with start("watch", str(path)) as command:
        assert command.wait() == 0
    assert command.out.endswith("AAPL 187.25\n")
    with start("watch", "sim:MSFT", "--every", "0.1") as command:
        command.until(r"  MSFT \d+\.\d\d$")
        assert command.end() == 0


def test_source_that_brings_nothing_is_named(start: Start) -> None:
    """The problem is printed once, and the command waits for the source."""
    with start("watch", f"events:http://127.0.0.1:{free_port()}/") as command:
        command.until(r"can't be a source of ticks: can't connect", stream="err")
        assert command.end() == 0
    assert command.out == ""


def test_word_that_is_no_source_is_refused_with_what_is_known(start: Start) -> None:
    """The error lists the kinds of sources, and addresses among them."""
    with start("watch", "krakn:BTC/USD") as command:
        assert command.wait() == 2
    assert "kraken" in command.err


@pytest.mark.parametrize("rows", [0, 24])
def test_refused_watch_is_exit_code_1(rows: int) -> None:
    """A server that needs a token is one line that says so."""
    with tk.serve(None, port=0, token="secret") as server:
        with Command("watch", server.url.partition("?")[0], terminal=rows) as command:
            assert command.wait() == 1
        assert "token" in command.err
        assert "Traceback" not in command.text
        assert command.err.count("\n") == 1
        server.publish(trade("AAPL", 1))
        with Command("watch", server.url) as command:
            command.until("AAPL")
            assert command.end() == 0
            assert "secret" not in command.out + command.err


def test_watch_takes_the_token_from_the_environment() -> None:
    """TICKERKIT_TOKEN keeps it out of the arguments, which others can see; --token works too."""
    with tk.serve(None, port=0, token="secret") as server:
        server.publish(trade("AAPL", 1))
        address = server.url.partition("?")[0]
        for more, variables in (([], {"TICKERKIT_TOKEN": "secret"}), (["--token", "secret"], {})):
            with Command("watch", address, *more, **variables) as command:
                command.until("AAPL")
                assert command.end() == 0


@pytest.mark.parametrize("kind", ["variable", "--token", "address"])
def test_other_servers_get_only_the_token_that_was_given_for_them(
    monkeypatch: pytest.MonkeyPatch, start: Start, kind: str
) -> None:
    """TICKERKIT_TOKEN is not sent to a server whose address isn't one of this machine alone."""
    monkeypatch.setenv("TICKERKIT_TOKEN", "secret")
    received: list[str] = []

    def send(peer: ServerConnection) -> None:
        assert peer.request is not None
        received.extend(map(str, peer.request.headers.raw_items()))
        peer.send('{"symbol": "AAPL", "price": 1}')
        next(iter(peer), None)  # until the client leaves

    with plain_server(send) as url:
        # A connection to 0.0.0.0 reaches this machine, but the address is not of loopback.
        other = url.replace(LOCAL, "0.0.0.0")
        address = f"{other}?token=given" if kind == "address" else other
        given = ["--token", "given"] if kind == "--token" else []
        with start("watch", address, *given) as command:
            command.until("AAPL")
            assert command.end() == 0
    sent = "".join(received)
    assert "secret" not in sent
    assert ("Bearer given" in sent) is (kind != "variable")


def test_token_of_the_address_wins_over_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A token that was given for a server is not replaced by TICKERKIT_TOKEN."""
    monkeypatch.setenv("TICKERKIT_TOKEN", "secret")
    assert choose_token(["ws://127.0.0.1:1/?token=given"], None) is None
    assert choose_token(["ws://127.0.0.1:1/?token=given"], "option") == "option"
    assert choose_token(["localhost:1"], "") == "secret"


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("ws://a/", ["ws://a/"]),
        ("ws://a/,wss://b/", ["ws://a/", "wss://b/"]),
        ("a:8000, http://b:1/", ["a:8000", "http://b:1/"]),
        ("ws://a/?s=A,B,ws://b/?s=C,D", ["ws://a/?s=A,B", "ws://b/?s=C,D"]),
    ],
)
def test_several_addresses_are_separated_by_commas(text: str, addresses: list[str]) -> None:
    """A comma separates only where an address with a scheme follows."""
    assert split_addresses(text) == addresses


def test_variable_holds_the_token_of_this_machine_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several addresses, all must be of this machine."""
    monkeypatch.setenv("TICKERKIT_TOKEN", "secret")
    assert choose_token(["localhost:1", "ws://127.0.0.1:2/"], None) == "secret"
    assert choose_token(["localhost:1", "wss://example.org/"], None) is None
    assert choose_token(["localhost:1", "ws://127.0.0.1:2/?token=given"], None) is None


def test_watch_tries_several_addresses(start: Start) -> None:
    """Prices come from the one that works."""
    with tk.serve(None, port=0) as server:
        server.publish({"symbol": "AAPL", "price": 1})
        nobody = f"ws://127.0.0.1:{free_port()}/"
        with start("watch", f"{nobody},{server.url}") as command:
            command.until("AAPL")
            assert command.end() == 0


def test_watch_waits_for_a_server_and_reconnects(start: Start) -> None:
    """Each lost connection is reported once, and prices continue with the next server."""
    with tk.serve(None, port=0) as server:
        port = server.port
    with start("watch", f"ws://127.0.0.1:{port}") as command:
        command.until("nothing listens there yet", stream="err")
        with tk.serve(None, port=port) as server:
            server.publish(trade("AAPL", 1))
            command.until("AAPL 1.00")
        command.until("reconnecting", stream="err")
        with tk.serve(None, port=port) as server:
            server.publish(trade("AAPL", 2))
            command.until("AAPL 2.00")
        assert command.end() == 0
    assert command.err.count("\n") <= 4, command.err


@pytest.mark.parametrize("rows", [0, 24])
def test_interrupt_ends_a_watch_that_still_connects(rows: int) -> None:
    """Ctrl-C while it connects is exit code 0."""
    with tk.serve(None, port=0) as server:
        port = server.port
    with Command("watch", f"127.0.0.1:{port}", terminal=rows) as command:
        command.until("nothing listens there yet", stream="text" if rows else "err")
        assert command.end() == 0
    assert "Traceback" not in command.text + command.err


def test_symbols_option_selects(server: tk.TickServer, start: Start) -> None:
    """Only the symbols of --symbols are shown."""
    server.publish([trade(symbol, 1) for symbol in ("AAPL", "MSFT", "GOOG")])
    with start("watch", server.url, "--symbols", "GOOG, AAPL") as command:
        line = command.until(r"^.*GOOG.*$")[0]
        assert "AAPL" in line
        assert command.end() == 0
    assert "MSFT" not in command.out


def test_watch_ends_when_its_reader_ends(server: tk.TickServer) -> None:
    """`tickerkit watch … | head -1` is exit code 0 without output on stderr."""
    server.publish(trade("AAPL", 1))
    command = [sys.executable, "-m", "tickerkit", "watch", server.url]
    with subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert b"AAPL" in process.stdout.readline()
        process.stdout.close()
        while process.poll() is None:
            server.publish(trade("AAPL", 2))
            try:
                process.wait(0.1)
            except subprocess.TimeoutExpired:
                continue
        assert (process.returncode, process.stderr.read()) == (0, b"")


def test_terminal_shows_a_live_table(server: tk.TickServer) -> None:
    """The price has an arrow and a colour for its direction; the status is below."""
    server.publish([trade("AAPL", 187.25, size=100), trade("MSFT", 421.5)])
    with Command("watch", server.url, terminal=24) as command:
        command.until(r"symbol +price +size +time \(UTC\) +ticks")
        command.until(r"AAPL +187\.25 +100 +\d\d:\d\d:\d\d\.\d{3} +1\s")
        command.until(r"● live from ws://127\.0\.0\.1:\d+/  [\d,]+ ticks/s")
        server.publish([trade("AAPL", 187.5), trade("MSFT", 421.25)])
        command.until(r"AAPL +187\.50 ▲ +100 .* 2\s")
        command.until(r"MSFT +421\.25 ▼ ")
        assert "bid" not in command.text
        server.publish(trade("AAPL", 187.75, bid=187.74, ask=187.76))
        command.until(r"symbol +price +size +bid +ask ")
        command.until(r"AAPL +187\.75 ▲ +100 +187\.74 +187\.76 ")
        assert re.search(r"\x1b\[32m *187\.50 ▲", command.out)
        assert re.search(r"\x1b\[31m *421\.25 ▼", command.out)
        assert command.end() == 0
    assert command.err == ""
    assert command.out.count("\x1b[?25l") == command.out.count("\x1b[?25h") == 1


def test_terminal_shows_the_connection() -> None:
    """The status below the table shows a broken connection, its gaps, and the end."""
    with tk.serve(None, port=0) as server:
        server.publish(trade("AAPL", 1))
        with Command("watch", server.url, terminal=24) as command:
            command.until("● live")
            port = server.port
            server.stop()
            command.until(
                r"● reconnecting to ws://\S+: .*nothing listens there\s+yet; trying again"
            )
            with tk.serve([trade("AAPL", 2)], port=port):
                assert command.wait() == 0
            command.until(r"● ended: the source is finished  1 gap")


def test_table_fits_the_terminal(server: tk.TickServer) -> None:
    """Symbols that don't fit are counted, and the status stays visible."""
    server.publish([trade(f"S{index:03}", index) for index in range(100)])
    with Command("watch", server.url, terminal=15) as command:
        command.until(r"S007 +7\.00")
        command.until(r"… and 92 more; --symbols chooses\s+● live")
        assert "S008" not in command.text
        assert command.end() == 0


def test_resized_terminal_is_drawn_anew(server: tk.TickServer) -> None:
    """Nothing of the old table stays, and the new one is as wide as the terminal."""
    server.publish(trade("AAPL", 187.25, size=100))
    with Command("watch", server.url, terminal=24) as command:
        command.until(r"symbol +price +size +time \(UTC\) +ticks")
        command.resize(24, 30)
        command.until(r"\x1b\[2J\x1b\[H", stream="out")
        command.until(r"symbol +price\s+─+\s+AAPL +187\.25\s+●")
        assert command.end() == 0


def test_time_of_another_day_has_its_date(server: tk.TickServer) -> None:
    """A replay of last year doesn't look like today."""
    server.publish(trade("AAPL", 1, time="2020-01-02T03:04:05.678Z"))
    with Command("watch", server.url, terminal=24) as command:
        command.until(r"AAPL +1\.00 +– +2020-01-02 03:04:05 +1\s")
        assert command.end() == 0


@pytest.mark.parametrize("rows", [0, 24])
def test_symbols_are_escaped(server: tk.TickServer, rows: int) -> None:
    """Markup in a symbol has no effect, and direction marks are escaped."""
    server.publish(trade(EVIL, 1))
    with Command("watch", server.url, terminal=rows) as command:
        shown = command.until(r"\[red\]\S+")[0]
        assert command.end() == 0
    assert shown.startswith(r"[red]\u202eA[/r")
    assert "\u202e" not in command.out


def test_terminal_has_a_column_for_each_number_of_sensors(server: tk.TickServer) -> None:
    """Without any price, the columns are those of the ticks; the first has the arrow."""
    server.publish({"symbol": "kitchen", "temperature": 21.5, "humidity": 40})
    server.publish({"symbol": "garden", "temperature": 8})
    with Command("watch", server.url, terminal=24) as command:
        command.until(r"symbol +temperature +humidity +time", stream="text")
        command.until(r"kitchen +21\.5 +40 ", stream="text")
        command.until(r"garden +8 +– ", stream="text")
        server.publish({"symbol": "kitchen", "temperature": 22})
        command.until(r"kitchen +22 ▲ +40 ", stream="text")
        server.publish(trade("AAPL", 187.25))
        command.until(r"kitchen +temperature 22 ▲ ", stream="text")
        assert command.end() == 0
