"""Exercise 3b: a server of a few lines sends all clients the same prices, whoever leaves."""

from __future__ import annotations

import asyncio
import errno
import inspect
import json
import logging
import threading
import traceback
from contextlib import AsyncExitStack
from random import Random
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tickerkit.classroom.lessons.exercise import Exercise, Outcome
from tickerkit.classroom.lessons.judging import NO_FUNCTION, describe
from tickerkit.classroom.lessons.refusal import Refusal
from tickerkit.classroom.lessons.script import find_free_port

__all__ = ["SMALL_SERVER"]

CLIENTS = 3
MESSAGES = 4
CONNECT_S = 2.0
RECEIVE_S = 1.5
POLL_S = 0.02
# Four messages take 0.4 s; a busy machine may need longer.
SLOW_S = 2.5
END_S = 1.0

SOLUTION = """
import asyncio
import json

from websockets.asyncio.server import broadcast, serve


async def stay(websocket):
    await websocket.wait_closed()


async def serve_prices(port, fetch):
    async with serve(stay, "localhost", port) as server:
        while True:
            broadcast(server.connections, json.dumps(fetch()))
            await asyncio.sleep(0.1)
"""

OWN_PRICES = "Each client got prices of its own. Call fetch() once, and send the result to all."
NOT_ASYNC = "Write it with `async def`: the checker runs it on an event loop."
ENDED = "Your function ended, and its server with it. It has to run until it is cancelled."
SILENT = "A client connected, and got nothing for a while. Send ten times a second."
UNCHANGED = "The prices never change. Call fetch() again for each message."
SLOW = "The messages come too slowly. Send ten times a second."
NOT_JSON = "The message is not JSON. Make it with json.dumps."
OTHER_PRICES = "The message is not what fetch() returned."
LEFT_OUT = "One client missed a message that the others got."
ENDED_BY_LEAVING = "One client left, and your server ended. The others should not notice."
SILENT_AFTER_LEAVING = "One client left, and the others got nothing more."
NOT_TEXT = "It sends a list. Make text of it: json.dumps."
CLOSED = "Your server closed a connection: that happens when its handler returns. Let it wait."
PORT_TAKEN = "The port is taken. Listen on the port that your function gets."

WRONG = {
    '''
import asyncio, json
from websockets.asyncio.server import serve
async def serve_prices(port, fetch):
    async def send(websocket):
        while True:
            await websocket.send(json.dumps(fetch()))
            await asyncio.sleep(0.1)
    async with serve(send, "localhost", port) as server:
        await server.serve_forever()
''': OWN_PRICES,
    '''
import asyncio, json
from websockets.asyncio.server import serve
async def serve_prices(port, fetch):
    clients = []
    async def stay(websocket):
        clients.append(websocket)
        await websocket.wait_closed()
    async with serve(stay, "localhost", port):
        while True:
            message = json.dumps(fetch())
            for client in clients:
                await client.send(message)
            await asyncio.sleep(0.1)
''': ENDED_BY_LEAVING,
    '''
import asyncio, json
from websockets.asyncio.server import serve
async def serve_prices(port, fetch):
    clients = []
    async def stay(websocket):
        clients.append(websocket)
        await websocket.wait_closed()
    async def send():
        while True:
            message = json.dumps(fetch())
            for client in clients:
                await client.send(message)
            await asyncio.sleep(0.1)
    async with serve(stay, "localhost", port) as server:
        sending = asyncio.create_task(send())
        await server.serve_forever()
''': SILENT_AFTER_LEAVING,
    SOLUTION.replace("json.dumps(fetch())", "str(fetch())"): NOT_JSON,
    SOLUTION.replace("json.dumps(fetch())", "fetch()"): NOT_TEXT,
    '''
def serve_prices(port, fetch):
    return fetch()
''': NOT_ASYNC,
    '''
from websockets.asyncio.server import serve
async def stay(websocket):
    await websocket.wait_closed()
async def serve_prices(port, fetch):
    async with serve(stay, "localhost", port):
        print("ready")
''': ENDED,
    '''
import asyncio, json
from websockets.asyncio.server import broadcast, serve
async def stay(websocket):
    await websocket.wait_closed()
async def serve_prices(port, fetch):
    prices = json.dumps(fetch())
    async with serve(stay, "localhost", port) as server:
        while True:
            broadcast(server.connections, prices)
            await asyncio.sleep(0.1)
''': UNCHANGED,
    SOLUTION.replace("json.dumps(fetch())", "json.dumps(fetch()[:1])"): OTHER_PRICES,
    SOLUTION.replace("await websocket.wait_closed()", "pass"): CLOSED,
    SOLUTION.replace("sleep(0.1)", "sleep(1)"): SLOW,
}  # fmt: skip


class _Prices:
    """Makes prices that never repeat, and recognises them later.

    Attributes:
        calls: how often they were fetched.
    """

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self.calls = 0
        self._numbers: dict[str, int] = {}

    def fetch(self) -> list[dict[str, Any]]:
        """Return new prices."""
        self.calls += 1
        prices = [
            {"symbol": symbol, "price": self.calls + round(self._rng.random() / 2, 2)}
            for symbol in ("AAPL", "MSFT", "NVDA")
        ]
        self._numbers[json.dumps(prices)] = self.calls
        return prices

    def find_number(self, message: str | bytes) -> int:
        """Return which call of `fetch` made a message."""
        try:
            prices = json.loads(message)
        except ValueError:
            raise Refusal(NOT_JSON, describe(message)) from None
        number = self._numbers.get(json.dumps(prices))
        if number is None:
            raise Refusal(OTHER_PRICES, describe(prices))
        return number


class _HandlerErrors(logging.Filter):
    """Takes the errors of a student's handlers, which websockets only logs.

    A handler that does not catch the `ConnectionClosed` of a client that has left is right, but
    websockets would log a traceback below the card.

    Attributes:
        errors: those of the student's code.
    """

    def __init__(self) -> None:
        super().__init__()
        self._ident = threading.get_ident()
        self.errors: list[BaseException] = []

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is to be logged: one of another thread, or without an error."""
        error = record.exc_info[1] if record.exc_info else None
        if record.thread != self._ident or error is None:
            return True
        if not isinstance(error, ConnectionClosed):
            self.errors.append(error)
        return False


class _Trial:
    """A student's server that runs, and the clients that try it.

    Attributes:
        checked: how much was right so far.
    """

    def __init__(
        self, task: asyncio.Task[Any], prices: _Prices, port: int, handlers: _HandlerErrors
    ) -> None:
        self._task, self._prices, self._port = task, prices, port
        self._handlers = handlers
        self.checked = 0

    async def run(self) -> None:
        """Connect clients, compare what they get, and let one leave."""
        async with AsyncExitStack() as stack:
            clients = [await self._connect(stack) for _ in range(CLIENTS)]
            numbers = await asyncio.gather(*(self._receive(each, SILENT) for each in clients))
            self._compare(numbers)
            self.checked += CLIENTS
            # As a laptop that is closed: without a close frame.
            clients.pop().transport.abort()
            numbers = await asyncio.gather(
                *(self._receive(each, SILENT_AFTER_LEAVING) for each in clients)
            )
            self._compare(numbers)
            self.checked += len(clients)
            await self._receive(await self._connect(stack), SILENT_AFTER_LEAVING)
            self.checked += 1

    async def _connect(self, stack: AsyncExitStack) -> ClientConnection:
        deadline = asyncio.get_running_loop().time() + CONNECT_S
        while True:
            try:
                client = connect(f"ws://localhost:{self._port}", open_timeout=CONNECT_S)
                return await stack.enter_async_context(client)
            except (OSError, InvalidHandshake) as error:
                self._check_task(ENDED)
                if asyncio.get_running_loop().time() > deadline:
                    said = (
                        f"No websocket server listens on the given port, {self._port}. "
                        "`await serve(…)` or `async with serve(…)` starts one."
                    )
                    raise Refusal(said, describe(error)) from None
                await asyncio.sleep(POLL_S)

    async def _receive(self, client: ClientConnection, silent: str) -> list[int]:
        """Return which calls of `fetch` made the next messages of a client."""
        is_later = silent is SILENT_AFTER_LEAVING
        numbers = []
        loop = asyncio.get_running_loop()
        begin = loop.time()
        try:
            for _ in range(MESSAGES):
                message = await asyncio.wait_for(client.recv(), RECEIVE_S)
                numbers.append(self._prices.find_number(message))
        except TimeoutError:
            self._check_task(ENDED)
            raise Refusal(silent) from None
        except ConnectionClosed as error:
            # The server cuts off its clients before it ends.
            await asyncio.wait([self._task], timeout=END_S)
            self._check_task(ENDED_BY_LEAVING if is_later else ENDED)
            if self._handlers.errors:
                raise self._handlers.errors[0] from None
            raise Refusal(CLOSED, describe(str(error))) from None
        if loop.time() - begin > SLOW_S:
            raise Refusal(SLOW)
        return numbers

    def _check_task(self, ended: str) -> None:
        """Raise an error if the student's function has ended."""
        if not self._task.done() or self._task.cancelled():
            return
        error = self._task.exception()
        if error is None or isinstance(error, ConnectionClosed):
            raise Refusal(ended, written=self._prices.calls > 0)
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise Refusal(PORT_TAKEN)
        if isinstance(error, TypeError) and _find_module(error).startswith("websockets"):
            raise Refusal(NOT_TEXT)
        raise error

    def _compare(self, numbers: list[list[int]]) -> None:
        if any(len(set(each)) == 1 for each in numbers):
            raise Refusal(UNCHANGED)
        # The clients came one after the other, so each began with another message.
        first, last = max(each[0] for each in numbers), min(each[-1] for each in numbers)
        common = [[number for number in each if first <= number <= last] for each in numbers]
        if not set.intersection(*map(set, numbers)):
            raise Refusal(OWN_PRICES)
        if any(each != common[0] for each in common):
            raise Refusal(LEFT_OUT)


def _find_module(error: BaseException) -> str:
    """Return the name of the module that raised an error."""
    *_, (frame, _line) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals.get("__name__", ""))


def _judge_server(answer: Any, rng: Random) -> Outcome:
    kind = "an async function that serves prices until it is cancelled"
    if not callable(answer):
        return Outcome(False, 0, NO_FUNCTION, kind, describe(answer))
    handlers, logger = _HandlerErrors(), logging.getLogger("websockets.server")
    logger.addFilter(handlers)
    try:
        # Its end closes the connections that are left.
        return asyncio.run(_judge_on_loop(answer, rng, kind, handlers))
    finally:
        logger.removeFilter(handlers)


async def _judge_on_loop(answer: Any, rng: Random, kind: str, handlers: _HandlerErrors) -> Outcome:
    prices, port = _Prices(rng), find_free_port()
    serving = answer(port, prices.fetch)
    if not inspect.iscoroutine(serving):
        return Outcome(False, 0, NOT_ASYNC, kind, describe(serving))
    task = asyncio.create_task(serving)
    trial = _Trial(task, prices, port, handlers)
    try:
        await trial.run()
    except Refusal as refusal:
        return refusal.make_outcome(trial.checked, kind)
    finally:
        task.cancel()
        await asyncio.wait([task], timeout=END_S)
        if task.done() and not task.cancelled():
            task.exception()  # reported already, or an error while it was cancelled
    praise = f"{CLIENTS} clients got the same prices, and went on when one of them left."
    return Outcome(True, trial.checked, praise)


SMALL_SERVER = Exercise(
    key="3b",
    task="serve_prices(port, fetch): ten times a second, send fetch()'s prices to all clients.",
    judge=_judge_server,
    hints=(
        "Two jobs: each connection has to stay open, and one loop sends to all connections.",
        "`async with serve(handler, …) as server:` knows its clients: server.connections. "
        "A handler that waits, with `await websocket.wait_closed()`, keeps its connection open.",
        "websockets.asyncio.server.broadcast(connections, text) sends to all who are still there.",
    ),
    solution=SOLUTION,
    wrong=WRONG,
)
