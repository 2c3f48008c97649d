"""Robot: how a robot student thinks: what it answers, and when it comes back; no I/O."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from random import Random
from typing import Any, Literal, TypeAlias, get_args

import msgspec

from tickerkit.wire.header import CLOSE, KEY_BYTES, PING, PONG, TEXT, make_frame

__all__ = ["TEMPERS", "Robot", "Temper"]

Temper: TypeAlias = Literal["good", "forgets pongs", "too fast", "slow reader", "leaves rudely"]
TEMPERS: tuple[Temper, ...] = get_args(Temper)

FIRST_WAIT_S, MAX_WAIT_S = 0.4, 4.0
TOO_FAST_S = 0.05
SLOW_READ_S = 1.0
# How long a robot that has left stays away.
REST_S = 5.0
NORMAL = 1000
LEAVE = 7
MAX_TICKS = 100_000

encode = msgspec.json.Encoder().encode


class Robot:
    """A robot student. It does the tasks by what `/ticks` sends, as a program of a student's.

    Args:
        name: its name in the class.
        temper: what it does wrong: nothing if "good".
        pace: the pace of the class: its waits are divided by it.

    Attributes:
        name: as given.
        temper: as given.
        last_seq: the newest tick that it has; 0 before the first.
        is_leaving: whether it wants to end the connection.
    """

    def __init__(self, name: str, temper: Temper, pace: float = 1.0) -> None:
        self.name, self.temper, self.pace = name, temper, pace
        self.last_seq = 0
        self.is_leaving = False
        self._random = Random(name)
        self._tries = 0
        self._is_first = True
        self._gap: list[int | None] = []
        # By symbol: the seqs and prices of its ticks.
        self._seqs: dict[str, array[int]] = {}
        self._prices: dict[str, array[float]] = {}

    # --- connections --------------------------------------------------------------------------

    @property
    def query(self) -> str:
        """What it adds to the address."""
        after = f"&after={self.last_seq}" if self.last_seq else ""
        return f"name={self.name}{after}"

    def start(self) -> bytes:
        """Begin a connection; return what to send."""
        self.is_leaving, self._is_first = False, True
        return self._make_text({"type": "subscribe", "symbols": None})

    def next_wait(self) -> float:
        """Return how long to wait before the next attempt: longer each time, and never the same."""
        if self.temper == "too fast":
            wait_s = TOO_FAST_S
        elif self.is_leaving:
            wait_s = REST_S
        else:
            wait_s = min(FIRST_WAIT_S * 2**self._tries, MAX_WAIT_S) * self._random.uniform(1, 1.5)
        self._tries += 1
        return wait_s / self.pace

    @property
    def read_wait(self) -> float:
        """How long it waits after each frame."""
        return SLOW_READ_S / self.pace if self.temper == "slow reader" else 0.0

    def make_close(self) -> bytes:
        """Return the frame with which it leaves; empty if it leaves without one."""
        if self.temper == "leaves rudely":
            return b""
        return self._make(CLOSE, NORMAL.to_bytes(2, "big") + b"all done")

    # --- frames -------------------------------------------------------------------------------

    def take(self, opcode: int, payload: bytes) -> bytes:
        """Take a frame; return what to send."""
        if opcode == PING and self.temper != "forgets pongs":
            return self._make(PONG, payload)
        if opcode == CLOSE:
            return self._make(CLOSE, payload)
        if opcode != TEXT:
            return b""
        message = msgspec.json.decode(payload)
        if isinstance(message, list):
            self._take_ticks(message)
        elif message.get("type") == "gap":
            self._take_gap(message.get("from"), message.get("to"))
        elif message.get("type") == "seat":
            self._take_tasks(message.get("tasks") or [])
        elif message.get("type") == "ask":
            reply = {"type": "answer", "id": message["id"], "value": self._answer(message)}
            return self._make_text(reply)
        return b""

    def _take_ticks(self, ticks: list[dict[str, Any]]) -> None:
        self._tries = 0
        if self._is_first and ticks and ticks[0]["seq"] <= self.last_seq:
            self._forget()  # the server counts from 1 again
        self._is_first = False
        for tick in ticks:
            seq, price = tick["seq"], tick.get("price")
            if seq > self.last_seq:
                self.last_seq = seq
                symbol = tick["symbol"]
                self._seqs.setdefault(symbol, array("q")).append(seq)
                value = float("nan") if price is None else price
                self._prices.setdefault(symbol, array("d")).append(value)
        if sum(map(len, self._seqs.values())) > MAX_TICKS:
            for symbol, seqs in self._seqs.items():
                half = len(seqs) // 2
                del seqs[:half], self._prices[symbol][:half]

    def _take_gap(self, first: int | None, last: int | None) -> None:
        self._gap = [first, last]
        if last is None:
            self._forget()
        else:
            self.last_seq = max(self.last_seq, last)

    def _forget(self) -> None:
        self.last_seq = 0
        self._seqs.clear()
        self._prices.clear()

    def _take_tasks(self, tasks: list[dict[str, Any]]) -> None:
        missing = [task["number"] for task in tasks if task["state"] != "passed"]
        self.is_leaving = missing == [LEAVE]

    def _answer(self, question: dict[str, Any]) -> object:
        kind, symbol = question["question"], question["symbol"]
        if kind == "gap":
            return self._gap
        seqs = self._seqs.get(symbol, array("q"))
        start = bisect_left(seqs, question["from"])
        stop = bisect_right(seqs, question["to"])
        if kind == "count":
            return stop - start
        prices = [each for each in self._prices.get(symbol, ())[start:stop] if each == each]
        if not prices:
            return None
        return round(min(prices) if kind == "min" else prices[-1], 2)

    def _make_text(self, message: dict[str, Any]) -> bytes:
        return self._make(TEXT, encode(message))

    def _make(self, opcode: int, payload: bytes) -> bytes:
        return make_frame(opcode, payload, self._random.randbytes(KEY_BYTES))
