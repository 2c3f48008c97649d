"""`tickerkit serve`: addresses, access, sources, and a clean end."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from commands import Command, InProcess, environment, on_posix, port_is_free
from peers import dial
from websockets.exceptions import InvalidStatus

import tickerkit as tk
from tickerkit.net.interfaces import find_network_address

pytestmark = on_posix

Start = Callable[..., InProcess]

ROWS = [{"symbol": "AAPL", "price": 100 + index / 4} for index in range(50)]


def fetch(url: str) -> tuple[int, str]:
    """Return the status and body of a page."""
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def addresses(command: Command | InProcess) -> tuple[str, str, int]:
    """Return the page, the websocket and the port that a command prints."""
    page = command.until(r"page +(http://127\.0\.0\.1:(\d+)/\S*)")
    websocket = command.until(r"websocket +(ws://\S+)")
    return page[1], websocket[1], int(page[2])


@pytest.fixture
def imports(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Remove what running a Python file adds to this process's imports."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield
    sys.modules.pop("helper", None)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Return a CSV recording of 50 ticks without times, which replay at once."""
    path = tmp_path / "ticks.csv"
    path.write_text("symbol,price\n" + "".join(f"AAPL,{row['price']}\n" for row in ROWS))
    return path


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_serve_prints_working_addresses_and_ends_cleanly(how: signal.Signals) -> None:
    """Page and websocket work as printed; a signal ends it with 0 and frees the port."""
    with Command("serve", "sim:AAPL,MSFT", "--port", "0") as command:
        page, websocket, port = addresses(command)
        command.until("Ctrl-C stops it")
        assert fetch(page)[0] == 200
        with tk.connect(websocket) as feed:
            feed.wait(5)
            assert set(feed.wait(20).latest().index) == {"AAPL", "MSFT"}
        assert command.end(how) == 0
        assert command.until(r"^stopped after [\d,]+ ticks and 1 connection$")
    assert command.err == ""
    assert port_is_free(port)


def test_sigterm_drains_and_another_signal_ends_the_drain(until: Callable[..., None]) -> None:
    """Its clients are closed over `--drain`; meanwhile it is not ready for others."""
    with Command("serve", "sim:AAPL", "--port", "0", "--drain", "10m") as command:
        _, websocket, port = addresses(command)
        command.until("Ctrl-C stops it")
        with dial(websocket), dial(websocket):
            until(lambda: fetch(f"http://127.0.0.1:{port}/metrics")[1].count("clients 2.0"))
            command.process.send_signal(signal.SIGTERM)
            command.until("closing 2 clients over 10m")
            until(lambda: fetch(f"http://127.0.0.1:{port}/readyz") == (503, "draining\n"))

            def has_ended() -> bool:
                # Within a second of the first signal, another one counts as the same; and signals
                # without a pause would interrupt each cleanup.
                command.process.send_signal(signal.SIGTERM)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    command.process.wait(1.5)
                return command.process.poll() is not None

            until(has_ended, 20)
            # SIGTERM has its default effect again once the first handler has raised.
            assert command.wait() in (130, -signal.SIGTERM)
    assert port_is_free(port)


def test_ctrl_c_does_not_drain() -> None:
    """It closes all clients at once; an invalid time is refused before the start."""
    with Command("serve", "sim:AAPL", "--port", "0", "--drain", "10m") as command:
        _, websocket, _ = addresses(command)
        command.until("Ctrl-C stops it")
        with dial(websocket) as peer:
            peer.recv(10)
            assert command.end(signal.SIGINT) == 0
    with Command("serve", "--port", "0", "--drain", "soon") as command:
        assert command.wait() == 2
        assert "Invalid --drain" in command.err


def test_serve_without_a_source_simulates_five_shares(start: Start) -> None:
    """`tickerkit serve` alone needs neither a key nor a network."""
    with start("serve", "--port", "0") as command:
        _, websocket, _ = addresses(command)
        with tk.connect(websocket) as feed:
            feed.wait(100)
            assert len(feed.latest()) == 5
        assert command.end() == 0


def test_serve_puts_the_token_into_its_links(start: Start) -> None:
    """The printed links open; the address without the token is refused."""
    with start("serve", "sim:AAPL", "--port", "0", "--token", "a b&c") as command:
        page, websocket, port = addresses(command)
        assert page.endswith("/?token=a%20b%26c")
        assert fetch(page)[0] == 200
        assert fetch(f"http://127.0.0.1:{port}/")[0] == 401
        with tk.connect(websocket) as feed:
            feed.wait(1)
        assert command.end() == 0


def test_serve_shows_a_page_of_the_users_own(tmp_path: Path, start: Start) -> None:
    """At the address that it prints; a page that is not there is exit code 2."""
    (tmp_path / "index.html").write_text("<p>mine")
    with start("serve", "--port", "0", "--page", str(tmp_path)) as command:
        page, _, _ = addresses(command)
        assert fetch(page) == (200, "<p>mine")
    with start("serve", "--port", "0", "--page", str(tmp_path / "no.html")) as command:
        assert command.wait() == 2
    assert "Invalid --page" in command.err


def test_serve_takes_the_token_from_the_environment() -> None:
    """Other users of the machine can see arguments, but not TICKERKIT_TOKEN; --token wins."""
    with Command("serve", "sim:AAPL", "--port", "0", TICKERKIT_TOKEN="hidden") as command:
        page, _, port = addresses(command)
        assert page.endswith("/?token=hidden")
        assert fetch(f"http://127.0.0.1:{port}/")[0] == 401
        assert command.end() == 0
    both = ["serve", "sim:AAPL", "--port", "0", "--token", "shown"]
    with Command(*both, TICKERKIT_TOKEN="hidden") as command:
        assert addresses(command)[0].endswith("/?token=shown")
        assert command.end() == 0


def test_serve_on_all_addresses_generates_a_token(start: Start) -> None:
    """--no-token admits other machines without one."""
    with start("serve", "--host", "0.0.0.0", "--port", "0") as command:
        page, _, port = addresses(command)
        assert re.search(r"\?token=\S{16,}$", page)
        assert fetch(f"http://127.0.0.1:{port}/")[0] == 401
        if (address := find_network_address()) is not None:
            token = page.partition("?")[2]
            for name, link in (
                ("for others", f"http://{address}:{port}/"),
                ("prices now", f"ws://{address}:{port}/"),
                ("every tick", f"ws://{address}:{port}/ticks"),
            ):
                command.until(rf"^ +{name} +{re.escape(link)}\?{re.escape(token)}$")
        assert command.end() == 0
    with start("serve", "--host", "0.0.0.0", "--port", "0", "--no-token") as command:
        page, _, _ = addresses(command)
        assert page.endswith("/")
        assert fetch(page)[0] == 200
        assert command.end() == 0


def test_serve_admits_the_given_hosts_and_origins(start: Start) -> None:
    """Other names are refused, and reported."""
    with start(
        "serve", "--port", "0", "--hosts", "a.example, b.example", "--origins", "https://c.example"
    ) as command:
        page, _, _ = addresses(command)
        for host, status in (("b.example", 200), ("c.example", 403)):
            request = urllib.request.Request(page, headers={"Host": host})
            assert fetch(request)[0] == status  # type: ignore[arg-type]
        command.until(r'turned away: .* "c\.example"; pass hosts=', stream="err")
        request = urllib.request.Request(page, headers={"Origin": "https://c.example"})
        assert fetch(request)[0] == 200  # type: ignore[arg-type]
        assert command.end() == 0


@pytest.mark.parametrize("command", [["serve"], ["replay"]])
def test_clients_are_limited_and_metrics_have_a_port(
    start: Start, recording: Path, command: list[str]
) -> None:
    """A websocket beyond `--max-clients` gets 503; the metrics need no token on their port."""
    # A replay that has ended would close the websocket.
    what = [str(recording), "--wait-for", "1"] if command == ["replay"] else []
    more = ["--max-clients", "1", "--metrics-port", "0", "--token", "sesame"]
    with start(*command, *what, "--port", "0", *more) as running:
        _, websocket, port = addresses(running)
        metrics = running.until(r"metrics +(http://127\.0\.0\.1:\d+/metrics)")[1]
        with dial(websocket):
            assert fetch(f"http://127.0.0.1:{port}/readyz") == (503, "full\n")
            assert "tickerkit_clients 1.0" in fetch(metrics)[1]
            with pytest.raises(InvalidStatus) as caught:
                dial(websocket)
        assert caught.value.response.status_code == 503
        assert running.end() == 0


def test_serve_on_a_taken_port_names_its_holder() -> None:
    """One line names the port and the fix; exit code 1."""
    with tk.serve(None, port=0) as server, Command("serve", "--port", str(server.port)) as command:
        assert command.wait() == 1
    assert command.out == ""
    assert command.err.startswith(f"tickerkit: port {server.port} of 127.0.0.1 is taken by ")
    assert "pass --port 0 for a free port" in command.err
    assert command.err.count("\n") == 1


def test_serve_on_a_foreign_address_is_one_line(start: Start) -> None:
    """An address that can't be bound is exit code 1."""
    with start("serve", "--host", "192.0.2.1", "--port", "0") as command:
        assert command.wait() == 1
    assert command.err.startswith("tickerkit: can't listen on port 0 of 192.0.2.1: ")
    assert command.err.count("\n") == 1


def test_serve_stays_after_a_recording_has_ended(recording: Path, start: Start) -> None:
    """Clients that join later get all of it."""
    with start("serve", str(recording), "--port", "0") as command:
        _, websocket, _ = addresses(command)
        for _ in range(2):
            with tk.connect(websocket, history=None) as feed:
                feed.wait(len(ROWS))
                assert feed.frame()["price"].tolist() == [row["price"] for row in ROWS]
        assert command.end() == 0
    assert command.err == ""


def test_serve_holds_history_ticks(recording: Path, start: Start) -> None:
    """With --history 10, clients that join later get the last ten."""
    with start("serve", str(recording), "--port", "0", "--history", "10") as command:
        _, websocket, _ = addresses(command)
        with tk.connect(websocket, history=None) as feed:
            feed.wait(10)
            assert feed.frame()["seq"].tolist() == list(range(41, 51))
        assert command.end() == 0


def test_serve_of_a_file_without_ticks_is_one_line(tmp_path: Path, start: Start) -> None:
    """The line names the file; exit code 1."""
    path = tmp_path / "novel.csv"
    path.write_text("It was a dark and stormy night.\n")
    with start("serve", str(path), "--port", "0") as command:
        assert command.wait() == 1
    assert "novel.csv" in command.err
    assert command.err.count("\n") == 1


def test_serve_calls_a_function_of_a_file(tmp_path: Path, imports: None, start: Start) -> None:
    """`prices.py:fetch` is called every --every seconds, and may import its neighbours."""
    (tmp_path / "helper.py").write_text("START = 100\n")
    (tmp_path / "prices.py").write_text(
        "from helper import START\n"
        "calls = []\n"
        "def fetch_stock_prices():\n"
        "    calls.append(1)\n"
        "    return [{'symbol': 'AAPL', 'price': START + len(calls)}]\n"
    )
    source = str(tmp_path / "prices.py:fetch_stock_prices")
    with start("serve", source, "--port", "0", "--every", "0.05") as command:
        _, websocket, _ = addresses(command)
        with tk.connect(websocket) as feed:
            prices = feed.wait(3).frame()["price"].tolist()
        assert prices[:3] == [101, 102, 103]
        assert command.end() == 0


def test_serve_continues_after_a_function_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, imports: None, start: Start
) -> None:
    """The error is reported once, and the function is called again."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prices.py").write_text(
        "calls = []\n"
        "def fetch():\n"
        "    calls.append(1)\n"
        "    if len(calls) <= 20:\n"
        "        raise RuntimeError('the exchange\\n is closed')\n"
        "    return {'symbol': 'AAPL', 'price': 1}\n"
    )
    with start("serve", "prices.py:fetch", "--port", "0", "--every", "0.05") as command:
        _, websocket, _ = addresses(command)
        with tk.connect(websocket) as feed:
            feed.wait(1)
        command.until("closed", stream="err")
        assert command.end() == 0
    assert command.err == "tickerkit: RuntimeError: the exchange is closed (prices.py, line 5)\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "there is no file"),
        ("x = 1\n1 / 0\n", "ZeroDivisionError: division by zero (line 2)"),
        ("def fetch(:\n", "SyntaxError"),
        ("def other(): pass\n", "prices.py has no function fetch"),
    ],
)
def test_serve_names_the_fault_of_a_function_file(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    imports: None,
    text: str | None,
    problem: str,
    start: Start,
) -> None:
    """A missing or broken file, or one without the function, is one line; exit code 2."""
    monkeypatch.chdir(tmp_path)
    if text is not None:
        (tmp_path / "prices.py").write_text(text)
    with start("serve", "prices.py:fetch", "--port", "0") as command:
        assert command.wait() == 2
    assert problem in command.err
    assert command.err.count("\n") == 1


def test_serve_shows_its_state_on_a_terminal(recording: Path) -> None:
    """One live line has clients, ticks and rate, and is gone at the end."""
    with Command("serve", "sim:AAPL", "--port", "0", terminal=24) as command:
        _, websocket, _ = addresses(command)
        command.until(r"● listening  0 clients  [\d,]+ ticks?  [\d,]+/s")
        with tk.connect(websocket) as feed:
            feed.wait(1)
            command.until(r"● listening  1 client  [\d,]+ ticks  [1-9]\d*/s")
        assert command.end() == 0
        assert command.until(r"stopped after [\d,]+ ticks and 1 connection")
    assert command.err == ""
    assert command.out.count("\x1b[?25l") == command.out.count("\x1b[?25h") == 1
    with Command("serve", str(recording), "--port", "0", terminal=24) as command:
        command.until(r"● ended  0 clients  50 ticks  [\d,]+/s  the source is finished")
        assert command.end() == 0


def test_serve_guesses_the_map_of_stdin_and_prints_it() -> None:
    """`… | tickerkit serve -` without a map: the guess is a line of stderr."""
    command = [sys.executable, "-m", "tickerkit", "serve", "-", "--port", "0"]
    with subprocess.Popen(
        command,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write('{"s": "BTC-USD", "p": "100.5"}\n' * 3)
        process.stdin.flush()
        line = process.stderr.readline()
        assert "{'symbol': 's', 'price': 'p'} (a guess" in line
        assert "write it to a file for --fields" in line
        process.send_signal(signal.SIGINT)
        process.stdin.close()
        assert process.wait(30) == 0


def test_serve_reads_json_lines_from_stdin(tmp_path: Path) -> None:
    """`mosquitto_sub … | tickerkit serve - --fields map.toml`: the server stays after the end."""
    fields = tmp_path / "map.toml"
    fields.write_text('symbol = "topic"\ntemperature = "payload.t"\n')
    command = [sys.executable, "-m", "tickerkit", "serve", "-", "--port", "0"]
    with subprocess.Popen(
        [*command, "--fields", str(fields)],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        found = next(filter(None, (re.search(r"websocket +(ws://\S+)", line) for line in lines)))
        process.stdin.write('{"topic": "kitchen", "payload": {"t": 21.5}}\n')
        process.stdin.flush()
        with tk.connect(found[1]) as feed:
            assert feed.wait(1).latest().loc["kitchen", "temperature"] == 21.5
            process.stdin.close()
            with contextlib.suppress(tk.WaitTimeout):
                feed.wait(1, timeout=30)
            assert feed.status == "ended"
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sim:AAPL", "--fields", "map.toml"], '--fields is for SOURCE "-"'),
        (["-", "--fields", "missing.toml"], "can't read the field map missing.toml"),
    ],
)
def test_wrong_use_of_a_field_map_is_exit_code_2(
    start: Start, arguments: list[str], message: str
) -> None:
    """It is one line, and nothing is served."""
    with start("serve", *arguments, "--port", "0") as command:
        assert command.wait() == 2
    assert message in command.err
    assert "Traceback" not in command.err


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("krakn:BTC/USD", "did you mean 'kraken:BTC/USD'?"),
        ("nonsense", '"kraken:BTC/USD", "mqtt://host/topic", "events:https://host/stream"'),
    ],
)
def test_unknown_source_is_exit_code_2(start: Start, source: str, message: str) -> None:
    """The error proposes the venue that was meant, or lists what a command accepts."""
    with start("serve", source, "--port", "0") as command:
        assert command.wait() == 2
    assert message in command.err
