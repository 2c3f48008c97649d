"""Projector in a real browser: the panel without a notebook, in large type."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from peers import dial, echo, plain_server

import tickerkit as tk

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

Until = Callable[..., None]
ROWS = ".tk-space .tk-row"


def test_the_page_shows_frames_takes_orders_and_says_when_the_tap_has_stopped(
    chromium: Browser, artifacts: Path, until: Until
) -> None:
    """The panel fills the window, in the size and the theme of the address."""
    with plain_server(echo) as url, tk.tap(url) as tap, dial(tap.url) as peer:
        page = chromium.new_page(viewport={"width": 1280, "height": 720})
        try:
            problems: list[str] = []
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.on("console", lambda message: problems.append(message.text))
            page.goto(f"{tap.projector}?size=26&theme=dark")
            for number in range(60):
                peer.send(f"number {number}")
                peer.recv(5)
            page.locator(ROWS, has_text="120").filter(has_text="number 59").wait_for()
            assert page.locator(ROWS).first.bounding_box()["height"] == pytest.approx(44)  # type: ignore[index]
            assert page.locator(".tk-panel").bounding_box() == {
                "x": 0,
                "y": 0,
                "width": 1280,
                "height": 720,
            }
            assert page.locator(".tk-panel.tk-dark").count() == 1
            # The client's: the elements of rows are used again, so they are in no order.
            page.locator(ROWS, has_text="119").filter(has_text="number 59").click()
            page.locator("h5", has_text="unmasked").wait_for()  # the whole frame has come
            page.screenshot(path=artifacts / "projector.png")
            page.get_by_role("button", name="smaller type").click()
            page.get_by_role("button", name="light or dark").click()
            assert page.url.endswith("?size=24&theme=light")
            page.locator(".tk-scroller").press("Space")
            until(lambda: tap.status == "holding")
            assert problems == []
            tap.stop()
            page.get_by_text("The tap has stopped.").wait_for()
        finally:
            page.close()
