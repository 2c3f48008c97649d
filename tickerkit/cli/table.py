"""Table: rows of values on a terminal or in a pipe."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from tickerkit.cli.terminal import console, escape_controls, is_live, wide_console

__all__ = ["print_table"]


def print_table(
    names: Sequence[str], rows: Sequence[Sequence[str]], numeric: Collection[int]
) -> None:
    """Print a table, if it has columns.

    Args:
        names: the columns.
        rows: the text of each cell, row by row.
        numeric: the indices of the columns that are aligned at the right.
    """
    if not names:
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for index, name in enumerate(names):
        title = Text(escape_controls(name))
        table.add_column(title, justify="right" if index in numeric else "left")
    for row in rows:
        table.add_row(*(Text(escape_controls(text)) for text in row))
    (console if is_live() else wide_console).print(table)
