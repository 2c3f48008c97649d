"""Board in a real browser: how to join, many students, orders by mouse and keys; in JupyterLab."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from lab import Jupyter, Lab, notebook7, save_notebook
from page_sides import show_page_side
from snapshots import make_line, make_seat

from tickerkit.classroom.room.board import widget
from tickerkit.classroom.room.board.controls import Controls
from tickerkit.classroom.room.board.messages import ClassFacts
from tickerkit.classroom.room.board.room_board import RoomSource
from tickerkit.classroom.room.board.widget import ClassBoard
from tickerkit.classroom.room.joining import make_qr

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

Until = Callable[..., None]
HOSTILE = "<img src=x onerror=alert(1)>"
PAGE = "http://192.168.1.20:8000/otter42"
FACTS: ClassFacts = {
    "code": "otter42",
    "page": PAGE,
    "others": [("http://10.8.0.3:8000/otter42", "tun0: a VPN")],
    "qr": make_qr(PAGE),
    "wifi_qr": "",
    "ssid": "",
    "tasks": [(1, "Knock"), (2, "Listen")],
    "challenges": [("all", "all tasks")],
    "traps": [("firewall", "it keeps others out", "ufw allow 8000/tcp", True)],
    "orders": [],
}
ROWS = ".tb-roster tbody tr"
WHO = ".tb-label b"


class FakeMarket:
    """Takes the orders of a market."""

    def __init__(self, orders: list[Any]) -> None:
        self.pause = lambda: orders.append("pause")
        self.play = lambda: orders.append("play")


class FakeClass:
    """A class whose students a test writes by hand; keeps the orders that it gets."""

    status = "listening"

    def __init__(self) -> None:
        self.orders: list[Any] = []
        self.market = FakeMarket(self.orders)
        self.seats: list[dict[str, Any]] = []
        self.lines: list[dict[str, Any]] = []

    @property
    def server(self) -> FakeClass:
        return self

    def execute(self, _: str, since: int) -> dict[str, Any]:
        """Return a snapshot."""
        journal = [line for line in self.lines if line["number"] > since]
        market = {"can_steer": True, "paused": False, "speed": 1.0, "symbols": ["AAPL"]}
        return {"seats": self.seats, "journal": journal, "market": market, "challenge": None}

    def say(self, text: str, name: str | None) -> int:
        """Keep the order."""
        self.orders.append(("say", text, name))
        return 1

    def kick(self, name: str) -> int:
        """Keep the order."""
        self.orders.append(("kick", name))
        return 1

    def rename(self, name: str, new: str) -> str:
        """Give a student another name."""
        for seat in self.seats:
            seat["name"] = new if seat["name"] == name else seat["name"]
        return new

    @property
    def wires(self) -> FakeClass:
        """The wires of all."""
        return self

    def drop(self) -> int:
        """Keep the order."""
        self.orders.append("drop")
        return 1


class Shown:
    """A board and its page, without a notebook: `exchange` carries the messages between them."""

    def __init__(self, page: Page) -> None:
        self.room, self.page, self.now = FakeClass(), page, 0.0
        controls = Controls(self.room)
        source = RoomSource(self.room, set(), lambda: self.now)  # type: ignore[arg-type]
        facts: ClassFacts = {**FACTS, "orders": controls.orders}
        self.board = ClassBoard(source, controls, facts, clock=lambda: self.now)
        self._sent: list[Any] = []
        self.board.send = lambda content, buffers=None: self._sent.append(content)
        show_page_side(page, ClassBoard)

    def exchange(self) -> bool:
        """Carry the messages of both sides; return True."""
        for message in self.page.evaluate("() => window.sent.splice(0)"):
            self.board._handle_message(None, message, [])
        self.now += widget.UPDATE_S
        self.board.poll()
        self.board.flush()
        for content in self._sent:
            self.page.evaluate("(message) => window.receive(message)", content)
        self._sent.clear()
        return True

    def has(self, selector: str, text: str) -> bool:
        """Exchange messages; return whether an element with a text is in the page."""
        return self.exchange() and self.page.locator(selector, has_text=text).count() > 0


@pytest.fixture
def shown(chromium: Browser, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shown]:
    """Show a board in an empty page; errors of its scripts fail the test."""
    monkeypatch.setattr(widget.SENDER, "request", lambda _: None)
    errors: list[str] = []
    page = chromium.new_page(viewport={"width": 1100, "height": 1000})
    page.on("pageerror", lambda error: errors.append(str(error)))
    shown = Shown(page)
    yield shown
    shown.board.close()
    page.close()
    assert errors == []


def test_board_shows_how_to_join_and_proves_it(shown: Shown, until: Until) -> None:
    """Address and code are large; what may be wrong comes after a minute without anybody."""
    until(lambda: shown.has(".tb-address", "192.168.1.20:8000/otter42"))
    page = shown.page
    assert page.locator("figure img").count() == 1  # no wifi is known
    assert page.evaluate("() => document.querySelector('figure img').naturalWidth") > 0
    page.get_by_text("other addresses").click()
    page.get_by_text("http://10.8.0.3:8000/otter42").wait_for()
    page.get_by_text("Nobody is here yet.").wait_for()
    assert not page.get_by_text("ufw allow").is_visible()
    shown.now += 60
    until(lambda: shown.exchange() and page.get_by_text("ufw allow 8000/tcp").is_visible())
    shown.room.seats = [make_seat("ana")]
    until(lambda: shown.has(".tb-proof", "✓ reached from 192.168.1.57"))
    assert not page.get_by_text("ufw allow").is_visible()


def test_teacher_leads_a_large_class(shown: Shown, until: Until, artifacts: Path) -> None:
    """Three hundred rows are sorted; one is chosen by keys, and the orders are then for her."""
    room, page = shown.room, shown.page
    room.seats = [make_seat(f"student {300 - at}") for at in range(300)]
    room.seats.append(make_seat(HOSTILE, tasks={"1": {"state": "passed"}}, wire="stalled"))
    room.lines = [make_line(1, name=HOSTILE, reason=HOSTILE)]
    until(lambda: shown.exchange() and page.locator(ROWS).count() == 301)
    names = page.locator(f"{ROWS} .tb-name").all_inner_texts()
    assert names == [HOSTILE, *(f"student {number}" for number in range(1, 301))]
    page.locator(ROWS, has_text="wire stalled").wait_for()
    until(lambda: shown.has(".tb-journal li", HOSTILE))
    assert page.locator("img").count() == 1

    page.locator(".tb-name").first.focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowDown"):
        page.keyboard.press(key)
    assert page.locator(WHO).inner_text() == "student 2"
    page.get_by_label("text to show").fill("hello")
    page.keyboard.press("Enter")
    until(lambda: shown.has(".tb-answer", "Said to 1 connection."))
    page.get_by_label("new name").fill("Ben")
    page.get_by_role("button", name="Rename").click()
    until(lambda: shown.exchange() and page.locator(WHO).inner_text() == "Ben")
    page.get_by_label("new name").fill("student 2")
    page.get_by_role("button", name="Rename").click()
    until(lambda: shown.exchange() and page.locator(WHO).inner_text() == "student 2")
    page.get_by_role("button", name="Remove").click()
    shown.exchange()
    assert room.orders == [("say", "hello", "student 2")]  # it asks first
    page.get_by_role("button", name="Really remove?").click()
    until(lambda: shown.has(".tb-answer", "student 2 is removed."))
    room.seats = [seat for seat in room.seats if seat["name"] != "student 2"]
    until(lambda: shown.exchange() and page.locator(WHO).inner_text() == "everyone")
    page.get_by_role("button", name="Drop").click()
    shown.exchange()
    assert "drop" not in room.orders  # the wires of all: it asks first
    page.get_by_role("button", name="Really all?").click()
    until(lambda: shown.exchange() and "drop" in room.orders)
    page.get_by_role("button", name="Pause").click()
    until(lambda: shown.has(".tb-answer", "The market is paused."))

    page.screenshot(path=artifacts / "board.png")
    page.get_by_role("button", name="Names").click()
    page.locator(".tb-name", has_text="student 301").wait_for()
    assert page.get_by_text(HOSTILE).count() == 0


# Runs code in the kernel, and does not wait for its end.
START = """(code) => {
    const { sessionContext } = window.jupyterapp.shell.currentWidget.context;
    sessionContext.session.kernel.requestExecute({ code, store_history: false });
}"""
CELL = """
import tickerkit as tk
from websockets.sync.client import connect
room = tk.room("sim:AAPL,MSFT", code="otter42", port=0)
ana = connect(room.url + "&name=ana", proxy=None).__enter__()
room
"""


def check_notebook(lab: Lab, picture: Path) -> None:
    """Check a board in a notebook: it is live, also while a cell runs, and after the class."""
    lab.run_all()
    page = lab.page
    page.locator(ROWS, has_text="ana").wait_for()
    page.evaluate(START, "import time\nwhile not room.market.is_paused: time.sleep(0.1)")
    page.get_by_role("button", name="Pause", exact=True).click()
    page.get_by_role("button", name="Play", exact=True).wait_for()
    # Keys stay in the board: "b" would add a cell, and in a cell a line break submits no form.
    cells = page.locator(".jp-Cell").count()
    page.get_by_role("button", name="Say").focus()
    page.keyboard.press("b")
    page.get_by_label("text to show").fill("hello")
    page.keyboard.press("Enter")
    page.locator(".tb-answer", has_text="Said to 1 connection.").wait_for()
    assert page.locator(".jp-Cell").count() == cells
    page.screenshot(path=picture)
    lab.run("ana.close(); room.stop()")
    page.locator(".tb-status", has_text="stopped").wait_for()
    assert lab.failures() == []
    assert lab.errors == []


@pytest.mark.package
def test_board_is_live_in_jupyterlab(jupyter: Jupyter, tmp_path: Path, artifacts: Path) -> None:
    """A student who joins appears, and an order arrives while a cell runs."""
    with jupyter.open(CELL, tmp_path) as lab:
        check_notebook(lab, artifacts / "board-lab.png")


@pytest.mark.package
def test_board_is_live_in_notebook_7(chromium: Browser, tmp_path: Path, artifacts: Path) -> None:
    """As in JupyterLab."""
    pytest.importorskip("notebook")
    file = tmp_path / "class.ipynb"
    save_notebook(file, CELL)
    folder = tmp_path / "served"
    folder.mkdir()
    with notebook7(chromium, file, folder) as lab:
        check_notebook(lab, artifacts / "board-notebook.png")
