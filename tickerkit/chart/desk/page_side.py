"""Page side: the files of a dashboard's page side, as one module and one style."""

from __future__ import annotations

from tickerkit.runtime.page_modules import join_files, read_file

__all__ = ["PARTS", "SHARED_PARTS", "STYLES", "read_page_side", "read_style"]

FOLDER = "chart/desk/"
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
PARTS = (
    "slot.js",
    "written_values.js",
    "watch_rows.js",
    "row_filter.js",
    "text_widths.js",
    "watch_columns.js",
    "spark.js",
    "watch_row.js",
    "watchlist.js",
    "choices.js",
    "controls.js",
    "fit.js",
    "indicator_menu.js",
    "desk_toolbar.js",
    "feeds_bar.js",
    "headline.js",
    "ribbon.js",
    "notifier.js",
    "desk_view.js",
    "desk.js",
)
STYLES = ("desk.css", "headline.css", "controls.css", "watchlist.css", "ribbon.css")


def read_page_side() -> str:
    """Return the page side of a dashboard as the text of one ES module."""
    return join_files([*SHARED_PARTS, *(FOLDER + name for name in PARTS)])


def read_style() -> str:
    """Return the style of a dashboard's page."""
    return "\n".join(read_file(FOLDER + name) for name in STYLES)
