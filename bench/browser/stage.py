"""One JupyterLab and one Chromium; each case gets its own notebook and kernel."""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from bench.browser.link import Link
from bench.browser.marimo_server import marimo_server

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "helpers"))

# The tests' helpers start and drive JupyterLab and find the browser.
from lab import Host, Lab, jupyterlab  # noqa: E402

from browser import MISSING, launch_chromium  # noqa: E402

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, CDPSession, Page

PAGE = (Path(__file__).parent / "page.js").read_text("utf-8")
VIEW = {"width": 1500, "height": 1000}
START = f"import sys; sys.path.insert(0, {str(ROOT)!r})\nfrom bench.browser import cells, in_kernel"
EXTENSION = "--ServerApp.jpserver_extensions={'tickerkit': %s}"


def notebook(*cells: str) -> str:
    """Return a notebook's text."""
    return json.dumps(
        {
            "cells": [
                {
                    "cell_type": "code",
                    "id": f"cell-{index}",
                    "metadata": {},
                    "execution_count": None,
                    "outputs": [],
                    "source": source,
                }
                for index, source in enumerate(cells)
            ],
            "metadata": {
                "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}
            },
            "nbformat": 4,
            "nbformat_minor": 5,
        }
    )


class Chromium:
    """The processor time of Chromium, all its processes together."""

    def __init__(self) -> None:
        self._gone = 0.0
        self._alive: dict[int, float] = {}

    def seconds(self) -> float:
        now = {}
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if "chrom" in process.name():
                    now[process.pid] = _cpu(process)
        self._gone += sum(taken for pid, taken in self._alive.items() if pid not in now)
        self._alive = now
        return self._gone + sum(now.values())


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


class Case:
    """A notebook that is open and whose cells have run."""

    def __init__(self, name: str, folder: Path, host: Host, devtools: CDPSession) -> None:
        self.name, self.folder, self.host, self.page = name, folder, host, host.page
        self._devtools = devtools
        self._chromium = Chromium()

    def attach(self, probe: str, count: int = 1, timeout_s: float = 60) -> str:
        """Count drawn frames; return the method that counts them."""
        self._until(
            lambda: self.page.evaluate(f"() => bench.attach('{probe}', {count})"), timeout_s
        )
        return str(self._got)

    def _until(self, ask: Callable[[], object], timeout_s: float) -> None:
        end = time.monotonic() + timeout_s
        while not (got := ask()):
            errors = [each["error"] for each in self.reports()[-1:] if each["error"]]
            if errors or time.monotonic() > end:
                said = "; ".join([*errors, *self.host.failures(), *self.host.errors])
                raise RuntimeError(f"nothing to see in the page: {said or 'no error'}"[:300])
            time.sleep(0.2)
        self._got = got

    def go(self) -> None:
        """Start the ticks."""
        (self.folder / f"{self.name}.go").touch()

    def reports(self) -> list[dict[str, Any]]:
        """Return the kernel's reports, oldest first."""
        path = self.folder / f"{self.name}.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        reports = []
        for line in lines:
            with contextlib.suppress(json.JSONDecodeError):  # the last may be half written
                reports.append(json.loads(line))
        return reports

    def rest(self) -> None:
        """Stop the ticks."""
        (self.folder / f"{self.name}.go").unlink(missing_ok=True)
        time.sleep(1)

    def lags(self) -> list[float]:
        """Return the lag of each of a feed's ticks, in milliseconds."""
        path = self.folder / f"{self.name}.lags"
        return [float(line) for line in path.read_text().splitlines()] if path.exists() else []

    def first_figure_s(self, code: str, timeout_s: float = 60) -> float:
        """Run code in a cell of its own; return how long until its figure is painted."""
        start = self.page.evaluate("() => bench.awaitFigure()")
        assert isinstance(self.host, Lab)
        self.host.run_cell(code)
        self._until(lambda: self.page.evaluate("() => bench.shown()"), timeout_s)
        return float(self.page.evaluate("() => bench.shown()") - start) / 1000

    def wait_drawn(self, times: int = 3, timeout_s: float = 30) -> None:
        """Wait until the page has drawn new data `times` times."""
        self._until(lambda: self.page.evaluate("() => bench.drawn()") >= times, timeout_s)

    def measure(self, seconds: float) -> dict[str, Any]:
        """Measure page and kernel for `seconds`, and return the figures."""
        process = psutil.Process(self.reports()[-1]["pid"])
        self.page.evaluate("() => bench.reset()")
        start, kernel, chromium = time.time(), _cpu(process), self._chromium.seconds()
        time.sleep(seconds)
        end, kernel_end, chromium_end = time.time(), _cpu(process), self._chromium.seconds()
        page = self.page.evaluate("() => bench.read()")
        reports = [each for each in self.reports() if start <= each["at"] <= end]
        first, last = reports[0], reports[-1]
        pushes = max(last["pushes"] - first["pushes"], 1)
        per_s = pushes / (last["at"] - first["at"])
        comms = (last["comm"] - first["comm"]) / pushes
        cores = (kernel_end - kernel) / (end - start)
        size = page["commBytes"] / page["comm"] if page["comm"] else 0.0
        return {
            "frames": page["fresh"] / page["seconds"],
            "page_frames": page["frames"] / page["seconds"],
            "late": page["late"],
            "early": page["early"],
            "pushes": per_s,
            "messages": per_s * comms,
            "bytes": size * comms,
            "received": page["received"] / page["seconds"],
            "sent": page["sentBytes"] / page["seconds"],
            "sent_types": page["sentTypes"],
            "kernel": cores,
            "kernel_ms": cores / per_s * 1000,
            "push_ms": (last["push_s"] - first["push_s"]) / pushes * 1000,
            "chromium": (chromium_end - chromium) / (end - start),
        }

    def heap(self) -> float:
        """Return the size of the page's heap in bytes, array buffers included."""
        for _ in range(2):
            self._devtools.send("HeapProfiler.collectGarbage")
        usage = self._devtools.send("Runtime.getHeapUsage")
        names = ("usedSize", "embedderHeapUsedSize", "backingStorageSize")
        return float(sum(usage.get(name, 0) for name in names))

    def save(self) -> int:
        """Save the notebook with its widgets' state; return its size in bytes."""
        assert isinstance(self.host, Lab)
        self.host.save_with_widgets()
        return (self.folder / f"{self.name}.ipynb").stat().st_size


class Quiet:
    """A browser without the dialog that asks to rebuild JupyterLab (dash's extension shows it)."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser

    def new_context(self, **options: Any) -> BrowserContext:
        context = self._browser.new_context(**options)
        answer = json.dumps({"status": "stable", "message": ""})
        context.route(
            "**/lab/api/build*",
            lambda route: route.fulfill(body=answer, content_type="application/json"),
        )
        return context

    def new_page(self, **options: Any) -> Page:
        return self.new_context(**options).new_page()


class Stage:
    """JupyterLab and Chromium, for one run of the benchmark.

    Attributes:
        folder: folder of the notebooks.
        base: the address of JupyterLab.
    """

    def __init__(self, browser: Quiet, first: Lab, folder: Path, slower: float) -> None:
        self.folder = folder
        self._browser = browser
        self._slower = slower
        self.base = first.page.url.partition("/lab")[0]
        self._count = 0
        first.page.goto("about:blank")

    @contextlib.contextmanager
    def case(self, code: str, *, slower: float = 1, link: Link | None = None) -> Iterator[Case]:
        """Open a notebook with this code, in its own page and kernel.

        Args:
            code: the code of its second cell.
            slower: how many times slower the page's main thread runs, on top of the stage's.
            link: what the page reaches JupyterLab through.
        """
        name = self._next_name()
        (self.folder / f"{name}.ipynb").write_text(
            notebook(START, code.replace("NAME", repr(name)))
        )
        base = link.url(self.base) if link else self.base
        with self._page(name) as page:
            lab = Lab(page, f"{base}/lab/tree/{name}.ipynb?reset")
            try:
                lab.run_all()
                yield self._case(name, lab, slower)
            finally:
                if link:
                    link.limit()
                self._end_kernels(page.context)

    @contextlib.contextmanager
    def marimo(self, code: str) -> Iterator[Case]:
        """Show what this code returns in a notebook of marimo, in its own page and server."""
        name = self._next_name()
        value = code.replace("NAME", repr(str(self.folder / name)))
        with (
            marimo_server(self.folder / f"{name}.py", START, value) as url,
            self._page(name) as page,
        ):
            yield self._case(name, Host(page, url), 1)

    def _next_name(self) -> str:
        self._count += 1
        return f"case{self._count}"

    @contextlib.contextmanager
    def _page(self, name: str) -> Iterator[Page]:
        context = self._browser.new_context(viewport=VIEW)
        try:
            page = context.new_page()
            page.set_default_timeout(120_000)
            page.add_init_script(PAGE)
            yield page
        finally:
            (self.folder / f"{name}.go").unlink(missing_ok=True)
            context.close()

    def _case(self, name: str, host: Host, slower: float) -> Case:
        devtools = host.page.context.new_cdp_session(host.page)
        rate = self._slower * slower
        devtools.send("Emulation.setCPUThrottlingRate", {"rate": rate})
        return Case(name, self.folder, host, devtools)

    def _end_kernels(self, context: BrowserContext) -> None:
        cookies = {each["name"]: each["value"] for each in context.cookies()}
        headers = {"X-XSRFToken": cookies.get("_xsrf", "")}
        for session in context.request.get(f"{self.base}/api/sessions").json():
            context.request.delete(f"{self.base}/api/sessions/{session['id']}", headers=headers)


@contextlib.contextmanager
def stage(*, has_extension: bool = True, slower: float = 1.0) -> Iterator[Stage]:
    """Start JupyterLab and Chromium.

    Args:
        has_extension: whether JupyterLab loads tickerkit's server extension, as it does wherever
            tickerkit is installed: it sends each message at once.
        slower: how many times slower the page's main thread runs, by Chromium's developer tools;
            the kernel is not slowed.
    """
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        browser = launch_chromium(playwright)
        if browser is None:
            raise SystemExit(MISSING)
        folder = Path(name, "notebooks")
        folder.mkdir()
        first = Path(name, "first.ipynb")
        first.write_text(notebook("1"))
        quiet = Quiet(browser)
        with jupyterlab(quiet, first, folder, EXTENSION % has_extension) as lab:  # type: ignore[arg-type]
            yield Stage(quiet, lab, folder, slower)
        browser.close()
