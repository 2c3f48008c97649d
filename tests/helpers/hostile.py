"""Every parser of outside input, as a target for hostile messages.

Each `Target` holds valid messages for its parser, and can check that the parser still works. Short
tests, long runs and the fuzzer share the targets.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from mutations import Mutations, as_message
from websockets.http11 import Request
from websockets.server import ServerProtocol

from tickerkit.errors import BadTick, ProtocolError, RecordingError, RecordingWarning
from tickerkit.formatting import format_value
from tickerkit.log import Gap, Gaps, TickLog
from tickerkit.protocol import (
    Client,
    Event,
    EveryTickSession,
    PlainClient,
    PricesSession,
    Publication,
    Received,
    Session,
    V1Session,
)
from tickerkit.server.access import Access, Refusal
from tickerkit.server.http import respond
from tickerkit.storage import read_csv
from tickerkit.ticks import Batch, Levels, read_ticks

# --- parsers --------------------------------------------------------------------------------------

GOOD = {"time": "2026-11-22T10:00:00Z", "size": 5, "side": "b", "bid": 1.5}


def log_of_two_epochs() -> TickLog:
    """Return a log of two epochs with further columns, which has dropped its first ticks."""
    log = TickLog(25, epoch="a")
    for epoch, count in (("a", 15), ("b", 20)):
        ticks = [{"symbol": "ABC"[n % 3], "price": n, **GOOD} for n in range(count)]
        log.append(read_ticks([*ticks, {"s": "D", "bid": 1}]), received=0, epoch=epoch)
    return log


class Target(Protocol):
    """A parser of outside input.

    Attributes:
        seeds: valid messages for the parser.
    """

    seeds: list[bytes]

    def take(self, data: bytes) -> bool:
        """Give the parser a message. Return True if it is accepted, False if it is refused.

        Any other error is raised: it is a fault of the parser.
        """

    def works(self) -> None:
        """Check that the parser accepts a valid message, and makes the right ticks of it."""


class SessionTarget:
    """The server's end of a connection."""

    def __init__(self, make: Callable[[Publication], Session]) -> None:
        self.seeds = SUBSCRIPTIONS
        self.log = log_of_two_epochs()
        self._make = make
        self._publication = Publication(self.log)
        self._price = 0
        self._now = 0.0
        self._connect()

    def _connect(self) -> None:
        self._session = self._make(self._publication)
        self._client = Client() if isinstance(self._session, V1Session) else PlainClient()
        self._client.start_connection()

    def take(self, data: bytes) -> bool:
        self._session.receive(as_message(data), self._now)
        sent = self._sent()
        if self._session.close is not None:
            assert self._session.close[0] in (1003, 1008)
            self._connect()
            return False
        errors = [message for message in sent if message.get("type") == "error"]
        assert all(error["code"] in ("bad-message", "unknown-symbol") for error in errors)
        assert all(error["hint"] for error in errors)
        return all(error["code"] == "unknown-symbol" for error in errors)

    def works(self) -> None:
        self._price += 1
        tick = {"symbol": "A", "price": self._price}
        self.log.append(read_ticks(tick), received=0)
        self._session.receive('{"type":"subscribe","symbols":null,"history":1}', self._now)
        prices = [price for message in self._sent() for price in message.get("price", [])]
        assert prices[-1] == self._price or self._price in prices[-4:], prices

    def _sent(self) -> list[dict[str, Any]]:
        """Return the messages that the session sends; the client for it must understand each."""
        sent = []
        self._now += 1
        while (message := self._session.next_message(self._now)) is not None:
            list(self._client.receive(message))
            decoded = json.loads(message)
            prices = [tick["price"] for tick in decoded] if isinstance(decoded, list) else None
            sent.append(decoded if prices is None else {"price": prices})
        return sent


class ClientTarget:
    """A feed's end of a connection, and the log and the gaps that it fills."""

    def __init__(self, client: Client | PlainClient) -> None:
        self.client = client
        self.seeds = CONVERSATION if isinstance(client, Client) else TICKS
        self.log = TickLog(1000)
        self._gaps = Gaps(self.log)
        self._good = self._count = 0
        self._connect()

    def _connect(self) -> None:
        self._take(self.client.start_connection())
        # Every fourth time the first message is a mutated one, before the server's hello.
        if isinstance(self.client, Client) and self._count % 4:
            self._take(self.client.receive(CONVERSATION[0]))
            self.client.take_replies()

    def _take(self, events: list[Event]) -> list[Received]:
        received = [event for event in events if isinstance(event, Received)]
        for event in received:
            self.log.append(event.batch, received=0, epoch=event.epoch, seq=event.seq)
        for gap in events:
            if isinstance(gap, Gap):
                self._gaps.add(gap)
        return received

    def take(self, data: bytes) -> bool:
        self._count += 1
        try:
            received = self._take(self.client.receive(as_message(data)))
        except ProtocolError:
            self._connect()
            return False
        return not any(refused(event.batch) for event in received)

    def works(self) -> None:
        self._good += 1
        price = float(self._good)
        if isinstance(self.client, Client):
            # A mutated message may have set any position. In a new epoch the next one is known.
            log = TickLog(epoch=f"good {self._good}")
            log.append(read_ticks([{"s": "A", "p": price - 1}, {"s": "B", "p": price}]), received=0)
            session = V1Session(Publication(log), 0)
            session.receive('{"type":"subscribe","history":null}', 0)
            self._take(self.client.start_connection())
            messages = [message for _ in range(3) if (message := session.next_message(0))]
            events = [event for each in messages for event in self.client.receive(each)]
            [received] = self._take(events)
            assert (received.epoch, received.seq.tolist()) == (log.epoch, [1, 2])
        else:
            [received] = self._take(self.client.receive(json.dumps({"s": "B", "p": price})))
            assert received.epoch == self.client.epoch
        last = self.log.frame().iloc[-1]
        assert (last["symbol"], last["price"], last["epoch"]) == ("B", price, received.epoch)
        assert last["seq"] == self.client.seq
        if self._good % 50 == 0:
            assert len(self._gaps.frame()) == len(self._gaps)
            self._gaps = Gaps(self.log)


class TicksTarget:
    """JSON that a source sends: as text, as bytes, and as one item of a list."""

    def __init__(self) -> None:
        self.seeds = TICKS
        self.log = TickLog(1000)
        self._last = b""

    def take(self, data: bytes) -> bool:
        self._last = data
        batch = read_ticks(data)
        self.log.append(batch, received=0)
        text = read_ticks(as_message(data))
        # Bytes that aren't UTF-8 are refused as a whole. As text with surrogates, only the values
        # that hold these are refused.
        assert (text.count, text.refused) == (batch.count, batch.refused) or not _is_text(data)
        return not refused(batch)

    def works(self) -> None:
        batch = read_ticks([self._last, {"symbol": "B", "price": 7}])
        refused(batch)
        self.log.append(batch, received=0)
        last = self.log.frame().iloc[-1]
        assert (last["symbol"], last["price"]) == ("B", 7)


class CsvTarget:
    """A recording, or any other CSV file, whose rows are read as ticks as a replay does."""

    def __init__(self, folder: Path) -> None:
        self.seeds = FILES
        self._path = folder / "ticks.csv"

    def _read(self, data: bytes) -> Any:
        self._path.write_bytes(data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RecordingWarning)
            return read_csv(self._path)

    def take(self, data: bytes) -> bool:
        try:
            frame = self._read(data)
        except RecordingError:
            return False
        refused(read_ticks(frame))
        return True

    def works(self) -> None:
        frame = self._read(FILES[0])
        assert frame["price"].tolist() == [0.0, 1.0]
        assert frame["symbol"].tolist() == ["A", "B, the second"]


class RequestTarget:
    """A request to a server with a token, to open a websocket or for the page."""

    def __init__(self) -> None:
        self.seeds = REQUESTS
        self._access = Access("0.0.0.0", token="secret", origins=["https://example.org"])

    def _is_admitted(self, data: bytes) -> bool | None:
        """Return whether the server admits a request; None if the data is no whole request."""
        protocol = ServerProtocol()
        protocol.receive_data(data)
        protocol.receive_eof()
        requests = [each for each in protocol.events_received() if isinstance(each, Request)]
        if not requests:
            return None
        response = respond(requests[0], self._access, "http://localhost/", lambda *_: None, bytes)
        if isinstance(response, Refusal):  # the websocket is accepted, and closed with 1008
            assert len(response.reason.encode()) <= 123
        elif response is not None:
            assert response.status_code in (200, 304, 400, 401, 403, 404, 405, 426)
            response.serialize()
        return response is None

    def take(self, data: bytes) -> bool:
        return self._is_admitted(data) is not None

    def works(self) -> None:
        good = REQUESTS[0]
        assert self._is_admitted(good)
        assert self._is_admitted(good.replace(b"secret", b"guess")) is False


def refused(batch: Batch) -> bool:
    """Return whether a tick of a batch was refused; check that each refusal has an error."""
    assert len(batch.time) == batch.count
    assert bool(batch.errors) == bool(batch.refused)
    for error in batch.errors:
        assert isinstance(error, BadTick)
        assert error.fix
        assert str(error).isprintable()
    return bool(batch.refused)


def _is_text(data: bytes) -> bool:
    try:
        return bool(data.decode())
    except UnicodeDecodeError:
        return False


def targets(folder: Path) -> dict[str, Target]:
    """Return every target by its name; they write their files to a folder."""
    return {
        "tickerkit.v1": SessionTarget(lambda publication: V1Session(publication, 0)),
        "/ticks": SessionTarget(EveryTickSession),
        "/": SessionTarget(PricesSession),
        "Client": ClientTarget(Client(history=None)),
        "PlainClient": ClientTarget(PlainClient()),
        "read_ticks": TicksTarget(),
        "read_csv": CsvTarget(folder),
        "requests": RequestTarget(),
    }


def flood(target: Target, mutations: Mutations, count: int) -> tuple[int, int]:
    """Give a target `count` mutated messages; return how many it has accepted and refused."""
    taken = 0
    for number in range(count):
        data = mutations.next()
        try:
            taken += target.take(data)
            if number % 20 == 0:
                target.works()
        except Exception as error:
            raise AssertionError(
                f"message {number}, {data[:1000]!r}: {format_value(error)}"
            ) from error
    target.works()
    return taken, count - taken


# --- valid messages -------------------------------------------------------------------------------

SUBSCRIPTIONS = [
    b'{"type":"subscribe"}',
    b'{"type":"subscribe","symbols":null,"resume":null,"history":null}',
    b'{"type":"subscribe","symbols":["A","Z"],"history":5}',
    b'{"type":"subscribe","symbols":[],"resume":{"epoch":"a","seq":3}}',
    b'{"type":"subscribe","symbols":["B"],"resume":{"epoch":"a","seq":12},"history":1}',
    b'{"type":"subscribe","symbols":["C"],"resume":{"epoch":"b","seq":4}}',
    b'{"type":"subscribe","resume":{"epoch":"c","seq":99}}',
    b'{"type":"error","code":"x","message":"y","hint":"z"}',
]


def _conversation() -> list[bytes]:
    """Return messages of every type that a server sends, as a session makes them; hello first."""
    publication = Publication(log_of_two_epochs())
    side = np.array([[1.5, 2.0], [1.25, 4.0]])
    levels = Levels("A", side, side[::-1] + 1, 5)
    publication.log.books.add(levels, received=5, epoch="b", seq=1)
    session = V1Session(publication, 0)
    sent = []
    for message in (*SUBSCRIPTIONS, b"nonsense"):
        session.receive(message.decode(), 0)
        sent += iter(lambda: session.next_message(0), None)
    sent.append(session.next_message(100))  # after a pause: the position again
    publication.ended = True
    sent += iter(lambda: session.next_message(100), None)
    return list(dict.fromkeys(message for message in sent if message is not None))


def _ticks() -> list[bytes]:
    """Return ticks as a server sends them to plain clients, and as other programs write them."""
    publication = Publication(log_of_two_epochs())
    session = EveryTickSession(publication)
    session.row = publication.log.start - 1
    sent = list(iter(lambda: session.next_message(0), None))
    return [
        *(message for message in (*sent, PricesSession(publication).next_message(0)) if message),
        b'{"s":"A","p":"1.5","t":17,"bid":1,"ask":2,"levels":[[1,2],[3,4]]}',
        b'{"ticker":"A","last":1e3,"size":null,"time":1763805600.123,"seq":7,"epoch":"e"}',
        '[{"sym":"Ä€🙂","bid":"-0.5","time":1763805600123456789,"maker":true}]'.encode(),
    ]


CONVERSATION = _conversation()
TICKS = _ticks()
FILES = [
    b"seq,time,symbol,price,size,received,epoch,side\n"
    b"1,2026-11-22T10:00:00.000000000Z,A,0.0,,2026-11-22T10:00:00.000000001Z,e,\n"
    b'2,2026-11-22T10:00:01.000000000Z,"B, the second",1.0,5.0,'
    b'2026-11-22T10:00:01.000000001Z,e,"say ""b"""\n',
    b'\xef\xbb\xbfticker,last,time,note\r\nA,1,1763805600,""\r\n"B",2.5,2026-11-22,NA\r\n',
]
REQUESTS = [
    f"GET {path} HTTP/1.1\r\n{headers}\r\n".encode()
    for path, headers in (
        (
            "/ticks?token=secret",
            "Host: a:8000\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n",
        ),
        (
            "/?x=%41&token=no",
            "Host: [::1]:8000\r\nOrigin: https://example.org\r\nUpgrade: WebSocket\r\n"
            "Connection: keep-alive, Upgrade\r\nAuthorization: Bearer secret\r\n"
            "Sec-WebSocket-Protocol: tickerkit.v1, chat\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n",
        ),
        ("/?token=secret", 'Host: a\r\nIf-None-Match: "x"\r\nOrigin: http://a\r\n'),
        ("/page.js", "Host: a\r\nOrigin: null\r\n"),
    )
]
