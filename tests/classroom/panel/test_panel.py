"""Panel: what a tap sends to the pages that show it, and the orders that it takes from them."""

from __future__ import annotations

import inspect
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from peers import dial, echo, plain_server
from websockets.sync.client import connect

import tickerkit as tk
from tickerkit.classroom import Tap, tap_proxy
from tickerkit.classroom.panel import widget
from tickerkit.classroom.panel.exchange import ORDERS
from tickerkit.classroom.panel.page_side import PARTS, read_page_side
from tickerkit.classroom.panel.reader import FrameReader, TapFacts
from tickerkit.classroom.panel.widget import Panel
from tickerkit.runtime.presence import LEASE_S
from tickerkit.wire import Fields, FrameLog

Until = Callable[..., None]
HERE = {"kind": "here", "page": "a", "from": 1}
FACTS = TapFacts("listening", "127.0.0.1:1", "127.0.0.1:2", None, True)


class Shown:
    """A panel whose messages are kept; a test sends them by hand."""

    def __init__(self, tap: Tap) -> None:
        self.tap = tap
        self.panel = tap._make_panel()
        self.sent: list[tuple[dict[str, Any], list[bytes]]] = []
        self.panel.send = lambda content, buffers=None: self.sent.append((content, buffers or []))

    def receive(self, message: object) -> list[dict[str, Any]]:
        """Take a message of a page; return what the panel sends then."""
        self.panel._handle_message(None, message, [])
        return self.flush()

    def flush(self) -> list[dict[str, Any]]:
        """Return what the panel sends now."""
        before = len(self.sent)
        self.panel.flush()
        return [content for content, _ in self.sent[before:]]

    def order(self, name: object, **arguments: object) -> list[dict[str, Any]]:
        """Return the answers to an order."""
        return self.receive({"kind": "order", "id": "a-1", "name": name, "arguments": arguments})


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shown]:
    """Show the panel of a tap on an echo server, without the sending thread."""
    monkeypatch.setattr(widget.SENDER, "request", lambda _: None)
    with plain_server(echo, compression="deflate") as url, tk.tap(url) as tap:
        shown = Shown(tap)
        yield shown
        shown.panel.close()


def make_reader(log: FrameLog) -> FrameReader:
    """Return a reader of a log without connections."""
    return FrameReader(log, {}, bytes, lambda: FACTS, lambda function, *args: function(*args))


def append(log: FrameLog, count: int) -> None:
    """Append frames of text, each with its number."""
    for _ in range(count):
        payload = str(log.stop).encode()
        header = bytes([0x81, len(payload)])
        fields: Fields = (
            *(log.stop * 1000, 1, "client", header, payload, len(payload), (), "", 1, 0, 1, b"", 0),
        )
        log.append(fields)


def test_a_page_gets_rows_events_and_state(shown: Shown, until: Until) -> None:
    """Frames have a row each, handshakes are there without secrets, and nothing comes twice."""
    with dial(shown.tap.url + "?token=sesame") as peer:
        peer.send("hi")
        peer.recv(5)
        assert shown.tap.ping("client") == 1
        until(lambda: len(shown.tap.frames()) == 4)
        (message,) = shown.receive(HERE)
        assert (message["start"], message["stop"]) == (1, 5)
        text, back, ping, pong = message["rows"]
        assert text[:1] + text[2:6] == (1, 1, 1, 0, 2)
        assert (text[6][:4], text[7]) == ("8182", b"hi".hex())
        assert back == (2, back[1], 1, 0, 0, 2, "8102", b"hi".hex(), "", 0)
        assert (ping[4], pong[4]) == (1, 4)
        assert pong[8].startswith("answers the tap's ping 3: client ")
        assert [event[2] for event in message["events"]] == ["request", "answer"]
        assert message["events"][1][3].endswith("101 Switching Protocols; accept key right")
        assert "sesame" not in str(message)
        state = message["state"]
        assert (state["status"], state["frames"], state["held"]) == ("listening", 4, 0)
        ((number, _, client_ms, server_ms),) = state["links"]
        assert (number, client_ms > 0, server_ms) == (1, True, None)
        assert shown.flush() == []
    until(lambda: shown.tap.links["ended"][0])
    (message,) = shown.flush()
    assert [event[2] for event in message["events"]] == ["end"]
    assert message["state"]["links"] == []


def test_of_many_frames_the_newest_have_rows_and_the_counts_add_up() -> None:
    """Rows, and frames without one, are all frames, whatever has left the log."""
    log = FrameLog(10**9)
    reader = make_reader(log)
    shown = omitted = 0
    expected = 1
    for count in (3, 600, 0, 250, 251):
        append(log, count)
        message = reader.read(250)
        assert message["start"] == expected
        assert [row[0] for row in message["rows"]] == list(
            range(message["stop"] - len(message["rows"]), message["stop"])
        )
        shown += len(message["rows"])
        omitted += message["stop"] - message["start"] - len(message["rows"])
        expected = message["stop"]
    assert (shown, omitted) == (3 + 250 + 250 + 250, 350 + 1)
    log.keep_bytes = log.bytes
    append(log, 2000)
    message = reader.read(10)
    assert message["start"] == log.first > expected


def test_a_page_that_comes_later_gets_what_the_tap_holds() -> None:
    """After a rewind the frames are read again, and only those from there on."""
    log = FrameLog(10**9)
    reader = make_reader(log)
    append(log, 20)
    assert len(reader.read(250)["rows"]) == 20
    reader.rewind(11)
    assert [row[0] for row in reader.read(250)["rows"]] == list(range(11, 21))
    reader.rewind(500)
    assert reader.read(250)["rows"] == []


def test_deflated_frames_are_inflated_in_order(shown: Shown, until: Until) -> None:
    """Rows have the text, also when a page comes later; so has the whole frame."""
    texts = [f'{{"symbol": "AAPL", "price": {number}}}' for number in range(20)]
    with connect(shown.tap.url, proxy=None) as peer:
        for text in texts[:10]:
            peer.send(text)
            assert peer.recv(5) == text
        (message,) = shown.receive(HERE)
        for text in texts[10:]:
            peer.send(text)
            assert peer.recv(5) == text
        (more,) = shown.flush()
        (again,) = shown.receive({**HERE, "page": "b", "from": 31})
    rows = [*message["rows"], *more["rows"]]
    assert [bytes.fromhex(row[7]).decode() for row in rows[::2]] == texts
    assert {row[4] for row in rows} == {8}
    assert again["rows"] == rows[30:]
    shown.receive({"kind": "ask", "seq": 39})
    answer, (payload, content) = next(each for each in shown.sent if each[1])
    assert (answer["seq"], answer["problem"], answer["read"] > 0) == (39, "", True)
    assert content.decode() == texts[-1]
    assert answer["length"] == len(payload) < len(content)


def test_a_frame_that_has_gone_is_answered_without_buffers(shown: Shown) -> None:
    """A page that asks for it learns that the tap no longer holds it."""
    (answer,) = shown.receive({"kind": "ask", "seq": 7})
    assert (answer["kind"], answer["seq"], shown.sent[-1][1]) == ("payload", 7, [])


def test_connections_that_the_tap_has_dropped_are_forgotten(
    shown: Shown, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After many connections, only what happened to those still listed is remembered."""
    monkeypatch.setattr(tap_proxy, "MAX_ENDED", 2)
    for number in range(1, 7):
        with dial(shown.tap.url):
            until(lambda count=number: shown.tap.accepted == count)
        until(lambda: shown.tap.links["ended"].iloc[-1])
        shown.receive({"kind": "here", "page": "a"})
    assert len(shown.tap.links) == 2
    assert len(shown.panel._exchange._reader._events_read) <= 6


def test_nothing_is_sent_while_no_page_shows_it(shown: Shown) -> None:
    """Before a page reports, after it has gone, and a minute after its last report."""
    assert shown.flush() == []
    assert len(shown.receive(HERE)) == 1
    append(shown.tap._log, 1)
    assert shown.receive({"kind": "away", "page": "a"}) == []
    assert len(shown.receive({"kind": "here", "page": "a"})) == 1
    append(shown.tap._log, 1)
    lease = shown.panel._exchange._lease
    lease._clock = lambda: lease._until + LEASE_S
    lease._idle_since = lambda: 0.0
    assert shown.flush() == []


def test_orders_are_methods_of_the_tap() -> None:
    """Each has the arguments of its method."""
    for name, arguments in ORDERS.items():
        parameters = list(inspect.signature(getattr(Tap, name)).parameters)
        assert parameters == ["self", *arguments]


def test_orders_are_given_and_refused_in_sentences(shown: Shown, until: Until) -> None:
    """A page learns what was done, and what the tap refuses; anything else is ignored."""
    (answer,) = shown.order("ping", toward="client")
    assert answer["text"] == "Ping: nothing was done, since no connection is open."
    (answer,) = shown.order("hold")
    assert answer["text"] == "Hold: it holds for the next connection; none is open."
    assert shown.tap.status == "holding"
    with dial(shown.tap.url):
        until(lambda: len(shown.tap.links))
        (answer,) = shown.order("close", code=1012, link=1)
        assert (answer["ok"], answer["text"]) == (True, "Close: given to 1 connection.")
        until(lambda: shown.tap.links["ended"][0])
    (answer,) = shown.order("corrupt", kind="all", toward="client")
    assert not answer["ok"]
    assert answer["text"].startswith("Invalid kind='all'; expected ")
    for name, arguments in (("stop", {}), ("_order", {}), (["hold"], {}), ("hold", {"port": 1})):
        assert shown.order(name, **arguments) == []
    for message in ("hold", {"kind": "order"}, {"kind": "here"}, {"kind": "ask", "seq": "1"}):
        assert shown.receive(message) == []
    shown.tap.stop()
    (answer,) = shown.order("drop")
    assert "tk.tap again" in answer["text"]
    (message,) = shown.receive(HERE)
    assert message["state"]["status"] == "stopped"


def test_a_page_saves_sets_compression_and_asks_for_the_projector(
    shown: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer says where the file is; other formats than those of the tap are refused."""
    monkeypatch.chdir(tmp_path)
    (answer,) = shown.order("save", suffix="har")
    (path,) = tmp_path.iterdir()
    assert answer["text"] == f"Saved: {path}"
    assert path.name.startswith(f"tap-{shown.tap.port}-")
    assert not shown.order("save", suffix="../x.har")[0]["ok"]
    shown.order("compress", is_on=False)
    assert shown.tap.compression is False
    assert shown.receive(HERE)[0]["state"]["compression"] is False
    assert shown.order("project")[0]["text"].endswith(shown.tap.projector)


def test_the_thread_sends_until_the_tap_stops(until: Until) -> None:
    """Frames come by themselves while a page is there; the thread ends with the tap."""
    with plain_server(echo) as url, tk.tap(url) as tap:
        shown = Shown(tap)
        shown.panel._handle_message(None, HERE, [])
        with dial(tap.url) as peer:
            peer.send("hi")
            until(lambda: sum(len(content["rows"]) for content, _ in shown.sent) == 2)
    until(lambda: shown.sent[-1][0]["state"]["status"] == "stopped")
    shown.panel.close()


def test_a_cell_shows_the_panel_and_keeps_the_card(
    shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a kernel the value of a cell is the widget; elsewhere, and in a file, it is the card."""
    kind = "application/vnd.jupyter.widget-view+json"
    assert kind not in shown.tap._repr_mimebundle_()
    monkeypatch.setattr(tap_proxy, "shows_widgets", lambda: True)
    bundle = shown.tap._repr_mimebundle_()
    assert bundle[kind]["model_id"] == shown.panel.model_id
    assert "connections" in bundle["text/html"]
    assert bundle["text/plain"] == repr(shown.tap)


def test_the_page_side_is_one_module_of_all_files(node: str, tmp_path: Path) -> None:
    """Node.js runs it, and its default export gives what anywidget calls."""
    folder = Path(widget.__file__).parent
    assert sorted(PARTS) == sorted(path.name for path in folder.glob("*.js"))
    assert Panel._esm == read_page_side()
    path = tmp_path / "panel.mjs"
    path.write_text(read_page_side(), encoding="utf-8")
    script = f"import make from {path.as_uri()!r}; console.log(Object.keys(make()).join())"
    command = [node, "--input-type=module", "--eval", script]
    printed = subprocess.run(command, check=True, timeout=60, capture_output=True, text=True)
    assert printed.stdout.strip() == "initialize,render"


def test_no_file_of_the_page_writes_markup() -> None:
    """Payloads come from anywhere: they become text, never elements."""
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert word not in read_page_side()
