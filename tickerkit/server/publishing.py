"""Publishing: writes a server's log to a stream on a broker, as one more reader of the log."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from tickerkit.brokers import NatsBroker, Stream
from tickerkit.errors import StreamError
from tickerkit.log import Position
from tickerkit.protocol import Publication
from tickerkit.runtime.error_log import ErrorLog
from tickerkit.streams import Publisher

__all__ = ["Published", "Publishing"]

# How long the start waits for a broker: a wrong password is then reported at once, and a server
# whose broker is away starts nonetheless.
START_S = 3.0
# How soon another attempt follows a failure. An acknowledgement takes a millisecond, a new
# leader of the brokers 4 to 9 s.
RETRY_S = 0.1
# How often the stream's end is looked at while there are no ticks: the broker may have lost some,
# or another maker may have taken over.
LOOK_S = 5.0
# How long a server that stops may take to write its last ticks.
FLUSH_S = 1.0


@dataclass(frozen=True, slots=True)
class Published(Mapping[str, Any]):
    """What a server has written to its stream; its fields are also keys, as of `server.stats`.

    Attributes:
        address: the stream, without secrets.
        status: "writing", "waiting" (the broker does not answer), "fenced" or "stopped".
        position: epoch and seq of the newest tick that the broker has acknowledged; None before
            the first.
        epoch: its epoch; empty before the first.
        seq: its seq.
        behind: how many ticks of the log are not acknowledged.
        acks: how many messages were acknowledged.
        ack_s: how long the newest acknowledgement took, in seconds.
        republished: how many ticks were written again, since the broker had lost them.
        fenced: whether another maker has taken over the stream: this one never writes again.
        fenced_by: the epoch of the maker that has taken over; empty if none has.
        errors: how many times a write failed, or its result was not known.
        last_error: the newest of these errors, as text.
    """

    address: str
    status: str
    position: Position | None
    epoch: str
    seq: int
    behind: int
    acks: int
    ack_s: float
    republished: int
    fenced: bool
    fenced_by: str
    errors: int
    last_error: str

    def __getitem__(self, name: str) -> Any:
        if name not in _NAMES:
            raise KeyError(name)
        return getattr(self, name)

    def __iter__(self) -> Iterator[str]:
        return iter(_NAMES)

    def __len__(self) -> int:
        return len(_NAMES)


_NAMES = tuple(field.name for field in fields(Published))


class Publishing:
    """Writes a log to a stream, on the portal's loop; it never delays an append.

    One message at a time is on its way. It has all ticks that have come meanwhile, up to 4,096; so
    a slow broker gets larger messages. Whatever goes wrong, the stream's newest message says what
    the broker has, and writing goes on after it.

    Args:
        publication: the log, its gaps, and whether its source has ended.
        stream: the stream, which is made if there is none.
    """

    def __init__(self, publication: Publication, stream: Stream) -> None:
        self._stream = stream
        self._errors = ErrorLog(f"server: publishing to {stream}")
        gaps = publication.gaps
        assert gaps is not None
        self._publisher = Publisher(publication.log, gaps, lambda: publication.ended)
        self._broker = NatsBroker(stream.address, create=stream.limits)
        self._news = asyncio.Event()
        self._is_waiting = True
        self._is_stopping = False
        self._ack_s = 0.0
        self._task: asyncio.Task[None] | None = None

    @property
    def published(self) -> Published:
        """What was written so far; any thread may read it."""
        publisher = self._publisher
        position, fenced_by = publisher.position, publisher.fenced_by or ""
        status = "waiting" if self._is_waiting else "writing"
        if self._task is None or self._task.done():
            status = "stopped"
        return Published(
            address=str(self._stream),
            status="fenced" if fenced_by else status,
            position=position,
            epoch="" if position is None else position.epoch,
            seq=0 if position is None else position.seq,
            behind=publisher.behind,
            acks=publisher.acks,
            ack_s=self._ack_s,
            republished=publisher.republished,
            fenced=bool(fenced_by),
            fenced_by=fenced_by,
            errors=self._errors.count,
            last_error=self._errors.last,
        )

    # --- on the portal's loop -----------------------------------------------------------------

    async def start(self) -> None:
        """Begin to write; wait a few seconds for the broker.

        Raises:
            StreamError: it can never be written, as with a wrong password; or the package nats-py
                is missing.
        """
        try:
            async with asyncio.timeout(START_S):
                await self._broker.open()
            self._is_waiting = False
        except TimeoutError:
            self._errors.add_message("start", f"the broker did not answer within {START_S:g} s")
        except StreamError as error:
            self._errors.add(error)
            if error.is_final:
                await self._broker.close()
                raise
        except BaseException:  # the server was stopped while it started
            await self._broker.close()
            raise
        self._task = asyncio.create_task(self._run())

    def send_pending(self) -> None:
        """Write what is new in the log."""
        self._news.set()

    async def stop(self) -> None:
        """Write the last ticks, within a second, and end."""
        if self._task is None:
            return
        self._is_stopping = True
        self._news.set()
        try:
            if not self._is_waiting:
                await asyncio.wait([self._task], timeout=FLUSH_S)
        finally:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        publisher = self._publisher
        try:
            while publisher.fenced_by is None:
                try:
                    await self._broker.open()
                    if not await self._write():
                        return
                except StreamError as error:
                    self._errors.add(error)
                    publisher.doubt()
                    self._is_waiting = True
                    await asyncio.sleep(RETRY_S)
            text = f"another maker has taken over the stream (epoch {publisher.fenced_by})"
            self._errors.add_message("fenced", text)
        except Exception as error:  # a fault of tickerkit's own: the server goes on
            self._errors.add(error)
        finally:
            await self._broker.close()

    async def _write(self) -> bool:
        """Do the next step: read the stream's end, write a message, or wait for ticks.

        Returns:
            False if everything is written, and the server stops.
        """
        publisher, now = self._publisher, asyncio.get_running_loop().time
        self._news.clear()
        if publisher.needs_tail:
            await publisher.read_tail(self._broker)
            self._is_waiting = False
        elif (put := publisher.next_put()) is not None:
            began = now()
            number = await self._broker.put(*put)
            self._ack_s, self._is_waiting = now() - began, False
            publisher.take_ack(number)
        elif self._is_stopping:
            return False
        else:
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._news.wait()
            except TimeoutError:
                publisher.doubt()
        return True
