"""live_card: a card in a notebook follows the state of its server or feed."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lab import Jupyter

import tickerkit as tk
from tickerkit.runtime import card_bundle, live_card
from tickerkit.runtime.card_bundle import make_card_bundle
from tickerkit.runtime.live_card import LiveCard
from tickerkit.runtime.presence import LEASE_S

Until = Callable[..., None]

HERE, AWAY = {"kind": "here", "page": "a"}, {"kind": "away", "page": "a"}


class Counter:
    """Something with a card."""

    count = 0

    def render(self) -> str:
        """Return the card."""
        return f"<b>{self.count}</b>"

    _repr_html_ = render

    def is_final(self) -> bool:
        """Return whether it has come to its end."""
        return self.count == 9


class Shown:
    """A card with a clock of its own; what it sends is kept."""

    def __init__(self) -> None:
        self.counter = Counter()
        self.now = 1000.0
        self.card = LiveCard(self.counter.render, self.counter.is_final, lambda: self.now)
        self.card._lease._idle_since = lambda: -float("inf")
        self.sent: list[Any] = []
        self.card.send = lambda content, buffers=None: self.sent.append(content["html"])

    def receive(self, message: object) -> None:
        """Take a message of a page."""
        self.card._handle_message(None, message, [])

    def flush(self) -> list[Any]:
        """Return what it sends now."""
        self.sent.clear()
        self.card.flush()
        return list(self.sent)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[LiveCard]:
    """Keep the cards that ask to be sent, instead of sending."""
    requests: list[LiveCard] = []
    monkeypatch.setattr(live_card.SENDER, "request", requests.append)
    return requests


@pytest.fixture
def shown(asked: list[LiveCard]) -> Iterator[Shown]:
    """Return a card that is not sent by a thread."""
    shown = Shown()
    yield shown
    shown.card.close()


def test_card_is_sent_when_it_has_changed(shown: Shown, asked: list[LiveCard]) -> None:
    """And looked at again a second later, as long as a page shows it."""
    assert shown.card.card in shown.card.wrap("<b>0</b>")
    assert shown.flush() == []
    assert asked == []
    shown.receive(HERE)
    assert shown.flush() == ["<b>0</b>"]
    assert shown.flush() == []
    shown.counter.count = 1
    assert shown.flush() == ["<b>1</b>"]
    assert len(asked) == 4
    assert shown.card.min_interval_s == 1.0


def test_nothing_is_sent_while_no_page_shows_the_card(shown: Shown, asked: list[LiveCard]) -> None:
    """A page that shows it again gets the card as it is then."""
    shown.receive(HERE)
    shown.flush()
    shown.receive(AWAY)
    asked.clear()
    shown.counter.count = 7
    assert shown.flush() == []
    assert asked == []
    shown.receive(HERE)
    assert shown.flush() == ["<b>7</b>"]


def test_card_of_a_stopped_server_is_sent_once(shown: Shown, asked: list[LiveCard]) -> None:
    """It is looked at no more, so that the sending thread can end."""
    shown.receive(HERE)
    asked.clear()
    shown.counter.count = 9
    assert shown.flush() == ["<b>9</b>"]
    assert asked == []


def test_page_that_reports_no_more_gets_nothing(shown: Shown) -> None:
    """A closed laptop says nothing before it sleeps."""
    shown.receive(HERE)
    shown.flush()
    shown.now += LEASE_S + 1
    shown.counter.count = 1
    assert shown.flush() == []
    shown.receive(HERE)
    assert shown.flush() == ["<b>1</b>"]


@pytest.mark.parametrize("message", [None, "here", {}, {"kind": "here"}, {"kind": 5, "page": "a"}])
def test_unknown_messages_are_ignored(shown: Shown, asked: list[LiveCard], message: object) -> None:
    """A page may be newer than the kernel."""
    shown.receive(message)
    assert asked == []


def test_card_keeps_nothing_in_memory(shown: Shown) -> None:
    """A server that is replaced, and nobody uses, goes with all its ticks."""
    shown.receive(HERE)
    shown.flush()
    del shown.counter
    gc.collect()
    assert shown.flush() == []


def test_without_widgets_the_card_is_static() -> None:
    """As in a plain Python, or a saved page."""
    bundle = make_card_bundle(counter := Counter(), counter.render, counter.is_final)
    assert set(bundle) == {"text/plain", "text/html"}


def test_cells_that_show_the_same_object_share_a_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each object has a card of its own; a server and a feed have one."""
    monkeypatch.setattr(card_bundle, "shows_widgets", lambda: True)
    with tk.serve(None, port=0) as server, tk.connect(server.url) as feed:
        bundles = [each._repr_mimebundle_() for each in (server, server, feed)]
    cards = [bundle["text/html"].partition(">")[0] for bundle in bundles]
    assert cards[0] == cards[1] != cards[2]
    assert "TickServer" in bundles[0]["text/html"]
    # A notebook that is opened without its kernel can't show a widget.
    assert all(set(bundle) == {"text/plain", "text/html"} for bundle in bundles)
    for shown in (server, feed):
        card_bundle._cards.pop(shown).close()


@pytest.mark.process
def test_card_of_a_process_does_not_wait_for_it(until: Until) -> None:
    """It shows the newest answer, and asks again."""
    with tk.serve(None, port=0, process=True) as server:
        assert "0 clients" in server._render_live_card()
        with tk.connect(server.url):
            until(lambda: "1 client" in server._render_live_card())
    assert "stopped" in server._render_live_card()


@pytest.mark.browser
@pytest.mark.package
@pytest.mark.timeout(240)
def test_card_in_jupyterlab_follows_its_server(
    jupyter: Jupyter, tmp_path: Path, artifacts: Path
) -> None:
    """Without a cell being run: ticks and clients count up; stopped, it says so."""
    start = "import tickerkit as tk\nserver = tk.serve(None, port=0)\nserver"
    with jupyter.open(start, tmp_path) as lab:
        lab.run_all()
        text = "document.querySelector('.jp-OutputArea')?.innerText ?? ''"
        lab.until(f"() => ({text}).includes('0 ticks, 0 clients')")
        lab.run("server.publish([{'symbol': 'AAPL', 'price': 1}] * 5)")
        lab.until(f"() => ({text}).includes('5 ticks, 0 clients')")
        lab.run("feed = tk.connect(server.url)")
        lab.until(f"() => ({text}).includes('5 ticks, 1 client')")
        lab.page.screenshot(path=artifacts / "live_card.png")
        lab.run("server.stop()")
        lab.until(f"() => ({text}).includes('stopped')")
        assert lab.failures() == []
        assert lab.errors == []


@pytest.mark.browser
@pytest.mark.package
@pytest.mark.timeout(240)
def test_card_and_chart_in_jupyterlab_do_not_outlive_their_kernel(
    jupyter: Jupyter, tmp_path: Path, artifacts: Path
) -> None:
    """After a restart of the kernel neither looks as if it were live."""
    start = (
        "import tickerkit as tk\nserver = tk.serve(tk.simulate('AAPL'), port=0)\n"
        "display(server)\ntk.connect(server.url).chart()"
    )
    with jupyter.open(start, tmp_path) as lab:
        lab.run_all()
        lab.until_all(1, "plot.data[0]?.x?.length > 1")
        lab.restart()
        said = "the kernel has ended or was restarted"
        lab.until(
            f"() => document.querySelector('[data-tickerkit-card]').innerText.includes('{said}')"
        )
        lab.until(f"() => document.querySelector('.tickerkit-note').innerText.includes('{said}')")
        lab.page.screenshot(path=artifacts / "kernel_restarted.png")
        assert lab.errors == []
