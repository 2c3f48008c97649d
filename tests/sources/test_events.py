"""Server-Sent Events: as a source (tk.events), over a real HTTP server, and cut out of bytes."""

from __future__ import annotations

import json
import logging
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from event_server import Stream, serve_events
from hypothesis import given
from hypothesis import strategies as st
from peers import Kept

import tickerkit as tk
from tickerkit.errors import BadTick, SourceError
from tickerkit.fieldmaps import parse_fields
from tickerkit.fieldmaps.guess import guesser
from tickerkit.sources import EventsSource, as_source, delays, event_stream
from tickerkit.sources.event_stream import EventParser
from tickerkit.sources.http_log import HidesKeys
from tickerkit.ticks import read_ticks

Until = Callable[..., None]
FIELDS = {"symbol": "wiki", "bytes": "length.new", "time": "timestamp:s"}


def event(wiki: str, size: object, **lines: str) -> str:
    """Return an event with the lines that are given."""
    data = json.dumps({"wiki": wiki, "length": {"new": size}, "timestamp": 1723161255})
    before = "".join(f"{name}: {value}\n" for name, value in lines.items())
    return f"{before}data: {data}\n\n"


@pytest.fixture(autouse=True)
def no_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connect again at once."""
    monkeypatch.setattr(delays, "FIRST_DELAY_S", 0.0)


def read(*chunks: bytes) -> list[bytes]:
    """Return the events in some chunks of a stream."""
    parser = EventParser()
    return [each for chunk in chunks for each in parser.read(chunk)]


# The stream, and the data of its events: the examples of the standard, and its corners.
STREAMS = [
    (b"data: YHOO\ndata: +2\ndata: 10\n\n", [b"YHOO\n+2\n10"]),
    (b": test\n\ndata: first\nid: 1\n\ndata:second\nid\n\ndata:  third\n", [b"first", b"second"]),
    (b"data\n\ndata\ndata\n\ndata:", [b"", b"\n"]),
    (b"data:test\n\ndata: test\n\n", [b"test", b"test"]),
    (b"\xef\xbb\xbfdata: a\r\n\r\ndata: b\r\rdata: c\n\n", [b"a", b"b", b"c"]),
    (b"event: x\nid: 5\n\nunknown: y\ndata: a\n\n", [b"a"]),
    (b"data: a: b\n\n data: no\n\n", [b"a: b"]),
    (b"", []),
    (b"\xef\xbb", []),
]


@pytest.mark.parametrize(("stream", "events"), STREAMS)
def test_stream_is_read_as_the_standard_says(stream: bytes, events: list[bytes]) -> None:
    """Also if it comes byte by byte."""
    assert read(stream) == events
    assert read(*(stream[at : at + 1] for at in range(len(stream)))) == events


LINES = [
    b"data: a",
    b"data:",
    b"data",
    b": x",
    b"id: 1",
    b"retry: 5",
    b"\xff\x00",
    b"",
    b"",
    b"x" * 40,
]
ENDS = [b"\n", b"\r", b"\r\n"]


@given(
    st.lists(st.tuples(st.sampled_from(LINES), st.sampled_from(ENDS)), max_size=12),
    st.lists(st.integers(1, 6), min_size=1, max_size=60),
)
def test_chunks_make_no_difference(lines: list[tuple[bytes, bytes]], sizes: list[int]) -> None:
    """Wherever the stream is cut, the events are the same."""
    stream = b"".join(line + end for line, end in lines)
    chunks, at = [], 0
    for size in sizes:
        chunks.append(stream[at : at + size])
        at += size
    assert read(*chunks, stream[at:]) == read(stream)


def test_event_is_complete_with_its_last_line_end() -> None:
    """A carriage return ends a line at once, though a line feed may follow in the next chunk."""
    parser = EventParser()
    assert parser.read(b"data: a\r\n\r") == [b"a"]
    assert parser.read(b"\ndata: b\n\n") == [b"b"]


def test_id_and_retry_are_kept() -> None:
    """An id counts when its event is complete; one that no header can hold is as none."""
    parser = EventParser()
    parser.read(b"retry: 1500\nid: 7\ndata: a\n\nid: 8\ndata: b\n")
    assert (parser.last_id, parser.retry_s) == (b"7", 1.5)
    parser.start_connection()
    parser.read(b"data: c\n\nretry: soon\nretry: -1\n")
    assert (parser.last_id, parser.retry_s) == (b"7", 1.5)
    parser.read(b"id: a\0b\n\nretry: 99999999999999999999999999\n")
    assert (parser.last_id, parser.retry_s) == (b"7", 600.0)
    parser.read(b"id: a\x01b\n\n")
    assert parser.last_id == b""
    parser.read(b"id: " + b"x" * 5000 + b"\n\nid\n\n")
    assert parser.last_id == b""


@pytest.mark.parametrize("chunk_bytes", [1, 7, 1000])
def test_event_that_is_too_long_is_left_out_alone(
    chunk_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it is one line or many; comments don't count."""
    monkeypatch.setattr(event_stream, "MAX_EVENT_BYTES", 100)
    parser = EventParser()
    long_line, many_lines = b"data: " + b"x" * 500 + b"\n\n", b"data: 0123456789\n" * 20 + b"\n"
    comments = b": still here\n" * 100
    stream = b"data: a\n\n" + long_line + comments + b"data: b\n\n" + many_lines + b"data: c\n\n"
    events = []
    for at in range(0, len(stream), chunk_bytes):
        events += parser.read(stream[at : at + chunk_bytes])
        assert len(parser._rest) <= 100 + chunk_bytes
    assert events == [b"a", b"b", b"c"]
    assert parser.too_long == 2


def test_line_in_small_pieces_takes_no_more_than_its_bytes() -> None:
    """A server may send two bytes at a time, and never end the line."""
    parser = EventParser()
    parser.read(b"data: ")
    tracemalloc.start()
    try:
        for _ in range(40_000):
            parser.read(bytes(2))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 4 * 80_000
    assert parser.read(b"\n\n") == [bytes(80_000)]


def test_feed_reads_events_by_a_map() -> None:
    """A wrong value is refused by name, an event without a row is counted by its shape."""

    def handle(stream: Stream) -> None:
        stream.begin()
        stream.send(":ok\n\n" + event("enwiki", 100, event="message", id="1"))
        stream.send(event("dewiki", "x") + 'data: {"type": "log"}\n\ndata: hello\n\n')
        stream.send(event("dewiki", 300))
        stream.idle()

    with serve_events(handle) as there:
        source = tk.events(there.url, FIELDS, headers={"X-Api-Key": "sesame"})
        with tk.serve(source, port=0) as server, tk.connect(server.url, history=None) as feed:
            frame = feed.wait(2).frame()
            assert frame["symbol"].tolist() == ["enwiki", "dewiki"]
            assert frame["bytes"].tolist() == [100, 300]
            assert frame["time"].iloc[0].isoformat() == "2024-08-08T23:54:15+00:00"
            assert source.unknown == {'{type: "log"}': 1}
            assert source.status == "live"
            assert there.requests[0]["Accept"] == "text/event-stream"
            assert there.requests[0]["X-Api-Key"] == "sesame"
            assert "sesame" not in repr(source) + repr(server) + str(server.stats)


def test_map_is_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that came before the guess is lost, and the source says that it is a guess."""
    monkeypatch.setattr(guesser, "WAIT_S", 0.05)

    def handle(stream: Stream) -> None:
        stream.begin()
        for number in range(20):
            data = json.dumps({"s": "BTC-USD", "p": f"{100 + number}.5", "q": "0.1", "T": number})
            stream.send(f"data: {data}\n\n")
        stream.idle()

    with serve_events(handle) as there:
        source = tk.events(there.url)
        with tk.serve(source, port=0) as server, tk.connect(server.url, history=None) as feed:
            assert feed.wait(20).frame()["price"].tolist() == [100.5 + each for each in range(20)]
        assert source.fields["price"] == "p"
        assert "a guess" in source.fields_note


def test_break_is_a_gap_and_the_server_is_asked_to_continue(until: Until) -> None:
    """The last id goes back in a header; whether the server continued there is not known."""

    def handle(stream: Stream) -> None:
        stream.begin()
        stream.send("retry: 20\n\n" + event("enwiki", stream.number, id=f"[{stream.number}]"))
        if stream.number == 2:
            stream.idle()

    with serve_events(handle) as there:
        source = tk.events(there.url, FIELDS)
        with tk.serve(source, port=0) as server, tk.connect(server.url, history=None) as feed:
            assert feed.wait(3).frame()["bytes"].tolist() == [0, 1, 2]
            until(lambda: len(server.gaps) == 2)
            assert server.gaps["to"].isna().all()
            reason = "reconnected, asked to continue after the last event: the stream ended"
            assert set(server.gaps["reason"]) == {reason}
            sent = [each.get("Last-Event-ID") for each in there.requests]
            assert sent == [None, "[0]", "[1]"]
            assert source.reconnects == 2


def test_server_sets_the_delay(until: Until) -> None:
    """Its `retry` is the shortest delay before the next attempt."""

    def handle(stream: Stream) -> None:
        stream.begin()
        stream.send("retry: 400000\n" + event("enwiki", 1))

    with serve_events(handle) as there:
        source = tk.events(there.url, FIELDS)
        with tk.serve(source, port=0):
            until(lambda: source.status == "reconnecting")
            assert source.retry_in_s == 400
            assert source.status_reason == "the stream ended"


def test_server_ends_the_source() -> None:
    """After an answer 204 (No Content), the source does not connect again."""

    def handle(stream: Stream) -> None:
        stream.begin(200 if stream.number == 0 else 204)
        if stream.number == 0:
            stream.send(event("enwiki", 1))

    out = GapKeeper()
    with serve_events(handle) as there:
        out.run(tk.events(there.url, FIELDS))
    assert sum(read_ticks(each).count for each in out.sent) == 1
    assert out.errors == []


class GapKeeper(Kept):
    """An outlet that keeps the gaps, too."""

    async def gap(self, count: int | None, reason: str) -> None:
        """Keep a gap."""
        self.sent.append([])


ANSWERS: list[tuple[dict[str, Any], str]] = [
    ({"status": 404}, "the server answered HTTP 404"),
    ({"status": 429, "Retry_After": "300"}, "the server answered HTTP 429"),
    ({"kind": "text/html; charset=utf-8"}, "the server sends text/html; charset=utf-8, not text/"),
]


@pytest.mark.parametrize(("answer", "reason"), ANSWERS)
def test_answer_that_is_no_stream_is_an_error(
    answer: dict[str, Any], reason: str, until: Until
) -> None:
    """The source says why, and tries again, no sooner than the server asks for."""

    def handle(stream: Stream) -> None:
        stream.begin(**answer)

    with serve_events(handle) as there:
        source = tk.events(there.url, FIELDS)
        with tk.serve(source, port=0) as server:
            until(lambda: reason in source.status_reason)
            until(lambda: reason in server.stats["last_error"])
            assert source.status == "connecting"
            assert "sesame" not in server.stats["last_error"]
            assert source.retry_in_s == (300 if "Retry_After" in answer else 0)


def test_redirection_is_followed_only_without_headers(until: Until) -> None:
    """With headers, it might send a key to another host."""

    def handle(stream: Stream) -> None:
        if stream.number == 0 or "X-Api-Key" in stream.headers:
            stream.begin(307, Location="/other")
            return
        stream.begin()
        stream.send(event("enwiki", 1))
        stream.idle()

    with serve_events(handle) as there:
        source = tk.events(there.url, FIELDS)
        with tk.serve(source, port=0) as server:
            until(lambda: server.stats["ticks"] == 1)
        source = tk.events(there.url, FIELDS, headers={"X-Api-Key": "sesame"})
        with tk.serve(source, port=0):
            until(lambda: "a redirection" in source.status_reason)


def test_nothing_that_is_shown_or_logged_has_the_key(
    until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    """Httpx logs the address of each request."""
    caplog.set_level(logging.DEBUG)

    def handle(stream: Stream) -> None:
        stream.begin()
        stream.send(event("enwiki", 1))
        stream.idle()

    with serve_events(handle) as there:
        with tk.serve(f"events:{there.url}", port=0) as server:
            until(lambda: server.source.status == "live")  # httpx has logged the request
            assert "sesame" not in repr(server) + repr(server.source)
        assert "sesame" not in caplog.text
    unreachable = tk.events("http://127.0.0.1:1/?key=sesame", FIELDS)
    with tk.serve(unreachable, port=0):
        until(lambda: unreachable.status_reason)
        assert unreachable.status_reason == "connection refused"


@pytest.mark.parametrize(
    ("key", "address"),
    [
        ("a+b/c==", "https://host/trades?since=1&key=a%2Bb%2Fc%3D%3D"),
        ("a%2bb", "https://host/trades?key=a%2Bb"),
        ("a b", "https://host/trades?key=a+b"),
        ("sesame", "https://host/sesame"),
    ],
)
def test_key_is_kept_out_of_the_log_in_any_spelling(
    key: str, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    """An address has it with percent signs."""
    caplog.set_level(logging.INFO)
    with HidesKeys([key]):
        logging.getLogger("httpx").info("HTTP Request: GET %s", address)
        logging.getLogger("httpx").info("HTTP Request: GET %s", "https://host/trades")
    assert caplog.messages == ["HTTP Request: GET https://host/trades"]


def test_key_that_a_redirection_repeats_is_not_logged(
    until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    """Among other values of the query."""
    caplog.set_level(logging.INFO)

    def handle(stream: Stream) -> None:
        if stream.number == 0:
            stream.begin(307, Location="/other?v=2&key=open-sesame&w=3")
            return
        stream.begin()
        stream.send(event("enwiki", 1))
        stream.idle()

    with serve_events(handle) as there:
        source = tk.events(there.url.replace("sesame", "open-sesame&v=1"), FIELDS)
        with tk.serve(source, port=0) as server:
            until(lambda: server.stats["ticks"] == 1)
    assert "sesame" not in caplog.text


def test_silent_stream_is_given_up(until: Until) -> None:
    """After `silent_s` seconds without a byte, the source connects again."""

    def handle(stream: Stream) -> None:
        stream.begin()
        stream.send(event("enwiki", 1))
        stream.idle()

    with serve_events(handle) as there:
        source = EventsSource(there.url, parse_fields(FIELDS), silent_s=0.05)
        with tk.serve(source, port=0):
            until(lambda: source.reconnects == 1)


def test_event_that_is_too_long_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the bound; the other events are taken."""
    monkeypatch.setattr(event_stream, "MAX_EVENT_BYTES", 200)

    def handle(stream: Stream) -> None:
        stream.begin(200 if stream.number == 0 else 204)
        if stream.number == 0:
            stream.send(event("x" * 300, 1) + event("enwiki", 2))

    out = GapKeeper()
    with serve_events(handle) as there:
        out.run(tk.events(there.url, FIELDS))
    assert [type(error) for error in out.errors] == [BadTick]
    assert sum(read_ticks(each).count for each in out.sent) == 1


def test_text_names_an_event_stream() -> None:
    """As on the command line; an address alone could be anything."""
    assert repr(as_source("events:https://host/stream?key=sesame")) == (
        "events of https://host/stream"
    )
    with pytest.raises(SourceError, match=r"'https://host/stream' can't .*tk\.events") as caught:
        as_source("https://me:sesame@host/stream?key=sesame")
    assert "sesame" not in f"{caught.value}{vars(caught.value)}"
