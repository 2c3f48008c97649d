"""NatsBroker: a stream on NATS JetStream, behind the four verbs of `Broker`."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tickerkit.brokers.address import StreamAddress
from tickerkit.brokers.envelope import make_envelope, open_envelope, split_headers
from tickerkit.brokers.settings import StreamLimits, find_misfits, make_settings
from tickerkit.errors import StreamError
from tickerkit.streams import Stored, StreamMessage
from tickerkit.ticks import NS_PER_S

if TYPE_CHECKING:
    from tickerkit.brokers.connection import Connection
    from tickerkit.brokers.nats_client import Inbox, Msg

__all__ = ["MIN_VERSION", "SOUND_VERSION", "NatsBroker", "format_version"]

# Older servers lose whole streams when their process is killed.
MIN_VERSION = (2, 10, 23)
# Older servers can lose data when servers join or leave the cluster.
SOUND_VERSION = (2, 12, 3)
SILENCE_S = 3.0
HEARTBEAT_S = 1.0
INACTIVE_S = 5
# After this many heartbeats without a message, the leader is asked whether there are any.
QUIET_BEATS = 10
CLUSTER_REPLICAS = 3
# Numbers of the broker's errors.
NO_STREAM, NO_MESSAGE, NAME_IN_USE, NOT_CLUSTERED = 10059, 10037, 10058, 10074
WRONG_SEQUENCE = 10071
NO_PEERS = 10005
NO_PEERS_FIX = "wait until three servers run, or pass replicas=1 for a stream on one"
FINAL_ERRORS = {
    10026: "raise the account's limits, or pass a smaller keep=",
    10027: "raise the account's limit of streams",
    10028: "raise the account's limit of storage, or pass a smaller keep=",
    10047: "raise the broker's limit of storage, or pass a smaller keep=",
    10065: "another stream has this subject; delete it, or choose another name",
    NOT_CLUSTERED: "pass replicas=1, or use a cluster of servers",
    10113: "pass keep= with a size, which the account demands",
    10122: "pass a smaller keep=",
}


class Place(NamedTuple):
    """Where a message stands, by the subject for its acknowledgement.

    Attributes:
        number: its number in the stream.
        delivered: its number among those that the consumer was sent.
        stored_ns: when the broker stored it.
        pending: how many follow it now.
    """

    number: int
    delivered: int
    stored_ns: int
    pending: int


class NatsBroker:
    """A stream on NATS JetStream.

    Nothing is done before the first verb or `open()`. Each verb connects if there is no connection,
    and checks the version and the stream's settings on each new one. A verb may be cancelled; it
    fails with `StreamError`, and may then be called again. All of them must run on one event loop.

    Args:
        address: the stream's address, or its text.
        create: how much a new stream holds; then the stream is made if it is missing. Its settings
            are never changed afterwards. None: for those that only read.
        compress: whether `put` compresses bodies from 4 KiB on, to about a third.

    Example:
        >>> async with NatsBroker("nats://localhost/crypto", create=StreamLimits()) as broker:
        ...     tail = await broker.tail()
        ...     await broker.put(message, tail.number)
    """

    def __init__(
        self,
        address: StreamAddress | str,
        *,
        create: StreamLimits | None = None,
        compress: bool = False,
    ) -> None:
        if not isinstance(address, StreamAddress):
            address = StreamAddress.parse(address)
        self.address = address
        self._create = create
        self._compress = compress
        self._connection: Connection | None = None
        self._checked_generation = 0
        self._check_lock = asyncio.Lock()
        self._is_closed = False

    def __repr__(self) -> str:
        return f"NatsBroker({str(self.address)!r})"

    async def __aenter__(self) -> NatsBroker:
        try:
            await self.open()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Connect, and check the server's version and the stream, which is made if it may be.

        Raises:
            StreamError: it is final if the package nats-py is missing, the login is refused, the
                server is too old, or a setting of the stream doesn't fit; otherwise no server
                answers, or there is no stream yet, and `open` may be called again.
        """
        await self._ready()

    async def close(self) -> None:
        """Close the connection; verbs that wait fail. The broker can't be opened again."""
        self._is_closed = True
        if self._connection is not None:
            await self._connection.close()

    async def tail(self) -> Stored:
        """Return the newest message, as the stream's leader knows it."""
        connection = await self._ready()
        # Mostly one request, since relays ask each second. With ">", the broker looks at the last
        # number only. `put` must name it, too, if an operator has deleted that message.
        newest = await self._fetch({"last_by_subj": ">"}, (NO_MESSAGE, NO_STREAM))
        if newest is not None:
            return newest
        number = int((await self._inspect(connection))["state"]["last_seq"])
        found = await self._fetch({"seq": number}) if number else None
        return found or Stored(number, None)

    async def put(self, message: StreamMessage, after: int) -> int:
        """Append a message if the newest one has the number `after`; return its number."""
        connection = await self._ready()
        headers, body = make_envelope(message, compress=self._compress)
        # Not Nats-Msg-Id: with both, a repeated message is a duplicate to some servers, and a wrong
        # sequence to others.
        headers["Nats-Expected-Last-Sequence"] = str(after)
        headers["Nats-Expected-Stream"] = self.address.stream
        answer = await connection.request(self.address.subject, body, headers)
        try:
            number = connection.read_answer(answer).get("seq")
        except StreamError as error:
            if getattr(error, "code", 0) != WRONG_SEQUENCE:
                raise
            problem = f"another message was stored after number {after}"
            raise StreamError(str(self.address), problem) from None
        if not isinstance(number, int):  # another program has answered
            problem = "the answer does not say under which number the message was stored"
            raise StreamError(str(self.address), problem)
        return number

    async def first(self) -> int:
        """Return the number of the oldest message held; of an empty stream, of the next one."""
        state = (await self._inspect(await self._connect()))["state"]
        return int(state["first_seq"] if state["messages"] else state["last_seq"] + 1)

    async def read(self, start: int, count: int | None = None) -> AsyncIterator[Stored]:
        """Yield the messages from number `start` on, or from the oldest that is held after it.

        One message is looked up at any server that has a copy of the stream. More come from a
        consumer of their own, which the server forgets 5 s after this iterator is closed. The
        server sends 32 MiB ahead at most; a slow caller holds up itself only.

        When nothing comes for a while, the leader is asked whether there is nothing: a server whose
        copy of the stream is stuck, and one that has lost messages and waits for a number that
        others will get, send nothing for ever, without an error.

        Args:
            start: the first number; beyond the end of the stream, nothing comes before that number.
            count: how many to yield at most, of those that are held now; None: also those that
                come later, without end.

        Raises:
            StreamError: a message was lost on the way, the broker sent nothing for 3 s, or
                the stream ends before `start - 1`, or before what was read.
        """
        start = max(start, 1)
        connection = await self._ready()
        if count is not None and count < 2:
            found = await self._look_up(connection, start) if count == 1 else None
            if found is not None:
                yield found
            return
        async with connection.listen() as inbox:
            pending = await self._make_consumer(connection, inbox, start)
            if count is not None and not pending and await self._is_end(start):
                return
            delivered, last, quiet, is_ahead = 0, start - 1, 0, False
            while True:
                message = await inbox.get(SILENCE_S)
                place = read_place(message.reply)
                if place is None:
                    await self._answer(inbox, message, delivered)
                    quiet += 1
                    if quiet % QUIET_BEATS == 0:
                        is_ahead = await self._check_quiet(last, is_ahead)
                    continue
                delivered, last, quiet, is_ahead = delivered + 1, place.number, 0, False
                if place.delivered != delivered:
                    raise self._missing(delivered)
                opened = open_envelope(message.headers or {}, message.data)
                yield Stored(place.number, opened, place.stored_ns)
                if count is None or (delivered < count and place.pending):
                    continue
                if delivered >= count or await self._is_end(last + 1):
                    return

    async def inspect(self) -> dict[str, Any]:
        """Return the broker's own description of the stream, whatever its settings are."""
        connection = await self._connect()
        return await connection.call(f"STREAM.INFO.{self.address.stream}")

    async def _connect(self) -> Connection:
        """Return the connection; connected, and to a server that isn't too old."""
        if self._is_closed:
            raise StreamError(str(self.address), "the broker was closed", is_final=True)
        if self._connection is None:
            try:
                from tickerkit.brokers.connection import Connection
            except ImportError:
                problem = "streams need the package nats-py"
                fix = "run: pip install 'tickerkit[scale]'"
                raise StreamError(str(self.address), problem, fix, is_final=True) from None
            self._connection = Connection(self.address)
        await self._connection.connect()
        version = self._connection.version
        if (0, 0, 0) < version < MIN_VERSION:
            problem = (
                f"nats-server {format_version(version)} at {self._connection.server} is too old: "
                "it can lose a stream when it is killed"
            )
            fix = f"update it to {format_version(SOUND_VERSION)} or later"
            raise StreamError(str(self.address), problem, fix, is_final=True)
        return self._connection

    async def _ready(self) -> Connection:
        """Return the connection after the stream was checked on it."""
        connection = await self._connect()
        if self._checked_generation != connection.generation:
            async with self._check_lock:
                if self._checked_generation != connection.generation:
                    generation = connection.generation
                    await self._inspect(connection)
                    self._checked_generation = generation
        return connection

    async def _inspect(self, connection: Connection) -> dict[str, Any]:
        """Return the stream's description; make the stream if it is missing, and check it."""
        address = self.address
        method = f"STREAM.INFO.{address.stream}"
        try:
            info = await connection.call(method)
        except StreamError as error:
            if getattr(error, "code", 0) != NO_STREAM:
                raise
            if self._create is None:
                problem = f"there is no stream {address.name!r} yet"
                fix = "start the server that publishes it"
                raise StreamError(str(address), problem, fix) from None
            await self._make_stream(connection, self._create)
            info = await connection.call(method)
        for misfit in find_misfits(info["config"], address, is_maker=self._create is not None):
            fix = "change it with the broker's tools, or choose another name"
            problem = f"the stream {address.stream} doesn't fit: {misfit}"
            raise StreamError(str(address), problem, fix, is_final=True)
        return info

    async def _make_stream(self, connection: Connection, limits: StreamLimits) -> None:
        replicas = limits.replicas or CLUSTER_REPLICAS
        method = f"STREAM.CREATE.{self.address.stream}"
        while True:
            try:
                await connection.call(method, make_settings(self.address, limits, replicas))
            except StreamError as error:
                code = getattr(error, "code", 0)
                if code == NOT_CLUSTERED and limits.replicas is None and replicas > 1:
                    replicas = 1
                    continue
                if code == NAME_IN_USE:  # another maker was faster; its settings are checked
                    return
                if code == NO_PEERS:
                    raise StreamError(str(self.address), error.problem, NO_PEERS_FIX) from None
                if code not in FINAL_ERRORS:
                    raise
                fix = FINAL_ERRORS[code]
                raise StreamError(str(self.address), error.problem, fix, is_final=True) from None
            return

    async def _make_consumer(self, connection: Connection, inbox: Inbox, start: int) -> int:
        """Make the consumer that sends to an inbox; return how many messages it has to send."""
        name = f"tickerkit_{secrets.token_hex(8)}"
        config = {
            "name": name,
            "deliver_subject": inbox.subject,
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": start,
            "ack_policy": "none",
            "replay_policy": "instant",
            "mem_storage": True,
            "num_replicas": 1,
            "flow_control": True,
            "idle_heartbeat": int(HEARTBEAT_S * NS_PER_S),
            "inactive_threshold": INACTIVE_S * NS_PER_S,
        }
        stream = self.address.stream
        arguments = {"stream_name": stream, "config": config}
        answer = await connection.call(f"CONSUMER.CREATE.{stream}.{name}", arguments)
        return int(answer.get("num_pending", 0))

    async def _answer(self, inbox: Inbox, message: Msg, delivered: int) -> None:
        """Answer flow control; compare a heartbeat with what has come."""
        # A heartbeat names the message whose answer the server still waits for.
        for subject in (message.reply, read_header(message, "Nats-Consumer-Stalled")):
            if subject:
                await inbox.answer(subject)
        last = read_header(message, "Nats-Last-Consumer")
        if last is not None and last != str(delivered):
            raise self._missing(delivered + 1)

    def _missing(self, delivered: int) -> StreamError:
        return StreamError(str(self.address), f"message {delivered} of the consumer did not come")

    async def _is_end(self, start: int) -> bool:
        """Return whether the stream holds nothing from a number on.

        The consumer may be at a server whose copy is behind; the leader knows.
        """
        return await self._fetch({"seq": start, "next_by_subj": ">"}) is None

    async def _check_quiet(self, last: int, was_ahead: bool) -> bool:
        """Return whether the stream holds more than what has come; raise if that stays so.

        Args:
            last: the number of the newest message that has come.
            was_ahead: what this returned before, when it was the same.
        """
        try:
            newest = int((await self.inspect())["state"]["last_seq"])
            is_ahead = newest > last and not await self._is_end(last + 1)
        except StreamError:
            return False  # there is no leader now; heartbeats come nonetheless
        if newest < last:
            problem = f"the stream ends at number {newest}, before {last}: the broker has lost some"
            raise StreamError(str(self.address), problem)
        if is_ahead and was_ahead:
            problem = f"the copy of the stream that is read is stuck at number {last}"
            raise StreamError(str(self.address), problem)
        return is_ahead

    async def _look_up(self, connection: Connection, start: int) -> Stored | None:
        """Return the first message from a number on, from any server with a copy of the stream."""
        wanted = {"seq": start, "next_by_subj": ">"}
        subject = f"$JS.API.DIRECT.GET.{self.address.stream}"
        from tickerkit.brokers.connection import NO_RESPONDERS

        try:
            answer = await connection.request(subject, json.dumps(wanted).encode())
        except StreamError as error:
            # For a new stream, or after a restart, a server may not know yet where the copies are.
            if getattr(error, "code", 0) != NO_RESPONDERS:
                raise
            return await self._fetch(wanted)
        number = read_header(answer, "Nats-Sequence")
        if number is None:
            # The copy may be behind; the leader knows.
            return await self._fetch(wanted)
        stored_ns = parse_time(read_header(answer, "Nats-Time-Stamp"))
        found = open_envelope(answer.headers or {}, answer.data)
        return Stored(int(number), found, stored_ns)

    async def _fetch(
        self, wanted: dict[str, Any], absent: tuple[int, ...] = (NO_MESSAGE,)
    ) -> Stored | None:
        """Return a message from the stream's leader; None if the leader has no such message.

        Args:
            wanted: which message, as the broker reads it.
            absent: the broker's errors that mean that it has no such message.
        """
        connection = await self._connect()
        try:
            answer = await connection.call(f"STREAM.MSG.GET.{self.address.stream}", wanted)
        except StreamError as error:
            if getattr(error, "code", 0) not in absent:
                raise
            return None
        held = answer["message"]
        headers = split_headers(base64.b64decode(held.get("hdrs", "")))
        found = open_envelope(headers, base64.b64decode(held.get("data", "")))
        return Stored(int(held["seq"]), found, parse_time(held.get("time")))


def format_version(version: tuple[int, int, int]) -> str:
    """Return a version as text: "2.12.3"."""
    return ".".join(map(str, version))


def read_place(subject: str) -> Place | None:
    """Return where a message stands; None if it is not one of the stream.

    The subject is $JS.ACK.stream.consumer.count.number.delivered.time.pending, or, with version 2
    of the broker's subjects, has a domain and an account's hash before the stream.
    """
    parts = subject.split(".")
    if parts[:2] != ["$JS", "ACK"] or len(parts) < 9:
        return None
    at = 5 if len(parts) < 11 else 7
    number, delivered, stored_ns, pending = map(int, parts[at : at + 4])
    return Place(number, delivered, stored_ns, pending)


def parse_time(text: str | None) -> int:
    """Return the epoch ns of a time such as 2026-11-28T10:00:00.123456789Z; 0 if it isn't one."""
    try:
        time = np.datetime64((text or "").removesuffix("Z"), "ns")
    except ValueError:
        return 0
    return 0 if np.isnat(time) else int(time.astype(np.int64))


def read_header(message: Msg, name: str) -> str | None:
    """Return a header of a message; None without it.

    Keys of nats-py are texts, but some are members of an enum that aren't found by their text.
    """
    for key, value in (message.headers or {}).items():
        if getattr(key, "value", key) == name:
            return str(value)
    return None
