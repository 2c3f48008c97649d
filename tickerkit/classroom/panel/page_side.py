"""Page side: the files of the panel's page side, as one module and one style."""

from __future__ import annotations

from tickerkit.runtime.page_modules import join_files, read_file

__all__ = ["PARTS", "read_page_side", "read_part"]

FOLDER = "classroom/panel/"
# The files of other rooms, by their paths in the package.
SHARED_PARTS = (
    "chart/figure/theme.js",
    "runtime/page_parts/elements.js",
    "runtime/page_parts/keys.js",
    "runtime/page_parts/presence.js",
)
# Each file comes after the files that it imports.
PARTS = (
    "header.js",
    "bits.js",
    "payload.js",
    "ring.js",
    "filter.js",
    "row_list.js",
    "detail.js",
    "toolbar.js",
    "panel.js",
)


def read_page_side() -> str:
    """Return the page side of a panel as the text of one ES module."""
    return join_files([*SHARED_PARTS, *(FOLDER + name for name in PARTS)])


def read_part(name: str) -> str:
    """Return the text of one file of this folder."""
    return read_file(FOLDER + name)
