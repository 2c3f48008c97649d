"""The page of a dashboard in a real browser: what it shows, how it is used, and its pictures."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from desk_pages import check_accessibility, find_cut_words, set_theme, show_desk
from desk_scenes import NAMES, SCENES, make_scene

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

WIDTHS = (700, 1100, 1800, 3800)
CHOSEN = '.tkd-space [aria-selected="true"] [data-key="symbol"]'
SYMBOLS = '.tkd-space [data-key="symbol"]'
HOSTILE = "<img src=x onerror=alert(1)>"
# How many animation frames a second a page draws while a kernel sends 200 rows four times a second.
FRAMES = """async ({ rows, seconds }) => {
    const timer = setInterval(() => {
        for (const row of rows) {
            row.move = Math.random() < 0.5 ? -1 : 1;
            row.last *= 1 + 1e-4 * row.move;
            row.change += 0.01 * row.move;
            row.rate += row.move;
            row.spark = [...row.spark.slice(1), row.last];
            row.age_s = 0;
        }
        desk.receive({ kind: "rows", whole: false, rows: structuredClone(rows), gone: [] });
    }, 250);
    let frames = 0;
    const start = performance.now();
    while (performance.now() - start < seconds * 1000) {
        await new Promise(requestAnimationFrame);
        frames++;
    }
    clearInterval(timer);
    return frames / ((performance.now() - start) / 1000);
}"""


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """Open an empty page as wide as a notebook; at its end no script of it has failed."""
    pytest.importorskip("jupyterlab", reason="its themes are needed")
    page = chromium.new_page(viewport={"width": 1100, "height": 900})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    page.close()
    assert errors == []


def chosen(page: Page) -> dict[str, Any]:
    """Return all that the page has chosen."""
    sent: list[dict[str, Any]] = page.evaluate("() => desk.sent")
    messages = [each["choices"] for each in sent if each["kind"] == "choose"]
    return {name: value for message in messages for name, value in message.items()}


def receive(page: Page, kind: str, **fields: Any) -> None:
    """Send the page a message as the kernel does."""
    page.evaluate("message => desk.receive(message)", {"kind": kind, **fields})


def look(page: Page, artifacts: Path, name: str, width: int, theme: str) -> None:
    """Save a picture of a scene; assert that nothing is cut, and that axe has no complaint."""
    page.set_viewport_size({"width": width, "height": 900})
    show_desk(page, make_scene(name), theme, with_chart=True)
    page.locator(".tkd").screenshot(path=artifacts / f"desk-{name}-{width}-{theme}.png")
    assert find_cut_words(page) == []
    assert check_accessibility(page) == []


@pytest.mark.parametrize(
    ("name", "width", "theme"),
    [("twelve", 700, "light"), ("two-hundred", 1100, "dark"), ("stale", 1800, "light")],
)
def test_nothing_is_cut_and_axe_has_no_complaint(
    page: Page, artifacts: Path, name: str, width: int, theme: str
) -> None:
    """At each width all words are whole, and the page can be used without seeing it."""
    look(page, artifacts, name, width, theme)


@pytest.mark.soak
@pytest.mark.parametrize("name", SCENES)
def test_each_scene_fits_at_each_width_and_in_both_themes(
    page: Page, artifacts: Path, name: str
) -> None:
    """The pictures are in the folder .artifacts."""
    for width in WIDTHS:
        for theme in ("light", "dark"):
            look(page, artifacts, name, width, theme)


def test_heading_sorts_and_filter_narrows(page: Page) -> None:
    """Only rows in view are elements; a third click on a heading brings back the first order."""
    show_desk(page, make_scene("two-hundred"))
    assert 8 < page.locator(".tkd-space > .tkd-row").count() < 40
    heading = page.get_by_role("columnheader", name="Change")
    heading.get_by_role("button").click()
    page.wait_for_function("""() => document.querySelector('[aria-sort="descending"]')""")
    changes = page.locator('.tkd-space [data-key="change"]').all_inner_texts()
    assert changes[0].startswith("+")
    heading.get_by_role("button").click()
    heading.get_by_role("button").click()
    assert chosen(page)["sort"] == ""
    page.locator(".tkd-grid").press("/")
    page.keyboard.type("nv")
    page.locator(".tkd-count", has_text="of 200 symbols").wait_for()
    assert "NVDA" in page.locator(SYMBOLS).all_inner_texts()
    page.keyboard.press("Escape")
    page.locator(".tkd-count", has_text="200 symbols").wait_for()
    assert page.locator(".tkd-filter").input_value() == ""


def test_arrows_and_enter_choose_the_symbol_of_the_chart(page: Page) -> None:
    """The cursor moves with the keys and is scrolled into view; a click chooses, too."""
    show_desk(page, make_scene("two-hundred"))
    grid = page.get_by_role("grid")
    grid.press("ArrowDown")
    grid.press("ArrowDown")
    grid.press("Enter")
    page.locator(CHOSEN, has_text=NAMES[1]).wait_for()
    assert (chosen(page)["feed"], chosen(page)["symbol"]) == (0, NAMES[1])
    assert page.locator(".tkd-title").inner_text() == NAMES[1]
    grid.press("End")
    cursor = page.locator(".tkd-cursor")
    assert cursor.get_attribute("id") == grid.get_attribute("aria-activedescendant")
    assert cursor.get_attribute("aria-rowindex") == "201"
    box, room = cursor.bounding_box(), grid.bounding_box()
    assert box
    assert room
    assert box["y"] + box["height"] <= room["y"] + room["height"] + 1
    page.locator(SYMBOLS).last.click()
    assert chosen(page)["symbol"] == page.locator(CHOSEN).inner_text()
    page.get_by_role("button", name="show all symbols").click()
    assert chosen(page)["symbol"] is None


def test_toolbar_chooses_and_shows_what_the_kernel_says(page: Page) -> None:
    """A choice is shown at once; one that the kernel refuses is shown no more."""
    scene = make_scene("twelve")
    scene.choices |= {"view": "percent", "indicators": []}
    show_desk(page, scene)
    candles = page.get_by_role("radio", name="candles")
    candles.click()
    page.locator('[role="radio"][aria-checked="true"]', has_text="candles").wait_for()
    assert chosen(page)["view"] == "candles"
    event = {"number": 9, "type": "message", "feed": 0, "symbol": "", "text": "No such view."}
    more = {"time_ms": 0, "notify": False, "sound": False}
    receive(page, "events", is_past=False, events=[event | more])
    page.locator('[role="radio"][aria-checked="true"]', has_text="percent").wait_for()
    assert "No such view." in page.locator(".tkd-events").inner_text()
    page.get_by_role("radio", name="1 h").click()
    assert chosen(page)["window"] == "1h"
    page.get_by_role("button", name="Indicators").click()
    page.get_by_role("dialog").get_by_role("textbox").fill("sma(50)")
    page.keyboard.press("Enter")
    assert chosen(page)["indicators"] == ["sma(50)"]
    page.get_by_role("dialog").get_by_role("button", name="relative strength").click()
    assert chosen(page)["indicators"] == ["sma(50)", "rsi(14)"]
    page.keyboard.press("Escape")
    assert page.get_by_role("dialog").count() == 0
    page.get_by_role("grid").press("p")
    assert chosen(page)["paused"] is True


def test_record_button_shows_the_state_of_the_kernel(page: Page) -> None:
    """A click asks for a recording; the button is down when there is one."""
    scene = make_scene("one")
    show_desk(page, scene)
    page.get_by_role("button", name="Record").click()
    assert {"kind": "record", "is_on": True} in page.evaluate("() => desk.sent")
    record = {"is_on": True, "text": "captures/a.csv, 12 ticks", "error": ""}
    page.evaluate("message => desk.receive(message)", scene.status | {"record": record})
    assert page.get_by_role("button", name="Stop recording").get_attribute("aria-pressed") == "true"
    assert page.locator(".tkd-recorded").inner_text() == "captures/a.csv, 12 ticks"


def test_alerts_are_spoken_and_events_come_once(page: Page) -> None:
    """What is past is listed and not spoken; an event that comes twice is shown once."""
    scene = make_scene("twelve")
    show_desk(page, scene)
    spoken = page.locator('.tkd [aria-live="polite"]')
    assert spoken.inner_text() == ""
    lines = page.locator(".tkd-event")
    count = lines.count()
    event = scene.events[-1] | {"number": 30, "text": f"AAPL above 24 {HOSTILE}", "symbol": "AAPL"}
    for _ in range(2):
        receive(page, "events", is_past=False, events=[event])
    assert (lines.count(), "AAPL above 24" in spoken.inner_text()) == (count + 1, True)
    assert lines.first.locator(".tkd-said").inner_text().startswith("above 24")
    lines.first.get_by_role("button").click()
    assert chosen(page)["symbol"] == "AAPL"
    page.get_by_role("button", name="4 alerts").click()
    assert page.locator('.tkd-event[data-type="alert"]').count() == 0


def test_what_comes_from_outside_stays_text(page: Page) -> None:
    """Symbols, reasons, units and errors are never elements."""
    scene = make_scene("stale")
    scene.rows[0] |= {"symbol": HOSTILE, "unit": HOSTILE, "label": HOSTILE, "detail": HOSTILE}
    scene.status["feeds"][0] |= {"reason": HOSTILE, "url": HOSTILE, "error": HOSTILE}
    scene.menu["symbols"] = [{"feed": 0, "symbol": HOSTILE}]
    show_desk(page, scene)
    assert HOSTILE in page.locator(".tkd-banner").inner_text()
    assert page.locator(".tkd img").count() == 0


def test_lost_message_is_asked_for_and_a_silent_kernel_is_said(page: Page) -> None:
    """The page asks for everything again, from the next event on."""
    scene = make_scene("twelve")
    show_desk(page, scene)
    receive(page, "rows", whole=False, rows=[{"id": "0 NEW", "last": 1}], gone=[])
    here = [each for each in page.evaluate("() => desk.sent") if each["kind"] == "here"]
    assert [each.get("from") for each in here] == [0, 5]
    page.evaluate("message => desk.receive(message)", scene.status | {"every_s": 0.1})
    banner = page.locator(".tkd-banner")
    banner.filter(has_text="Nothing heard from the kernel").wait_for(timeout=8000)
    assert page.locator(".tkd-chip .tkd-word").inner_text() == "unknown"
    page.locator(".tkd-space [data-key=state]", has_text="unknown").first.wait_for()
    assert page.locator(".tkd-space [data-key=state]", has_text="live").count() == 0
    page.evaluate("message => desk.receive(message)", scene.status)
    banner.wait_for(state="hidden", timeout=8000)
    here = [each for each in page.evaluate("() => desk.sent") if each["kind"] == "here"]
    assert here[-1]["from"] == 5
    assert page.locator(".tkd-chip .tkd-word").inner_text() == "live"


def test_two_views_share_a_dashboard_and_end_cleanly(page: Page) -> None:
    """A choice in one is shown in the other; without a view the page says that it is away."""
    show_desk(page, make_scene("twelve"))
    page.evaluate("""() => {
        const el = document.createElement("div");
        document.querySelector("main").append(el);
        window.end = desk.side.render({ model: desk, el });
    }""")
    page.locator(".tkd").nth(1).locator(SYMBOLS).first.wait_for()
    first, second = page.locator(".tkd").first, page.locator(".tkd").nth(1)
    symbol = first.locator(SYMBOLS).nth(2).inner_text()
    first.locator(SYMBOLS).nth(2).click()
    second.locator(".tkd-title", has_text=symbol).wait_for()
    second.locator(CHOSEN, has_text=symbol).wait_for()
    page.evaluate("() => end()")
    assert page.locator(".tkd").count() == 1


def test_theme_of_the_page_changes_the_colours_of_trends(page: Page) -> None:
    """Trends are drawn again: a canvas does not follow a style sheet."""
    show_desk(page, make_scene("twelve"))
    read = "() => document.querySelector('.tkd-space canvas').toDataURL()"
    light = page.evaluate(read)
    set_theme(page, "dark")
    page.locator(".tkd-dark").wait_for()
    page.wait_for_function(f"light => ({read})() !== light", arg=light, timeout=8000)


@pytest.mark.soak
def test_two_hundred_rows_are_drawn_thirty_times_a_second(page: Page) -> None:
    """While all rows change four times a second, as with 1,000 ticks a second."""
    scene = make_scene("two-hundred")
    show_desk(page, scene, with_chart=True)
    seconds = 5 + 25 * float(os.environ.get("TICKERKIT_SOAK_SHARE", "1"))
    frames = page.evaluate(FRAMES, {"rows": scene.rows, "seconds": seconds})
    assert frames >= 30
