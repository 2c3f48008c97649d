"""Page side: the files of a ladder's page side, as one module and one style."""

from __future__ import annotations

from tickerkit.runtime.page_modules import join_files, read_file

__all__ = ["PARTS", "SHARED_PARTS", "read_page_side", "read_style"]

FOLDER = "chart/book/"
# The files of other rooms, by their paths in the package.
SHARED_PARTS = (
    "chart/figure/theme.js",
    "server/page/decimals.js",
    "runtime/page_parts/elements.js",
    "runtime/page_parts/kernel_link.js",
    "runtime/page_parts/keys.js",
    "runtime/page_parts/presence.js",
)
# Each file comes after the files that it imports.
PARTS = ("levels.js", "ladder.js")


def read_page_side() -> str:
    """Return the page side of a ladder as the text of one ES module."""
    return join_files([*SHARED_PARTS, *(FOLDER + name for name in PARTS)])


def read_style() -> str:
    """Return the style of a ladder's page."""
    return read_file(FOLDER + "ladder.css")
