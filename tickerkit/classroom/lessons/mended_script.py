"""Exercise 3a6: the mended server of the tutorial serves several clients, and survives each."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from random import Random
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import ClientConnection

from tickerkit.classroom.lessons.exercise import Exercise, Outcome
from tickerkit.classroom.lessons.judging import describe
from tickerkit.classroom.lessons.refusal import Refusal
from tickerkit.classroom.lessons.script import PORT, Script

__all__ = ["MENDED_SCRIPT"]

CLIENTS = 3
RECEIVE_S = 2.5

SOLUTION = '''
program = """
import asyncio
import json
import random

import websockets


def fetch_stock_prices():
    usual = {"AAPL": 187.25, "MSFT": 402.10, "NVDA": 118.50}
    return [
        {"symbol": symbol, "price": round(price * random.uniform(0.99, 1.01), 2)}
        for symbol, price in usual.items()
    ]


async def send_stock_prices(websocket):
    while True:
        stock_prices = fetch_stock_prices()
        await websocket.send(json.dumps(stock_prices))
        await asyncio.sleep(10)


async def main():
    async with websockets.serve(send_stock_prices, "localhost", 8000) as server:
        await server.serve_forever()


asyncio.run(main())
"""
'''

# How a script that is not mended fails, by what its terminal says.
FAULTS = {
    "no running event loop|no current event loop": "The server is made before a loop runs.",
    "positional argument": "The function takes more arguments than the connection.",
    "'fetch_stock_prices' is not defined": "fetch_stock_prices is still not defined.",
    "iterable must contain|data must be": "It sends a list. Make text of it: json.dumps.",
    "'json' is not defined": "It uses json without importing it.",
    "cannot be called from a running event loop": "This program must run as a script of its own.",
}


def _judge_script(answer: Any, _: Random) -> Outcome:
    kind = "the text of a script that serves a list of prices on port 8000"
    if not isinstance(answer, str) or not answer.strip():
        said = 'Pass the text of the script: Path("server.py").read_text().'
        return Outcome(False, 0, said, kind, describe(answer))
    if PORT not in answer:
        return Outcome(False, 0, "The script does not name port 8000.", kind)
    try:
        compile(answer, "server.py", "exec")
    except (SyntaxError, ValueError) as error:
        return Outcome(False, 0, f"Python can't read the script: {error}.", kind)
    # The checker does not wait for 10 seconds.
    quick = re.sub(r"asyncio\.sleep\([\d.]+\)", "asyncio.sleep(0.1)", answer)
    checked = 0
    try:
        with Script(quick) as script:
            for _step in _try_clients(script):
                checked += 1
    except Refusal as refusal:
        return refusal.make_outcome(checked, kind)
    praise = f"{CLIENTS} clients got prices; one left, the others stayed, and a late one came."
    return Outcome(True, checked, praise)


def _try_clients(script: Script) -> Iterator[None]:
    """Yield after each step that went well."""
    try:
        with ExitStack() as stack:
            clients = []
            for _ in range(CLIENTS):
                clients.append(stack.enter_context(script.connect()))
                _check_prices(_receive(clients[-1]))
                yield
            clients.pop().close()
            for client in clients:
                _check_prices(_receive(client))
                yield
            _check_prices(_receive(stack.enter_context(script.connect())))
            yield
    except ConnectionRefusedError:
        raise _explain(script, "The script ended before it listened on port 8000.") from None
    except TimeoutError:
        raise Refusal("A client waited for prices, and none came.") from None
    except (ConnectionClosed, InvalidHandshake, OSError):
        raise _explain(script, "The script cut off its client.") from None


def _explain(script: Script, said: str) -> Refusal:
    script.wait_for_error()
    lines = script.read_terminal().splitlines()
    last = lines[-1] if lines else ""
    known = (sentence for pattern, sentence in FAULTS.items() if re.search(pattern, last))
    return Refusal(next(known, said), last)


def _receive(client: ClientConnection) -> str | bytes:
    return client.recv(RECEIVE_S)


def _check_prices(message: str | bytes) -> None:
    try:
        prices = json.loads(message)
    except ValueError:
        raise Refusal("The message is not JSON.", describe(message)) from None
    if not isinstance(prices, list) or not prices:
        raise Refusal("The message should be a list with one dict per stock.", describe(prices))
    for stock in prices:
        if not isinstance(stock, dict) or not {"symbol", "price"} <= set(stock):
            raise Refusal("Each stock needs a symbol and a price.", describe(stock))


MENDED_SCRIPT = Exercise(
    key="3a6",
    task="The mended server.py serves several clients.",
    judge=_judge_script,
    hints=(
        "Run the cells of the five faults again, from the one that writes server.py.",
        "Did a cell say that server.py has no such part? Start above that cell.",
        "Compare the file, line by line, with the five parts that the lesson replaces.",
    ),
    solution=SOLUTION,
    wrong={
        SOLUTION.replace("websocket):", "websocket, path):"): FAULTS["positional argument"],
        SOLUTION.replace("def fetch", "def find"): FAULTS["'fetch_stock_prices' is not defined"],
        SOLUTION.replace("json.dumps(stock_prices)", "stock_prices"): FAULTS[
            "iterable must contain|data must be"
        ],
        SOLUTION.replace("import json\n", ""): FAULTS["'json' is not defined"],
        SOLUTION.replace("json.dumps", "str"): "The message is not JSON.",
        SOLUTION.replace("8000", "80 * 100"): "The script does not name port 8000.",
        SOLUTION.replace(
            "asyncio.run(main())",
            'websockets.serve(send_stock_prices, "localhost", 8000)',
        ): FAULTS["no running event loop|no current event loop"],
    },
)
