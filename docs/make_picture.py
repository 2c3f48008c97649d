"""Makes docs/live_figure.gif, the README's moving picture, in a real JupyterLab and Chromium.

    PYTHONPATH=. .venv/bin/python docs/make_picture.py

Needs the dependency group test. Data and mouse are three times slower than in the picture, because
recording takes most of the processor: so the picture moves as the figure does without it.
"""

from __future__ import annotations

import base64
import io
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "helpers"))

# The tests' helpers start and drive JupyterLab and find the browser.
from browser import MISSING, launch_chromium  # noqa: E402
from lab import Lab, jupyterlab, save_notebook  # noqa: E402

if TYPE_CHECKING:
    from playwright.sync_api import Page

PICTURE = ROOT / "docs" / "live_figure.gif"
VIEW = {"width": 860, "height": 690}
SLOWER = 3
FRAMES_PER_S = 12.5  # a GIF's delays are in hundredths of a second
COLORS = 64
CODE = """\
fig = tk.LiveFigure(make_subplots(rows=2, shared_xaxes=True), window="6s")
fig.add_scatter(name="level", row=1, col=1)
fig.add_heatmap(name="spectrum", y=HERTZ, showscale=False, row=2, col=1)

def listen():
    for time, level, spectrum in microphone():
        fig.append(time, level, trace="level")
        fig.append_column(time, spectrum, trace="spectrum")

threading.Thread(target=listen, daemon=True).start()
fig.update_layout(height=340, margin={"t": 20, "b": 40})"""
# What the cell needs, run before it: a microphone that hears two birds.
HIDDEN = """
import threading, time
from datetime import UTC, datetime, timedelta
import numpy as np
from plotly.subplots import make_subplots
import tickerkit as tk

tk.LiveFigure()
HERTZ = np.arange(0, 6000, 60.0)

def microphone():
    random = np.random.default_rng(5)
    start, began = datetime.now(UTC), time.time()
    while True:
        time.sleep(0.02 * SLOWER)
        at = (time.time() - began) / SLOWER
        spectrum = np.full(len(HERTZ), -60.0)
        level = 0.02 + 0.01 * random.random()
        for rate, low, high in ((1.1, 2200, 900), (1.7, 4200, 600)):
            phase = at * rate % 1
            loudness = np.sin(np.pi * phase) ** 2 if phase < 0.7 else 0.0
            pitch = low + high * np.sin(2 * np.pi * phase * 2)
            tone = -60 + 55 * loudness * np.exp(-(((HERTZ - pitch) / 150) ** 2))
            spectrum = np.maximum(spectrum, tone)
            level += 0.4 * loudness * (0.8 + 0.2 * random.random())
        yield start + timedelta(seconds=at), level, spectrum
""".replace("SLOWER", str(SLOWER))
CALM = """() => {
    const { shell } = window.jupyterapp;
    shell.mode = "single-document";
    shell.collapseLeft();
}"""
HIDE = ".Toastify, #jp-main-statusbar { display: none !important; }"
AREA = "document.querySelector('.js-plotly-plot .nsewdrag').getBoundingClientRect()"


class Recording:
    """What Chromium has painted, with the time of each frame."""

    def __init__(self, page: Page) -> None:
        self.frames: list[tuple[float, bytes]] = []
        self._page = page
        self._devtools = page.context.new_cdp_session(page)
        self._devtools.on("Page.screencastFrame", self._add)
        self._devtools.send("Page.startScreencast", {"format": "png"})

    def _add(self, frame: dict[str, Any]) -> None:
        self._devtools.send("Page.screencastFrameAck", {"sessionId": frame["sessionId"]})
        self.frames.append((frame["metadata"]["timestamp"], base64.b64decode(frame["data"])))

    def stop(self) -> None:
        """Record no more."""
        self._devtools.send("Page.stopScreencast")

    def wait(self, seconds: float) -> None:
        """Record for so long, in the picture's time."""
        self._page.wait_for_timeout(seconds * 1000 * SLOWER)

    def images(self, start: float, end: float) -> list[Image.Image]:
        """Return what was shown between two times, at the picture's rate."""
        images = []
        times = [at for at, _ in self.frames]
        for index in range(int((end - start) * FRAMES_PER_S / SLOWER)):
            due = start + index * SLOWER / FRAMES_PER_S
            newest = max((at for at in times if at <= due), default=times[0])
            data = self.frames[times.index(newest)][1]
            images.append(Image.open(io.BytesIO(data)).convert("RGB"))
        return images


def record(lab: Lab) -> list[Image.Image]:
    """Run the cell, watch its figure, look at a part of it, and follow again."""
    page = lab.page
    page.evaluate(CALM)
    page.add_style_tag(content=HIDE)
    lab.run(HIDDEN)
    page.wait_for_timeout(1000)
    lab.run_all()
    page.wait_for_function("() => document.querySelector('.js-plotly-plot')?.data")
    recording = Recording(page)
    recording.wait(6)  # until the window is full
    start = time.time()
    recording.wait(2.5)
    box = page.evaluate(f"() => {AREA}")
    left, top, width, height = (box[name] for name in ("x", "y", "width", "height"))
    page.mouse.move(left + 0.45 * width, top + 0.1 * height)
    page.mouse.down()
    for step in range(8):
        page.mouse.move(left + (0.45 + 0.035 * step) * width, top + (0.1 + 0.1 * step) * height)
        recording.wait(0.06)
    page.mouse.up()
    recording.wait(1.5)
    page.mouse.dblclick(left + 0.5 * width, top + 0.5 * height)
    recording.wait(0.2)
    page.mouse.move(left + 0.5 * width, 20)
    recording.wait(2)
    recording.stop()
    return recording.images(start, time.time())


def save(images: list[Image.Image]) -> None:
    """Save the images as a GIF whose frames share one palette."""
    # The palette is of frames over the whole time: the figure isn't in the first one.
    chosen = images[:: max(len(images) // 6, 1)]
    strip = Image.new("RGB", (VIEW["width"], VIEW["height"] * len(chosen)))
    for index, image in enumerate(chosen):
        strip.paste(image, (0, index * VIEW["height"]))
    palette = strip.quantize(COLORS, dither=Image.Dither.NONE)
    frames = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    frames[0].save(
        PICTURE,
        save_all=True,
        append_images=frames[1:],
        duration=round(1000 / FRAMES_PER_S),
        loop=0,
        optimize=False,
    )


def main() -> None:
    """Record the picture, and save it."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        browser = launch_chromium(playwright)
        if browser is None:
            raise SystemExit(MISSING)
        notebook = Path(name, "live.ipynb")
        save_notebook(notebook, CODE)
        folder = Path(name, "notebooks")
        folder.mkdir()
        extension = "--ServerApp.jpserver_extensions={'tickerkit': True}"
        with jupyterlab(browser, notebook, folder, extension) as lab:
            lab.page.set_viewport_size(VIEW)
            images = record(lab)
        browser.close()
    save(images)
    print(f"{PICTURE}: {len(images)} frames, {PICTURE.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
