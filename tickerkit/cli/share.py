"""Share: how much of a long task is done, and how long the rest takes, on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from tickerkit.cli.terminal import console, escape_controls, is_live

__all__ = ["show_share"]


@contextmanager
def show_share(text: str) -> Iterator[Callable[[float], None]]:
    """Show a text, a bar, the share done and the time left, until the block ends.

    Nothing is shown in a pipe.

    Yields:
        A function to call with the share that is done, 0 to 1.
    """
    if not is_live():
        yield lambda share: None
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(20),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(escape_controls(text), total=1.0)
        yield lambda share: progress.update(task, completed=share)
