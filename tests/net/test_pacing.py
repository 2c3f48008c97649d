"""pacing: data that comes with the end of a connection."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from websockets.protocol import State
from websockets.server import ServerProtocol

from tickerkit.net import pacing
from tickerkit.net.pacing import MAX_END_S, MAX_STEP_S, STEP_BYTES, PacedConnection

EMPTY_PONG = b"\x8a\x80\x00\x00\x00\x00"
MANY = EMPTY_PONG * (64 * STEP_BYTES // len(EMPTY_PONG))


class Transport(asyncio.Transport):
    """A transport that reads and writes nothing."""

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...
    def write(self, data: Any) -> None: ...
    def close(self) -> None: ...
    def can_write_eof(self) -> bool:
        return False


@pytest.mark.parametrize(("step_s", "is_whole"), [(0.0, True), (MAX_STEP_S, False)])
def test_end_of_a_connection_does_not_hold_up_the_loop(
    monkeypatch: pytest.MonkeyPatch, step_s: float, is_whole: bool
) -> None:
    """With TLS, the end may come in one read with data, which is read if that is quick."""
    clock = 0.0
    steps: list[int] = []
    faults: list[object] = []

    class Connection(PacedConnection):
        def receive_step(self, data: bytes) -> None:
            nonlocal clock
            steps.append(len(data))
            # The first step always takes long, so that the rest has to wait.
            clock += step_s or (MAX_STEP_S * 2 if len(steps) == 1 else 0)
            super().receive_step(data)

    async def run() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: faults.append(context))
        connection = Connection(ServerProtocol(state=State.OPEN))
        connection.connection_made(Transport())
        connection.data_received(MANY)
        connection.eof_received()
        await asyncio.sleep(0)  # the rest of the read would be parsed now
        connection.connection_lost(None)

    monkeypatch.setattr(pacing.time, "thread_time", lambda: clock)
    asyncio.run(run())
    assert max(steps) <= STEP_BYTES
    assert (sum(steps) == len(MANY)) is is_whole
    assert clock <= MAX_END_S + 4 * MAX_STEP_S
    assert faults == []
