"""Page side: the files of a dashboard's page side, as one module and one style."""

from __future__ import annotations

from importlib import resources

from tickerkit.runtime.page_modules import join_modules

__all__ = ["PARTS", "SHARED_PARTS", "STYLES", "read_page_side", "read_style"]

# The files of other rooms, by their paths in the package.
SHARED_PARTS = (
    "chart/figure/theme.js",
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
    package, folder = resources.files("tickerkit"), resources.files(__package__)
    files = [*(package / path for path in SHARED_PARTS), *(folder / name for name in PARTS)]
    return join_modules(file.read_text("utf-8") for file in files)


def read_style() -> str:
    """Return the style of a dashboard's page."""
    folder = resources.files(__package__)
    return "\n".join((folder / name).read_text("utf-8") for name in STYLES)
