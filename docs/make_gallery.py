"""Makes the pictures of docs/gallery.md, in a real JupyterLab and Chromium.

    PYTHONPATH=. .venv/bin/python docs/make_gallery.py [NAME...]

The page says what to show: the output of each block of code becomes the pictures that follow it,
up to the next block. A picture whose name ends in `-dark` is taken in JupyterLab's dark theme.
With names, such as `indicators`, only these pictures are made. Needs the dependency group test.
"""

from __future__ import annotations

import io
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image, ImageChops

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "helpers"))

# The tests' helpers start and drive JupyterLab and find the browser.
from browser import MISSING, launch_chromium  # noqa: E402
from lab import Lab, jupyterlab, save_notebook  # noqa: E402

if TYPE_CHECKING:
    from playwright.sync_api import Page

PAGE = ROOT / "docs" / "gallery.md"
DARK = "-dark"
VIEW = {"width": 1120, "height": 1000}
# Until windows of a minute and more are full.
FILL_S = 80
QUALITY = 82
MARGIN_PX = 8
# From a fenced block of Python, or a picture.
PARTS = re.compile(r"^```python\n(.*?)^```$|^!\[[^\]]*\]\(([^)]+)\)$", re.M | re.S)
CALM = """() => {
    const { shell } = window.jupyterapp;
    shell.mode = "single-document";
    shell.collapseLeft();
}"""
HIDE = """.Toastify, #jp-main-statusbar, .jp-OutputPrompt, .jp-OutputArea-promptOverlay {
    display: none !important; }"""
THEME = """name => window.jupyterapp.commands.execute("apputils:change-theme", { theme: name })"""
OUTPUT = ".jp-OutputArea-output"


class Shot(NamedTuple):
    """A block of code, and the pictures of what it shows."""

    code: str
    pictures: tuple[Path, ...]


def list_shots(text: str) -> list[Shot]:
    """Return the blocks of the page with their pictures, in order."""
    shots: list[Shot] = []
    for code, name in PARTS.findall(text):
        if code:
            shots.append(Shot(code, ()))
        else:
            shots[-1] = Shot(shots[-1].code, (*shots[-1].pictures, PAGE.parent / name))
    return shots


def take(lab: Lab, shot: Shot) -> None:
    """Run the code of a shot in an empty kernel, and save what it shows as its pictures."""
    page = lab.page
    page.evaluate(CALM)
    page.add_style_tag(content=HIDE)
    page.evaluate(THEME, "JupyterLab Light")
    lab.run_all()
    if failures := lab.failures():
        raise SystemExit(f"{shot.pictures[0].name}: {failures[0]}")
    page.wait_for_timeout(FILL_S * 1000)
    for path in shot.pictures:
        is_dark = path.stem.endswith(DARK)
        page.evaluate(THEME, f"JupyterLab {'Dark' if is_dark else 'Light'}")
        page.mouse.move(1, 1)
        page.wait_for_timeout(2000)
        save(path, page)


def save(path: Path, page: Page) -> None:
    """Save the last output on the page as a picture."""
    output = page.locator(OUTPUT).last
    output.scroll_into_view_if_needed()
    image = trim(Image.open(io.BytesIO(output.screenshot())).convert("RGB"))
    path.parent.mkdir(exist_ok=True)
    image.save(path, quality=QUALITY, method=6)
    print(f"{path}: {image.width} × {image.height}, {path.stat().st_size / 1e3:.0f} kB")


def trim(image: Image.Image) -> Image.Image:
    """Return an image without the empty room at its right and its bottom."""
    empty = Image.new("RGB", image.size, image.getpixel((image.width - 1, image.height - 1)))
    box = ImageChops.difference(image, empty).getbbox()
    if box is None:
        return image
    size = (min(box[2] + MARGIN_PX, image.width), min(box[3] + MARGIN_PX, image.height))
    return image.crop((0, 0, *size))


def choose(shots: list[Shot], names: list[str]) -> Iterator[Shot]:
    """Yield the shots that have a picture of one of these names; all without names."""
    for shot in shots:
        pictures = tuple(each for each in shot.pictures if not names or each.stem in names)
        if pictures:
            yield Shot(shot.code, pictures)


def main() -> None:
    """Take the pictures."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        browser = launch_chromium(playwright)
        if browser is None:
            raise SystemExit(MISSING)
        for number, shot in enumerate(choose(list_shots(PAGE.read_text("utf-8")), sys.argv[1:])):
            notebook = Path(name, f"shot{number}.ipynb")
            save_notebook(notebook, shot.code)
            folder = Path(name, f"notebooks{number}")
            folder.mkdir()
            extension = "--ServerApp.jpserver_extensions={'tickerkit': True}"
            with jupyterlab(browser, notebook, folder, extension) as lab:
                lab.page.set_viewport_size(VIEW)
                take(lab, shot)
        browser.close()


if __name__ == "__main__":
    main()
