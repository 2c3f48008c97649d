"""Conformance of the websocket to RFC 6455, by the cases of the Autobahn suite.

Most cases expect an echo of what they send, which a server of ticks does not give. They run against
a `ThreadServer` that echoes and is otherwise unchanged: the same code makes its connections, with
the same options. The cases that expect no answer, because what they send breaks the rules, run
against a real server too. The cases of limits (9) take minutes, and there is no compression (12 and
13).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

import pytest
from kosoku import FailureError, run_fuzzingclient
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

import tickerkit as tk
from tickerkit.server.thread_server import ThreadServer

ALL_BUT = ["9.*", "12.*", "13.*"]
# A close frame inside a fragmented message: websockets answers 1002, which is stricter.
OF_WEBSOCKETS = {"7.1.5"}


async def echo(_: ThreadServer, connection: ServerConnection) -> None:
    """Echo every message."""
    with contextlib.suppress(ConnectionClosed):
        async for message in connection:
            await connection.send(message)


def results(url: str, cases: Sequence[str] | None = None) -> list[Any]:
    """Run cases against a server, by default all; return their results."""
    try:
        return asyncio.run(run_fuzzingclient(url, cases, ALL_BUT, concurrency=8))
    except FailureError as error:
        return list(error.results)


def failures(ran: list[Any]) -> dict[str, str]:
    """Return the failed cases, and how each failed."""
    return {each.case_id: f"{each.result} {each.result_close}" for each in ran if not each.passed}


def unanswered(ran: list[Any]) -> list[Any]:
    """Return the results in which the server sent no message."""
    return [each for each in ran if all(event[0] != "message" for event in each.received)]


def test_websocket_conforms_to_rfc_6455(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the case in which websockets is stricter fails."""
    with monkeypatch.context() as patched:
        # Only the echo is new.
        patched.setattr(ThreadServer, "_serve", echo)
        server = tk.serve(port=0)
    with server:
        ran = results(server.url)
        assert server.stats["refused"] == 0
    assert len(ran) > 240
    assert failures(ran).keys() <= OF_WEBSOCKETS, failures(ran)

    with tk.serve(port=0) as real:
        ran = results(real.url, [each.case_id for each in unanswered(ran)])
        assert real.stats["refused"] == 0
        assert real.stats["connections"] == len(ran) > 100
    # In cases with a valid message before the invalid one, the real server may answer an error to
    # the first; which of the two it reads first is chance.
    quiet = unanswered(ran)
    assert len(quiet) > 100
    assert failures(quiet).keys() <= OF_WEBSOCKETS, failures(quiet)
