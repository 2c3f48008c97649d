"""Student's page in a real browser: seat, words, copying without https, and hostile texts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fake_class import CODE, FakeClass, fake_class

from tickerkit.classroom.room.student.page import render_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = pytest.mark.browser

Until = Callable[..., None]
HOSTILE = "<img src=x onerror=alert(1)>"
ADDRESS = "ws://192.168.1.20:8000/ticks?token=otter42&name=NAME"
FACTS = {
    "title": "Class 7b",
    "host": "192.168.1.20",
    "name": "NAME",
    "starters": [
        {"key": "python", "title": "Python", "run": "python ticks.py", "text": f'run("{ADDRESS}")'},
        {"key": "curl", "title": "curl", "run": "paste it", "text": f"curl '{ADDRESS}'"},
    ],
    "tasks": [{"number": 2, "title": "listen", "text": "Answer three pings."}],
}
LIVE = "body[data-state=live]"
PRICES = [
    {"symbol": "AAPL", "price": 187.25, "seq": 1},
    {"symbol": HOSTILE, "price": 2.5, "seq": 2},
]
TOO_SMALL = """() => [...document.querySelectorAll('button, input, summary')].filter((each) => {
    const { width, height } = each.getBoundingClientRect();
    return each.offsetParent && (width < 44 || height < 44);
}).map((each) => each.outerHTML)"""


def make_seat(name: str, *states: str, wire: str = "") -> dict[str, Any]:
    """Return what a class's server reports of a seat."""
    tasks = [
        {"number": at, "title": f"task {at}", "state": state, "hint": "pong 3 had 0 of 4 bytes"}
        for at, state in enumerate(states, 1)
    ]
    status = "connected, 0 behind"
    return {"type": "seat", "name": name, "status": status, "tasks": tasks, "wire": wire}


@pytest.fixture(scope="module")
def served() -> Iterator[FakeClass]:
    """Serve one page for all tests of this module."""
    with fake_class(render_page(CODE, FACTS)) as served:
        yield served


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """Open a browser's profile of a phone; errors of scripts fail the test."""
    errors: list[str] = []
    context = chromium.new_context(viewport={"width": 320, "height": 640}, color_scheme="dark")
    context.on("weberror", lambda error: errors.append(str(error.error)))
    yield context
    context.close()
    assert errors == []


def join(context: BrowserContext, served: FakeClass, name: str) -> Page:
    """Open the page and join with a name."""
    served.seats.clear()
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{served.port}/{CODE}")
    page.get_by_label("Your name in this class").fill(name)
    page.keyboard.press("Enter")
    page.locator(LIVE).wait_for()
    while not served.seats:  # the page knows of its connection before the server's handler runs
        page.wait_for_timeout(5)
    return page


def test_student_joins_and_a_refresh_keeps_the_seat(
    context: BrowserContext, served: FakeClass, until: Until
) -> None:
    """Name and key come again after a refresh, and the name that the server has given."""
    page = join(context, served, "  Ana ")
    first = served.seats[-1]
    assert {**first, "key": ""} == {"token": CODE, "name": "Ana", "key": ""}
    assert len(first["key"]) == 32
    served.send(make_seat("Ana-2"))
    page.get_by_text("Ana-2", exact=True).wait_for()
    page.reload()
    page.locator(LIVE).wait_for()
    assert served.seats[-1] == {**first, "name": "Ana-2"}

    page.get_by_role("button", name="Change name").click()
    page.get_by_label("Your name in this class").fill("Bo")
    page.get_by_role("button", name="Join").click()
    until(lambda: served.seats[-1]["name"] == "Bo")
    assert served.seats[-1]["key"] != first["key"]

    page.get_by_role("button", name="Change name").click()
    page.get_by_label("Your name in this class").fill("constructor")
    page.get_by_role("button", name="Join").click()
    until(lambda: served.seats[-1]["name"] == "constructor")
    assert len(served.seats[-1]["key"]) == 32


def test_student_sees_prices_tasks_notes_and_the_own_wire(
    context: BrowserContext, served: FakeClass, artifacts: Path
) -> None:
    """All of it fits 320 pixels, is text whatever it contains, and can be touched."""
    page = join(context, served, "Ana")
    served.send(PRICES)
    page.get_by_text("AAPL: $187.25").wait_for()
    page.get_by_text(f"{HOSTILE}: $2.50").wait_for()
    served.send(make_seat("Ana", "passed", "failed", wire="stalled"))
    page.get_by_text("Connected, 0 behind; the teacher has stalled your wire").wait_for()
    page.get_by_text("1 of 2 passed").wait_for()
    assert page.get_by_text("pong 3 had 0 of 4 bytes").count() == 1  # what is passed needs no hint
    seat = make_seat("Ana", "passed", "open")
    seat["tasks"][1]["hint"] = "Answer three pings."  # what to do is not said twice
    served.send(seat)
    page.locator("li", has_text="task 2").get_by_text("open").wait_for()
    assert page.get_by_text("Answer three pings.").count() == 1
    served.send(make_seat("Ana", "passed", "passed"))
    page.locator("#spoken", has_text="Task 2 passed").or_(
        page.locator("#spoken", has_text="Ana: connected")
    ).wait_for(state="attached")
    served.send({"type": "note", "text": "look at the board"})
    served.send({"type": "note", "from": "bo", "text": HOSTILE})
    page.get_by_text(f"bo: {HOSTILE}").wait_for()
    question = {"id": 1, "question": "count", "symbol": "AAPL", "from": 100, "to": 200}
    served.send({"type": "ask", **question})
    page.get_by_text("1: how many ticks has AAPL from 100 to 200?").wait_for()
    assert page.get_by_role("status").count() == 3  # also while they are empty
    page.screenshot(path=artifacts / "student-320-dark.png", full_page=True)
    assert page.evaluate("() => document.documentElement.scrollWidth") == 320
    assert page.evaluate(TOO_SMALL) == []
    assert page.locator("img").count() == 1  # the icon


def test_page_says_why_it_is_not_connected(
    context: BrowserContext, served: FakeClass, until: Until
) -> None:
    """It connects again by itself, but not after the teacher has removed the student."""
    page = join(context, served, "Ana")
    served.send(PRICES)
    page.get_by_text("AAPL: $187.25").wait_for()
    served.close(1012, "")
    until(lambda: len(served.seats) == 2)
    page.locator(LIVE).wait_for()
    served.send([{"symbol": "AAPL", "price": 188.5}])
    page.get_by_text("AAPL: $188.50").wait_for()
    served.close(1008, "The teacher has removed you.")
    page.locator("#own-text", has_text="not connected; The teacher has removed you.").wait_for()
    page.get_by_role("button", name="Try now").click()
    page.locator(LIVE).wait_for()
    assert len(served.seats) == 3


def test_program_is_copied_also_without_https(
    context: BrowserContext, served: FakeClass, until: Until
) -> None:
    """With own address and name; where copying is not allowed, the program is selected."""
    page = join(context, served, "Ana & Bo")
    page.evaluate("() => Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page.get_by_role("tab", name="Python").press("ArrowRight")
    code = "curl 'ws://127.0.0.1:8000/ticks?token=otter42&name=Ana%20%26%20Bo'"
    page.get_by_role("tabpanel").get_by_text(code).wait_for()
    page.get_by_role("button", name="Copy").click()
    page.get_by_text("Copied.").wait_for()
    page.evaluate("() => { document.execCommand = () => false; getSelection().empty(); }")
    page.get_by_role("button", name="Copy").click()
    page.get_by_text("Selected: copy it with").wait_for()
    assert page.evaluate("() => String(getSelection())") == code
