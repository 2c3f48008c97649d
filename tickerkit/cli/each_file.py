"""Each file: a command goes through recordings, and shows the share done, until Ctrl-C."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import typer

from tickerkit.cli.exit_codes import FAILED
from tickerkit.cli.interrupt import interrupt
from tickerkit.cli.share import show_share
from tickerkit.cli.terminal import print_error
from tickerkit.formatting import format_count

__all__ = ["go_through"]


def go_through(
    paths: Sequence[Path],
    read: Callable[[Path], Iterator[float]],
    on_error: Callable[[Path, str], object],
    doing: str,
) -> None:
    """Read recordings one after the other.

    Args:
        paths: the recordings.
        read: reads one; yields the share of it that has been read, 0 to 1, from time to time.
        on_error: called with a file that can't be read, and why.
        doing: what is done, such as "verifying".

    Raises:
        typer.Exit: the command was interrupted.
    """
    from tickerkit.errors import RecordingError
    from tickerkit.storage.info import size_of

    sizes = [size_of(path) for path in paths]
    done, total = 0, max(sum(sizes), 1)
    with show_share(f"{doing} {format_count(len(paths), 'file')}") as update:
        for index, (path, size) in enumerate(zip(paths, sizes, strict=True)):
            left = len(paths) - index
            _stop_if_interrupted(left)
            try:
                for share in read(path):
                    update((done + share * size) / total)
                    _stop_if_interrupted(left)
            except RecordingError as error:
                on_error(path, error.problem)
            done += size


def _stop_if_interrupted(left: int) -> None:
    if interrupt.requested:
        print_error(f"stopped; {format_count(left, 'file')} not read")
        raise typer.Exit(FAILED)
