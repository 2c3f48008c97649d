"""What the tests of charts share: a server without a source, and a feed of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import tickerkit as tk
from tickerkit.feed import readers


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for changes of the feed's state, which are no ticks, more than once a second."""
    monkeypatch.setattr(readers, "IDLE_S", 0.05)


@pytest.fixture
def server() -> Iterator[tk.TickServer]:
    """Run a server without a source; tests publish ticks and books."""
    with tk.serve(None, port=0) as server:
        yield server


@pytest.fixture
def feed(server: tk.TickServer) -> Iterator[tk.Feed]:
    """Connect a feed to the server."""
    with tk.connect(server.url) as feed:
        yield feed
