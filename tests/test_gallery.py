"""The gallery: each picture is what the page's code shows, small, and on the page."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("PIL")
from PIL import Image

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "gallery.md"
FOLDER = ROOT / "docs" / "gallery"
MAX_BYTES, MAX_TOTAL_BYTES, MAX_WIDTH_PX = 100_000, 600_000, 1200
# An empty chart has hardly more colours than these.
MIN_COLOURS = 100
PICTURES = sorted(FOLDER.glob("*.webp"))


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    """Return the script that takes the pictures."""
    spec = importlib.util.spec_from_file_location("make_gallery", ROOT / "docs" / "make_gallery.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_block_of_code_has_its_pictures(maker: ModuleType) -> None:
    """The script takes all pictures that there are, and no other is in the folder."""
    shots = maker.list_shots(PAGE.read_text("utf-8"))
    taken = [picture for shot in shots for picture in shot.pictures]
    assert all(shot.pictures for shot in shots)
    assert sorted(taken) == sorted(path for path in FOLDER.iterdir())


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.name)
def test_a_picture_is_small_and_shows_something(path: Path) -> None:
    """A page of them loads fast, and none is blank."""
    assert path.stat().st_size < MAX_BYTES
    with Image.open(path) as image:
        assert image.format == "WEBP"
        assert image.width <= MAX_WIDTH_PX
        colours = image.convert("RGB").getcolors(maxcolors=2**24)
    assert len(colours) > MIN_COLOURS


def test_all_pictures_together_are_small() -> None:
    """A clone of the repository holds every version of them."""
    assert sum(path.stat().st_size for path in PICTURES) < MAX_TOTAL_BYTES


def test_names_choose_pictures(maker: ModuleType) -> None:
    """Those of other names are left as they are."""
    shots = maker.list_shots(PAGE.read_text("utf-8"))
    chosen = list(maker.choose(shots, ["dashboard-dark"]))
    assert [[each.name for each in shot.pictures] for shot in chosen] == [["dashboard-dark.webp"]]
