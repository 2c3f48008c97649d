"""The page side: the JavaScript of a live figure, as one module."""

from __future__ import annotations

import functools
from importlib import resources

import plotly.graph_objects as go

from tickerkit.chart.figure.compatibility import find_incompatibility
from tickerkit.chart.figure.plotlyjs import encode_plotly_js
from tickerkit.runtime.page_modules import join_modules

__all__ = ["build_page_side", "read_parts"]

# The files of another room, by their paths in the package: the web page of a server has them, too.
SHARED_PARTS = ("server/page/decimals.js", "runtime/page_parts/kernel_link.js")
# Each file comes after the files that it imports.
PARTS = (
    "column.js",
    "downsample.js",
    "series.js",
    "heat_columns.js",
    "values.js",
    "pacing.js",
    "points.js",
    "saved_state.js",
    "figure_messages.js",
    "plotly_loader.js",
    "plot_updates.js",
    "axes.js",
    "trace_types.js",
    "percent.js",
    "plot_axes.js",
    "volume_colors.js",
    "point_arrays.js",
    "visible_points.js",
    "stacks.js",
    "newest_values.js",
    "live_ranges.js",
    "heat_map.js",
    "svg_traces.js",
    "raster.js",
    "canvas_layer.js",
    "heat_patch.js",
    "dashes.js",
    "canvas_traces.js",
    "moving_ticks.js",
    "patch.js",
    "top_margin.js",
    "plotly_share.js",
    "renderer.js",
    "theme.js",
    "overlay.js",
    "crosshair.js",
    "interactions.js",
    "draw_loop.js",
    "view.js",
    "pull.js",
    "figure.js",
)


@functools.cache
def build_page_side(*, with_plotly: bool = False) -> str:
    """Return the page side of a live figure as the text of one ES module.

    plotly's FigureWidget passes a path instead of text; that would keep every closed figure in
    memory. If points can't be streamed with the installed plotly, this is plotly's own page side.

    Args:
        with_plotly: whether the module contains plotly.js. marimo serves a module once for all
            figures, and closes a model that figures share when the cell that made it runs again.
    """
    if find_incompatibility() is not None:
        return str(go.FigureWidget._esm)
    page_side = join_modules(read_parts().values())
    return (
        f'{page_side}\nconst PLOTLY_SOURCE = "{encode_plotly_js()}";\n'
        if with_plotly
        else page_side
    )


def read_parts() -> dict[str, str]:
    """Return the text of each module by the name of its file, in the order in which they join."""
    package, folder = resources.files("tickerkit"), resources.files(__package__)
    files = [*(package / path for path in SHARED_PARTS), *(folder / name for name in PARTS)]
    return {file.name: file.read_text("utf-8") for file in files}
