"""A real Chromium for the tests marked `browser`, and a clear message if there is none."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright

ROOT = Path(__file__).parents[2]
COMMANDS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ELSEWHERE = {
    "darwin": (
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
        "~/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    ),
    "win32": (
        r"%ProgramFiles%\Google\Chrome\Application\chrome.exe",
        r"%ProgramFiles(x86)%\Google\Chrome\Application\chrome.exe",
        r"%LocalAppData%\Google\Chrome\Application\chrome.exe",
    ),
}
_FLAGS = (
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
MISSING = (
    "no Chromium or Chrome was found; install one, or set TICKERKIT_CHROMIUM to its path, "
    "or run `.venv/bin/python -m playwright install chromium`"
)


def chromium_path(downloaded: str = "") -> Path | None:
    """Return the Chromium or Chrome to test with; None where there is none.

    Args:
        downloaded: where Playwright would keep a Chromium that it has downloaded.
    """
    if chosen := os.environ.get("TICKERKIT_CHROMIUM"):
        path = Path(chosen)
        if not path.is_file():
            pytest.fail(f"TICKERKIT_CHROMIUM={chosen} is no file; set it to a browser's path")
        return path
    on_path = [shutil.which(command) for command in COMMANDS]
    elsewhere = ELSEWHERE.get(sys.platform, ())
    usual = [os.path.expandvars(Path(path).expanduser()) for path in elsewhere]
    for candidate in (downloaded, *on_path, *usual):
        if candidate and Path(candidate).is_file():
            return Path(candidate)
    return None


def launch_chromium(playwright: Playwright) -> Browser | None:
    """Return a Chromium that Playwright drives; None where there is none."""
    path = chromium_path(playwright.chromium.executable_path)
    if path is None:
        return None
    # Chromium's sandbox does not work for root, as in most containers.
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    args = [*_FLAGS, "--no-sandbox"] if root else [*_FLAGS]
    return playwright.chromium.launch(executable_path=path, args=args)


class _Playwright:
    """The event loop of Playwright's sync API, which stays in the main thread once it has started.

    Even between two calls of that API, asyncio regards this loop as running, and `asyncio.run`
    refuses to start another one. So the loop is hidden from every test that uses no browser.
    """

    loop: asyncio.AbstractEventLoop | None = None

    def show(self) -> None:
        """Tell asyncio again that the loop is running, as Playwright expects."""
        asyncio._set_running_loop(self.loop)

    def hide(self) -> None:
        """Tell asyncio that no loop is running."""
        self.loop = asyncio._get_running_loop()
        asyncio._set_running_loop(None)


_playwright = _Playwright()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Hide Playwright's loop from the tests that use no browser."""
    if "chromium" not in getattr(item, "fixturenames", ()):
        return (yield)
    _playwright.show()
    try:
        return (yield)
    finally:
        _playwright.hide()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Yield a Chromium that Playwright drives, one for all tests; skip the test if none is found.

    With TICKERKIT_REQUIRE_BROWSER=1, as in CI, the test fails instead.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = launch_chromium(playwright)
        if browser is None:
            if os.environ.get("TICKERKIT_REQUIRE_BROWSER") == "1":
                pytest.fail(MISSING)
            pytest.skip(MISSING)
        yield browser
        # The loop is hidden here if the last test of the session used no browser.
        _playwright.show()
        browser.close()


@pytest.fixture(scope="session")
def artifacts() -> Path:
    """Return the folder for screenshots: `.artifacts`, which git ignores."""
    folder = ROOT / ".artifacts"
    folder.mkdir(exist_ok=True)
    return folder


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Report how many browser tests were skipped, and how to run them."""
    skipped = [
        report
        for report in terminalreporter.getreports("skipped")
        if isinstance(report.longrepr, tuple) and MISSING in report.longrepr[2]
    ]
    if skipped:
        terminalreporter.section("browser tests were skipped", yellow=True)
        terminalreporter.line(f"{len(skipped)} of them did not run: {MISSING}.")
