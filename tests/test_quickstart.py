"""Tests of `tk.live`: serve, connect and show, in one line."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from cells import Kernel
from peers import plain_server

import tickerkit as tk
from tickerkit import quickstart
from tickerkit.chart import dashboard
from tickerkit.runtime import registry

Until = Callable[..., None]

TICK = {"symbol": "AAPL", "price": 187.25}


@pytest.fixture(autouse=True)
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Stand in for the notebook; return the list of what is displayed."""
    shown: list[Any] = []
    monkeypatch.setitem(sys.modules, "ipykernel", sys.modules[__name__])
    monkeypatch.setattr("IPython.display.display", shown.append)
    monkeypatch.setattr(quickstart, "dashboard", lambda feed, **options: (feed, options))
    return shown


def names() -> list[str]:
    """Return the names of tickerkit's threads."""
    return [each.name for each in threading.enumerate() if each.name.startswith("tickerkit")]


def test_live_serves_and_shows_a_source(shown: list[Any]) -> None:
    """One call makes a server on a free port, a feed, and its dashboard."""
    feed = tk.live([TICK], symbols=["AAPL"], window="1min", height=200)
    assert feed.wait(1).latest()["price"].tolist() == [187.25]
    assert feed.symbols == ["AAPL"]
    assert [type(each).__name__ for each in registry.running()] == ["ThreadServer", "Feed"]
    assert shown[0][0] is feed
    assert (shown[0][1]["window"], shown[0][1]["height"]) == ("1min", 200)


def test_live_reads_a_foreign_websocket_by_a_guess() -> None:
    """`subscribe` is sent, and the feed says that its map is a guess."""

    def handle(peer: Any) -> None:
        subscribed = json.loads(peer.recv())
        for number in range(5):
            peer.send(json.dumps({"s": subscribed["for"], "p": f"{100 + number}.5"}))
        peer.recv()

    with plain_server(handle) as url, tk.live(url, subscribe={"for": "BTC"}) as feed:
        assert feed.wait(5).latest().loc["BTC", "price"] == 104.5
        assert "a guess" in repr(feed)
        assert feed.fields == {"symbol": "s", "price": "p"}


def test_arguments_for_a_websocket_are_refused_with_a_source() -> None:
    """The error names the argument, without a key in it, and nothing is left running."""
    wrong: dict[str, dict[str, str]] = {
        "subscribe": {"op": "auth", "key": "sesame"},
        "ping": {"op": "ping", "key": "sesame"},
        "headers": {"X-Api-Key": "sesame"},
    }
    for name, value in wrong.items():
        with pytest.raises(tk.InvalidArgument, match=name) as caught:
            tk.live(tk.simulate("AAPL"), **{name: value})  # type: ignore[arg-type]
        assert "sesame" not in f"{caught.value}{vars(caught.value)}"
    assert registry.running() == []


def test_server_stops_with_the_feed() -> None:
    """Stopping the feed leaves nothing running."""
    feed = tk.live(tk.simulate(["AAPL"]))
    feed.wait(1)
    feed.stop()
    assert registry.running() == []
    assert names() == []


def test_live_connects_to_an_address(shown: list[Any]) -> None:
    """No server is started."""
    with plain_server(lambda peer: peer.recv()) as url:
        feed = tk.live(url)
        assert registry.running() == [feed]
        assert [each for each, _ in shown] == [feed]
        feed.stop()


def test_live_shows_nothing_outside_a_notebook(
    shown: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It only returns the feed."""
    monkeypatch.delitem(sys.modules, "ipykernel")
    assert tk.live([TICK]).wait(1).status in ("live", "ended")
    assert shown == []


def test_rerun_cell_leaves_one_server_and_one_feed(kernel: Kernel, until: Until) -> None:
    """The server has the same port, and the feed continues with the same log."""
    feeds = []
    for price in (1.0, 2.0, 3.0):
        kernel.run("cell")
        feeds.append(tk.live({"symbol": "AAPL", "price": price}))
        feeds[-1].wait(1)
    server, feed = registry.running()
    assert feed is feeds[-1]
    assert len({each.url for each in feeds}) == 1
    assert len({id(each.log) for each in feeds}) == 1
    assert feed.frame()["price"].tolist() == [1, 2, 3]
    assert [each.status for each in feeds[:2]] == ["stopped", "stopped"]
    feed.stop()
    assert server.summary()["status"] == "stopped"
    assert names() == []


def test_invalid_option_leaves_nothing_running(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server that was made for the feed is stopped."""
    monkeypatch.setattr(quickstart, "dashboard", dashboard)
    monkeypatch.setattr(sys.modules["ipykernel"], "version_info", (7, 4), raising=False)
    with pytest.raises(TypeError, match=r"live\(\) got an unexpected keyword argument 'widnow'"):
        tk.live([TICK], widnow="1min")  # type: ignore[call-arg]
    for wrong in ({"tz": "Mars"}, {"kind": "pie"}, {"window": "soon"}):
        with pytest.raises(ValueError, match=next(iter(wrong.values()))):
            tk.live([TICK], **wrong)
    with pytest.raises(ValueError, match="history"):
        tk.live([TICK], history=-1)
    assert registry.running() == []
    assert names() == []
