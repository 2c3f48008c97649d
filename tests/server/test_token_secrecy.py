"""The token appears in the links that must contain it, and nowhere else."""

from __future__ import annotations

import contextlib
import html
import logging
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import Command
from desk_receiver import DeskReceiver
from peers import LOCAL, ask, free_port, handshake, plain_server, raw_server
from websockets.datastructures import Headers
from websockets.http11 import Response

import tickerkit as tk

Until = Callable[..., None]

# This part of the token survives every quoting and encoding.
WORD = "sesame"
GOOD, BAD = "open sesame/1&2", "close sesame+3"
QUERY, BAD_QUERY = "?token=open%20sesame%2F1%262", "?token=close%20sesame%2B3"
LOGGERS = ("", "asyncio", "concurrent", "websockets", "tickerkit", "http", "urllib3")


def shown_by(error: BaseException | None) -> Iterator[str]:
    """Yield everything an error shows: text, attributes, traceback and causes."""
    while error is not None:
        yield from (str(error), repr(error), repr(error.args), repr(vars(error)))
        yield from traceback.format_exception(error)
        error = error.__cause__ or error.__context__


def shown_by_feed(feed: tk.Feed) -> Iterator[str]:
    """Yield everything a feed shows."""
    yield from (
        repr(feed),
        str(feed),
        feed._repr_html_(),
        feed.url,
        feed.status_detail,
        feed.status,
    )
    yield from (repr(feed.stats), repr(feed.summary()), feed.gaps.to_csv())
    yield from shown_by(feed._connection.failure)
    yield from (repr(feed._connection), repr(vars(feed._faults)))


def shown_by_server(server: tk.TickServer) -> Iterator[str]:
    """Yield everything a server shows, except the links."""
    card = server._repr_html_()
    for link in (*server.list_addresses_for_others().values(), server.page):
        assert html.escape(link) in card
        card = card.replace(html.escape(link), "")
    yield from (card, repr(server), str(server), repr(server.summary()), repr(server._access))
    yield from (repr(server.stats), server.clients.to_csv(), repr(server.source))
    yield from (repr(vars(server._errors)), repr(vars(server._journal.turned_away)))


def probe(port: int) -> Iterator[str]:
    """Send requests of many kinds, with the right and a wrong token; yield the responses."""
    for query in (QUERY, BAD_QUERY, f"{BAD_QUERY}&{QUERY[1:]}"):
        for path in ("/", "/page.js", "/nowhere", f"/{WORD}"):
            for method in ("GET", "HEAD", "PUT"):
                yield repr(ask(port, path + query, method))
        for headers in (
            {"Host": "elsewhere"},
            {"Origin": "http://elsewhere"},
            {"Referer": f"http://{LOCAL}/{query}"},
            {"Authorization": f"Bearer {GOOD}"},
            {"Authorization": f"Bearer {BAD}"},
            {"Authorization": f"Basic {WORD}"},
            {"Sec-WebSocket-Version": "12"},
            {"Sec-WebSocket-Key": "none"},
            {"Sec-WebSocket-Protocol": f"tickerkit.v1, {WORD}"},
        ):
            yield repr(ask(port, "/" + query, **headers))
            with handshake(port, "/" + query, **headers) as sock:
                yield sock.recv(65536).decode("latin-1")
        for line in (f"GET /{query} HTTP/0.9", f"GET {query} HTTP/1.1", f"{query}", f"\0{query}"):
            with socket.create_connection((LOCAL, port), 5) as sock, contextlib.suppress(OSError):
                sock.sendall(f"{line}\r\n\r\n".encode())
                yield sock.recv(65536).decode("latin-1")


def answering(
    status: int, text: str = "", **headers: str
) -> contextlib.AbstractContextManager[str]:
    """Serve this response to every handshake, without logging; yield the address."""
    sent = Headers({"Content-Length": str(len(text))} | headers)
    quiet = logging.Logger("test")
    quiet.addHandler(logging.NullHandler())
    response = Response(status, "", sent, text.encode())
    return plain_server(lambda _: None, process_request=lambda *_: response, logger=quiet)


@pytest.fixture
def logged() -> Iterator[list[logging.LogRecord]]:
    """Return a list of the records of all loggers, down to DEBUG."""
    records: list[logging.LogRecord] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    before = {name: logging.getLogger(name).level for name in LOGGERS}
    handler = Keep()
    logging.getLogger().addHandler(handler)
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.DEBUG)
    yield records
    logging.getLogger().removeHandler(handler)
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


def fail() -> None:
    """Fail like a source."""
    raise OSError("the source is down")


def test_token_appears_in_links_only(
    logged: list[logging.LogRecord],
    capfd: pytest.CaptureFixture[str],
    recwarn: pytest.WarningsRecorder,
    tmp_path: Path,
    until: Until,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is in no repr, card, stats, error, log record, file or response."""
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)  # a notebook prints the link
    shown_texts: list[str] = []
    with (
        tk.serve(fail, "0.0.0.0", 0, token=GOOD) as server,
        tk.serve(None, "0.0.0.0", 0) as other,
        raw_server(b"SSH-2.0\r\n") as ssh,
        answering(403, "not you") as forbidding,
        answering(500) as broken,
        answering(302, Location=f"ws://{LOCAL}:{server.port}/") as redirecting,
        contextlib.ExitStack() as feeds,
    ):
        made = other._access.token
        assert made
        assert QUERY in server.url
        assert made in other.url
        plain = f"ws://{LOCAL}:{server.port}/"
        nowhere = f"ws://{LOCAL}:{free_port()}/"

        def feed(url: str, **options: Any) -> tk.Feed:
            return feeds.enter_context(tk.connect(url, **options))

        good = [feed(server.url), feed(server.page), feed(plain, token=GOOD), feed(other.url)]
        bad = [feed(plain), feed(plain + BAD_QUERY), feed(plain, token=BAD), feed(other.page + "x")]
        for url in (ssh, forbidding, broken, redirecting, nowhere, "ws://no.such.host.invalid/"):
            bad += [feed(url + QUERY), feed(url, token=GOOD)]
        bad += [
            feed(url + QUERY)
            for url in (
                *(plain.replace("ws:", "wss:"), plain.replace("//", f"//me:{WORD}@")),
                *(f"{plain}?key={WORD}&", f"{plain}#{WORD}", f"{plain}?TOKEN={WORD}#"),
            )
        ]
        for url in (
            *("ftp://h/", "ws://", "ws://[::1", "ws://h:port/", "ws://h:99999/", "ws://h h/"),
            *("?", "ws//h", f"ftp://me:{WORD}@h/", f"ws//me:{WORD}@h", f"ws://h#{WORD} "),
        ):
            with pytest.raises(tk.InvalidArgument) as invalid:
                tk.connect(url + QUERY)
            shown_texts += shown_by(invalid.value)
        server.publish({"symbol": "AAPL", "price": 1})
        other.publish({"symbol": "AAPL", "price": 1})
        for each in good:
            shown_texts += [
                each.wait(1).frame().to_csv(),
                each.to_csv(tmp_path / f"{len(shown_texts)}.csv").read_text(),
            ]
        board = good[0].dashboard()
        page = DeskReceiver(board)
        until(lambda: page.feed.get("status") == "live" and page.rows)
        state = repr(board.get_state(["_choices", "_menu"]))
        shown_texts += [repr(page.messages), state, repr(board), repr(good[0].chart())]
        board.close()
        for each in bad:
            until(lambda each=each: each.status == "failed" or "trying again" in each.status_detail)
            with pytest.raises(tk.TickerkitError) as caught:
                each.wait(1, timeout=0)
            shown_texts += shown_by(caught.value)
        shown_texts += probe(server.port)
        for wrong in (f"{WORD}\n", f"{WORD} ☃", f" {WORD}", WORD.encode()):
            with pytest.raises((ValueError, TypeError)) as refused:
                tk.serve(None, port=0, token=wrong)  # type: ignore[arg-type]
            shown_texts += shown_by(refused.value)
            with pytest.raises((ValueError, TypeError)) as refused:
                tk.connect(plain, token=wrong)  # type: ignore[arg-type]
            shown_texts += shown_by(refused.value)
        for each in (*good, *bad):
            shown_texts += shown_by_feed(each)
        for shown in (server, other):
            shown_texts += shown_by_server(shown)
        shown_texts += [tk.status().to_csv(), tk.status()._repr_html_()]
        shown_texts += [repr(thread) for thread in threading.enumerate()]
        with Command("watch", plain + BAD_QUERY) as command:
            assert command.wait() != 0
            shown_texts += [command.out, command.err]
    for each in good:
        shown_texts += shown_by_feed(each)
    shown_texts += [repr(server), server._repr_html_(), tk.status().to_csv()]
    shown_texts += [logging.Formatter().format(record) for record in logged]
    shown_texts += [repr(vars(record)) for record in logged]
    shown_texts += [*capfd.readouterr(), *(str(warning) for warning in recwarn.list)]
    assert len(shown_texts) > 500
    assert {record.name for record in logged} >= {"tickerkit"}
    assert [text for text in shown_texts if WORD in text or made in text] == []
