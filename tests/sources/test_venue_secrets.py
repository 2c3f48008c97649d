"""Keys of venues: they are in nothing that is logged, shown, raised, recorded or listed.

The test gathers hundreds of texts over venues that fail in many ways, and that repeat the keys in
their answers, and looks for each key in each, also as an address or as base64 has it.
"""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import os
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote, quote_plus

import pandas as pd
import pytest
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

import tickerkit as tk
from tickerkit.cli import main
from tickerkit.formatting import format_line
from tickerkit.presets import Venue, trades
from tickerkit.presets.preset import Preset, Step
from tickerkit.sources import delays
from tickerkit.sources.venue import VenueSource
from tickerkit.testing import FakeVenue

Until = Callable[..., None]

# The function `venue` hides the module.
venue_module = sys.modules[VenueSource.__module__]

TOKEN = "t0ken-5eCr3t/9+z=Q"
KEY = "k3y.5eCr3t&7%Z"
KEYS = {"token": TOKEN, "key": KEY}


def spell(secret: str) -> set[str]:
    """Return how a secret may stand in a text."""
    shifted = [base64.b64encode(b" " * by + secret.encode()) for by in range(3)]
    # Without the characters at either end that depend on what stands beside.
    codes = [each.rstrip(b"=")[4:-2].decode() for each in shifted]
    codes += [each.replace("+", "-").replace("/", "_") for each in codes]
    parts = {secret, quote(secret), quote(secret, ""), quote_plus(secret, "/:,")}
    return parts | set(codes) | {json.dumps(secret)[1:-1], repr(secret)[1:-1]}


SPELLINGS = {each for secret in KEYS.values() for each in spell(secret)}


class Texts:
    """What a user, a file or another program may see, by where it is."""

    def __init__(self) -> None:
        self.texts: list[tuple[str, str]] = []

    def add(self, where: str, *texts: object) -> None:
        """Add texts; of objects their repr."""
        self.texts += [(where, each if isinstance(each, str) else repr(each)) for each in texts]

    def add_error(self, error: BaseException) -> None:
        """Add an error with its notes, attributes and traceback."""
        self.add("errors", str(error), error, *getattr(error, "__notes__", []))
        self.add("errors", *(str(each) for each in vars(error).values()))
        self.add("errors", *traceback.format_exception(error))

    def add_records(self, records: list[logging.LogRecord]) -> None:
        """Add log messages; those of the venue itself are not the client's."""
        for record in records:
            if record.name != "websockets.server":
                self.add(f"log of {record.name.partition('.')[0]}", record.getMessage())
                if record.exc_info is not None:
                    self.add("log", *traceback.format_exception(record.exc_info[1]))

    def add_source(self, source: VenueSource) -> None:
        """Add what a source shows."""
        self.add("source", source, source.address, source.status, source.status_reason)
        self.add("source", str(dict(source.unknown)), source.freshness().to_csv())
        self.add("source", source.venue, *source.venue.links, *source._connections)

    def add_server(self, server: tk.TickServer) -> None:
        """Add what a server shows."""
        self.add("server", server, server._repr_html_(), server.gaps.to_csv())
        self.add("server", *(f"{name}: {value}" for name, value in server.stats.items()))
        self.add("server", server.clients.to_csv(), tk.status().to_csv())

    def add_feed(self, feed: tk.Feed) -> None:
        """Add what a feed shows."""
        self.add("feed", feed, feed._repr_html_(), feed.status, feed.status_reason)
        self.add("feed", *(f"{name}: {value}" for name, value in feed.stats.items()))
        self.add("feed", feed.freshness.to_csv(), feed.gaps.to_csv(), feed.frame().to_csv())

    def add_files(self, folder: Path) -> None:
        """Add each line of each file; a Parquet file as it is, and as a table."""
        for path in folder.rglob("*"):
            if path.is_file():
                self.add("files", path.name, *path.read_bytes().decode("latin-1").split("\n"))
            if path.suffix == ".parquet":
                self.add("files", pd.read_parquet(path).to_csv())

    def add_processes(self) -> None:
        """Add the commands of this process and of those that it has started, where Linux tells."""
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):  # gone meanwhile
                parent = (path.parent / "stat").read_text().rpartition(")")[2].split()[1]
                if str(os.getpid()) in (parent, path.parent.name):
                    self.add("processes", path.read_bytes().decode("latin-1"))

    def find(self) -> list[tuple[str, str]]:
        """Return the texts that have a secret."""
        return [
            (where, text[:2000])
            for where, text in self.texts
            if any(each in text for each in SPELLINGS)
        ]


def with_keys(preset: Preset) -> Preset:
    """Return a preset whose address, greeting, requests and headers have the keys."""
    assert preset.backfill is not None
    login = Step({"op": "auth", "args": ["{key}", "{token}"]}, None)
    backfill = replace(
        preset.backfill,
        get=f"{preset.backfill.get}&token={{token}}",
        headers={"X-Api-Key": "{key}"},
    )
    sockets = tuple(replace(each, begin=(login,)) for each in preset.sockets)
    names = {"token": "FAKE_TOKEN", "key": "FAKE_KEY"}
    return replace(preset, keys=names, backfill=backfill, sockets=sockets)


def source_of(fake: FakeVenue, url: str = "") -> VenueSource:
    """Return a source that sends the keys wherever a venue may want them."""
    venue = Venue(with_keys(fake.preset), ["AAA", "NOPE"], ("trades", "quotes"), KEYS)
    return VenueSource(venue, [f"{url or fake.url}?token={{token}}"], fake.rest)


ECHOES: list[Any] = [
    f"no such token: {TOKEN}",
    {"type": "error", "id": 2, "symbol": "AAA", "text": f"bad key {KEY} or {quote(TOKEN)}"},
    {"type": "trades", "symbol": "AAA", "old": False, "trades": [{"id": 1, "price": TOKEN}]},
    {"type": "trades", "symbol": KEY, "old": False, "trades": [{"id": 1, "price": "x"}]},
    {"type": "quote", "symbol": "AAA", "bid": KEY, "time": TOKEN},
    {"type": "hint", "you sent": TOKEN, TOKEN: 1},
    [KEY, TOKEN],
    f'{{"half": "{TOKEN}',
]


@contextmanager
def refusing(status: HTTPStatus) -> Iterator[str]:
    """Run a server that answers each handshake with a status, and repeats what it was sent."""

    def answer(connection: ServerConnection, request: Request) -> Response:
        response = connection.respond(status, f"{request.path} {dict(request.headers)}\n")
        response.headers["WWW-Authenticate"] = f"Bearer {TOKEN}"
        return response

    with serve(lambda _: None, "127.0.0.1", 0, process_request=answer) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}/"
        server.shutdown()
        thread.join()


def gather_from_a_venue(
    texts: Texts, folder: Path, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run a source over breaks, bans and answers that repeat the keys; record it, and replay it."""
    reasons: list[str] = []

    def note(reason: str) -> str:
        reasons.append(format_line(reason))
        return reasons[-1]

    # A reason shows only until the next connection.
    monkeypatch.setattr(venue_module, "format_line", note)
    with (
        FakeVenue("dense", ["AAA"], trades_per_s=20, rest_failures=0.3) as fake,
        tk.serve(source_of(fake), port=0) as server,
        tk.connect(server.url, history=None) as feed,
        feed.record(folder / "ticks.csv", raw=True),
        feed.record(folder / "ticks.parquet"),
    ):
        feed.own(server)
        source = server.source
        assert isinstance(source, VenueSource)
        until(lambda: len(feed.frame()) > 5)
        for number, echo in enumerate(ECHOES):
            fake.send(echo)
            if number % 2:
                fake.cut()
            else:
                fake.close(1008, f"wrong token {TOKEN}")
            until(lambda number=number: len(reasons) == number + 1)
            texts.add_source(source)
            texts.add_feed(feed)
            until(lambda number=number: fake.accepted == number + 2 and fake.subscribed)
            texts.add_server(server)
        assert any(quote_plus(TOKEN, "/:,") in each for each in fake.requests)
        assert any(KEY in str(each) for each in fake.received)
        fake.ban(1000.0)
        fake.cut()
        until(lambda: "HTTP 429" in source.status_reason)
        texts.add_source(source)
        texts.add_feed(feed)
    texts.add("source", *reasons)
    raw = folder / "ticks.raw.jsonl"
    with tk.serve(tk.replay(raw, speed=float("inf"), wait_for=1), port=0) as server:
        with tk.connect(server.url, history=None) as feed:
            until(lambda: feed.status == "ended")
            texts.add_feed(feed)
        texts.add_server(server)


def gather_from_failures(texts: Texts, until: Until) -> None:
    """Try to connect where it fails: refused, unauthorized, no such host, no such address."""
    with FakeVenue("dense", ["AAA"]) as fake:
        for status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FOUND):
            with refusing(status) as url, tk.serve(source_of(fake, url), port=0) as server:
                source = server.source
                assert isinstance(source, VenueSource)
                until(lambda source=source: source.status_reason)
                texts.add_source(source)
                texts.add_server(server)
        for url in ("ws://127.0.0.1:1/", "ws://host.invalid/", "ws://127.0.0.1:99999/"):
            with tk.serve(source_of(fake, url), port=0) as server:
                source = server.source
                assert isinstance(source, VenueSource)
                until(lambda source=source: source.status_reason)
                texts.add_source(source)
                texts.add_server(server)
        with tk.serve(source_of(fake), port=0, process=True) as server:
            texts.add_processes()
            texts.add_server(server)
            texts.add("processes", server.source)


def gather_errors(texts: Texts, until: Until, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pass wrong arguments beside the keys."""
    monkeypatch.setenv("FINNHUB_TOKEN", TOKEN)
    address = f"ws://me:{KEY}@127.0.0.1:1/?token={quote(TOKEN, '')}"
    calls: list[Callable[[], object]] = [
        lambda: tk.venue("alpaca", "AAPL", key=KEY),
        lambda: tk.venue("alpaca", "AAPL", key=KEY, secret=TOKEN, more=TOKEN),
        lambda: tk.venue("kraken", "BTC/USD", token=TOKEN),
        lambda: tk.venue("finnhub", [], token=TOKEN),
        lambda: tk.venue("finnhub", "AAPL", ["news"], token=TOKEN),
        lambda: tk.venue("finnhub", "AAPL", url=address.replace("ws:", "xs:")),
        lambda: tk.venue("finnhub", "AAPL", rest=address),
        lambda: tk.websocket(address, headers={"X Key": KEY}),
        lambda: tk.websocket(address, headers={"X-Key": f"{KEY}\n"}),
        lambda: tk.websocket(address, fields={"symbol": "s"}),
        lambda: tk.connect(address, subscribe={"auth": KEY}, fields={"price": "p"}),
        lambda: tk.connect(address.replace("ws:", "xs:")),
        lambda: tk.serve("finnhub:AAPL", port=-1),
    ]
    for call in calls:
        with pytest.raises(tk.TickerkitError) as caught:
            call()
        texts.add_error(caught.value)
    source = tk.websocket(address, {"op": "auth", "key": KEY}, headers={"X-Api-Key": TOKEN})
    texts.add("source", source, source.address)
    with FakeVenue("dense", ["AAA"]) as fake:
        url = f"{fake.url}?token={quote(TOKEN, '')}"
        with tk.serve(tk.websocket(url, headers={"X-Api-Key": KEY}), port=0) as server:
            until(lambda: fake.accepted == 1)
            fake.close(1008, f"wrong token {TOKEN}, or key {KEY}")
            until(lambda: fake.accepted == 2)
            texts.add_server(server)
            texts.add("source", server.source.status_reason)  # type: ignore[union-attr]
    with tk.connect(address, subscribe={"op": "auth", "key": KEY}) as feed:
        with pytest.raises(TimeoutError) as late:
            feed.wait(timeout=0.1)
        texts.add_error(late.value)
        texts.add("feed", feed.fields)
        texts.add_feed(feed)


def gather_from_the_doctor(
    texts: Texts, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Examine a venue that refuses, and one that lets in."""
    monkeypatch.setenv("FINNHUB_TOKEN", TOKEN)
    monkeypatch.setenv("ALPACA_KEY_ID", KEY)
    monkeypatch.setenv("ALPACA_SECRET_KEY", TOKEN)
    with refusing(HTTPStatus.UNAUTHORIZED) as url, FakeVenue("alpaca", ["AAPL"]) as fake:
        for more in ([], ["--json"]):
            main(["doctor", "finnhub", "--url", f"{url}?token={quote(TOKEN)}", *more])
            wanted = ["--url", fake.url, "--rest", fake.rest, "--for", "0.3s"]
            main(["doctor", "alpaca", "AAPL", *wanted, *more])
            out, err = capsys.readouterr()
            texts.add("doctor", *out.split("\n"), *err.split("\n"))


def test_keys_are_in_no_text(
    until: Until,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of more than 500, from logs of any level to the list of processes."""
    monkeypatch.setattr(trades, "FETCH_S", 1.0)
    monkeypatch.setattr(delays, "FIRST_DELAY_S", 0.02)
    monkeypatch.setattr(venue_module, "AGAIN_S", 0.02)
    caplog.set_level(logging.DEBUG)
    texts = Texts()
    gather_from_a_venue(texts, tmp_path, until, monkeypatch)
    gather_from_failures(texts, until)
    gather_errors(texts, until, monkeypatch)
    gather_from_the_doctor(texts, capsys, monkeypatch)
    texts.add_records(caplog.records)
    texts.add_files(tmp_path)
    counts = Counter(where for where, _ in texts.texts)
    wanted = {"source", "server", "feed", "files", "errors", "doctor", "processes"}
    assert wanted | {"log of httpx", "log of httpcore", "log of tickerkit"} <= set(counts)
    assert texts.find() == []
    assert counts.total() > 500
