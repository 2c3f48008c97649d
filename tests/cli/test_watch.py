"""`tickerkit watch`, in a pipe and in a terminal."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from commands import Command, environment, on_posix

import tickerkit as tk

pytestmark = on_posix

EVIL = "[red]\u202eA[/red]"


@pytest.fixture
def server() -> Iterator[tk.TickServer]:
    """Return a server that serves what it is given by hand."""
    with tk.serve(None, port=0) as server:
        yield server


def trade(symbol: str, price: float, **more: object) -> dict[str, object]:
    """Return a tick of now."""
    return {"symbol": symbol, "price": price, **more}


def test_watch_in_a_pipe_prints_what_is_new(server: tk.TickServer) -> None:
    """In a pipe a line has the time and the prices that are new, at most one in a second."""
    server.publish([trade("AAPL", 187.25, time="2026-01-02T03:04:05Z"), trade("MSFT", 421.5)])
    with Command("watch", server.url) as command:
        command.until(r"^\S+  AAPL 187\.25  MSFT 421\.50$")
        for step in range(1, 4):
            server.publish(trade("MSFT", 421.5 + step, time=f"2026-01-02T03:04:0{step}Z"))
        command.until(r"^2026-01-02T03:04:03Z  MSFT 424\.50$")
        assert command.end() == 0
    assert command.err == ""
    assert "422.50" not in command.out


def test_watch_takes_the_address_of_the_page(server: tk.TickServer) -> None:
    """The link that `tickerkit serve` prints for browsers will do."""
    server.publish(trade("AAPL", 187.25))
    with Command("watch", server.page) as command:
        command.until("AAPL 187.25")
        assert command.end(signal.SIGTERM) == 0


def test_watch_shows_quotes_where_there_is_no_trade(server: tk.TickServer) -> None:
    """Without a price, bid and ask stand for it."""
    server.publish({"symbol": "AAPL", "bid": 187.24, "ask": 187.26})
    with Command("watch", server.url) as command:
        command.until(r"AAPL 187\.24/187\.26$")
        assert command.end() == 0


def test_watch_ends_with_the_source() -> None:
    """When the source is finished so is watch, with exit code 0 and the last prices."""
    ticks = [trade("AAPL", 100 + index) for index in range(3)]
    with tk.serve(ticks, port=0) as server, Command("watch", server.url) as command:
        assert command.wait() == 0
    assert command.out.endswith("AAPL 102.00\n")
    assert command.err == "tickerkit: the source is finished\n"


@pytest.mark.parametrize("rows", [0, 24])
def test_watch_fails_when_it_is_refused_for_good(rows: int) -> None:
    """A server that wants a token is one line that says so, exit code 1."""
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


def test_watch_waits_for_a_server_and_reconnects() -> None:
    """It says on stderr, once each time, that nothing listens there, and goes on when one does."""
    with tk.serve(None, port=0) as server:
        port = server.port
    with Command("watch", f"ws://127.0.0.1:{port}") as command:
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
def test_watch_of_nothing_ends_cleanly(rows: int) -> None:
    """Ctrl-C while it still tries to connect is exit code 0."""
    with tk.serve(None, port=0) as server:
        port = server.port
    with Command("watch", f"127.0.0.1:{port}", terminal=rows) as command:
        command.until("nothing listens there yet", stream="text" if rows else "err")
        assert command.end() == 0
    assert "Traceback" not in command.text + command.err


def test_watch_shows_only_the_symbols_asked_for(server: tk.TickServer) -> None:
    """--symbols chooses."""
    server.publish([trade(symbol, 1) for symbol in ("AAPL", "MSFT", "GOOG")])
    with Command("watch", server.url, "--symbols", "GOOG, AAPL") as command:
        line = command.until(r"^.*GOOG.*$")[0]
        assert "AAPL" in line
        assert command.end() == 0
    assert "MSFT" not in command.out


def test_watch_ends_when_its_reader_does(server: tk.TickServer) -> None:
    """`tickerkit watch … | head -1` ends with exit code 0 and without a word."""
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


def test_watch_shows_a_table_in_a_terminal(server: tk.TickServer) -> None:
    """A terminal shows a live table, coloured by the way each price moved, and the state."""
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


def test_watch_in_a_terminal_follows_the_connection() -> None:
    """The state under the table tells a broken connection, its gaps, and the end."""
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


def test_watch_has_as_many_rows_as_the_terminal(server: tk.TickServer) -> None:
    """More symbols than fit are counted, and the state stays in sight."""
    server.publish([trade(f"S{index:03}", index) for index in range(100)])
    with Command("watch", server.url, terminal=15) as command:
        command.until(r"S007 +7\.00")
        command.until(r"… and 92 more; --symbols chooses\s+● live")
        assert "S008" not in command.text
        assert command.end() == 0


def test_watch_shows_a_time_of_another_day_by_its_date(server: tk.TickServer) -> None:
    """A replay of last year does not look like now."""
    server.publish(trade("AAPL", 1, time="2020-01-02T03:04:05.678Z"))
    with Command("watch", server.url, terminal=24) as command:
        command.until(r"AAPL +1\.00 +– +2020-01-02 03:04:05 +1\s")
        assert command.end() == 0


@pytest.mark.parametrize("rows", [0, 24])
def test_watch_shows_symbols_as_they_are(server: tk.TickServer, rows: int) -> None:
    """Markup in a symbol is no markup, and marks of direction are made visible."""
    server.publish(trade(EVIL, 1))
    with Command("watch", server.url, terminal=rows) as command:
        shown = command.until(r"\[red\]\S+")[0]
        assert command.end() == 0
    assert shown.startswith(r"[red]\u202eA[/r")
    assert "\u202e" not in command.out
