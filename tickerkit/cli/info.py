"""`tickerkit info`: what recordings hold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tickerkit.cli.each_file import go_through
from tickerkit.cli.exit_codes import FAILED
from tickerkit.cli.reports import format_ticks, print_unreadable
from tickerkit.cli.terminal import escape_controls, print_line
from tickerkit.cli.verify import find_recordings
from tickerkit.formatting import format_count, format_size, format_span

if TYPE_CHECKING:
    from tickerkit.storage.info import Info

__all__ = ["info"]

# How many symbols, epochs and problems are named.
MAX_NAMED = 10


def info(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE", help="Recordings, or folders of recordings."),
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one line for each file: a JSON object.")
    ] = False,
) -> None:
    """Show what recordings hold: ticks, span, symbols, gaps, columns.

    That is: ticks, span, symbols, seqs, gaps, columns with their kinds and units, size, and where
    the ticks came from. Rows are read only where the recording doesn't say it, as in a file of
    another program. Several files have a line each, and are then described as one. Use `tickerkit
    verify` to find damage.
    """
    from tickerkit.storage.info import Inspection, join_infos

    found: list[Info] = []
    unreadable: list[Path] = []

    def read(path: Path) -> Iterator[float]:
        inspection = Inspection(path)
        yield from inspection.steps()
        found.append(inspection.info)
        if as_json:
            print(json.dumps(_format_object(inspection.info)))
        elif len(paths) > 1:
            print_line(_format_line(inspection.info))

    def report(path: Path, problem: str) -> None:
        unreadable.append(path)
        print_unreadable(path, problem, as_json=as_json)

    paths = find_recordings(files)
    go_through(paths, read, report, "reading")
    if found and not (as_json and len(paths) == 1):
        name = Path(files[0] if len(files) == 1 else "all")
        whole = join_infos(name, found) if len(paths) > 1 else found[0]
        if as_json:
            print(json.dumps(_format_object(whole)))
        else:
            _print_info(whole)
    if unreadable:
        raise typer.Exit(FAILED)


def _format_line(info: Info) -> str:
    extent = info.extent
    held = format_ticks(
        extent.rows, extent.symbol_count, extent.earliest, extent.latest, len(extent.epochs)
    )
    parts = [held, format_size(info.size_bytes)]
    if info.gaps:
        parts.append(format_count(len(info.gaps), "gap"))
    parts += [] if info.is_finished else ["not finished"]
    return f"{escape_controls(info.path)}: {', '.join(parts)}"


def _print_info(info: Info) -> None:
    print_line(escape_controls(info.path), "bold")
    for name, text in _describe(info):
        print_line(f"  {name:<9}{escape_controls(text)}")


def _describe(info: Info) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each line of a description."""
    extent = info.extent
    symbols = _name_some(extent.symbols or [], extent.symbol_count)
    ticks = f"{format_count(extent.rows, 'tick')} of {format_count(extent.symbol_count, 'symbol')}"
    yield "ticks", f"{ticks}: {symbols}" if symbols else ticks
    if info.only is not None:
        yield "only", f"{_name_some(info.only, len(info.only))}; others were not recorded"
    if extent.earliest is not None and extent.latest is not None:
        yield "span", format_span(extent.earliest, extent.latest)
    if extent.epochs:
        spans = [f"{each.first:,} to {each.last:,}" for each in extent.epochs]
        named = [
            f"{span} of epoch {each.epoch}" if each.epoch else span
            for span, each in zip(spans, extent.epochs, strict=True)
        ]
        yield "seqs", _name_some(named, len(named))
    yield "gaps", _describe_gaps(info)
    columns = [
        f"{name} {kind}" + (f" ({info.units[name]})" if name in info.units else "")
        for name, kind in info.kinds.items()
    ]
    yield "columns", ", ".join(columns)
    if info.misfits:
        left = [f"{count:,} of {name}" for name, count in info.misfits.items()]
        yield "left out", f"values: {', '.join(left)}"
    state = "finished" if info.is_finished else "not finished"
    files = "" if info.files == 1 else f"{format_count(info.files, 'file')}, "
    yield "size", f"{files}{info.format}, {format_size(info.size_bytes)}, {state}"
    if info.source:
        yield "source", info.source
    for problem in info.problems[:MAX_NAMED]:
        yield "note", str(problem)


def _describe_gaps(info: Info) -> str:
    if not info.gaps:
        return "none listed"
    missing = sum(gap.count or 0 for gap in info.gaps)
    unknown = sum(gap.count is None for gap in info.gaps)
    parts = [f"{missing:,} missing ticks"] if missing else []
    parts += [f"the end of {format_count(unknown, 'epoch')}"] if unknown else []
    return f"{format_count(len(info.gaps), 'gap')}: {' and '.join(parts)}"


def _name_some(names: list[str], count: int) -> str:
    """Return the first of some names in words."""
    more = [f"and {count - MAX_NAMED:,} more"] if count > MAX_NAMED else []
    return ", ".join([*names[:MAX_NAMED], *more]) if names else ""


def _format_object(info: Info) -> dict[str, Any]:
    """Return the object that `--json` prints."""
    extent = info.extent
    start, end = extent.earliest, extent.latest
    return {
        "file": str(info.path),
        "files": info.files,
        "format": info.format,
        "bytes": info.size_bytes,
        "finished": info.is_finished,
        "ticks": extent.rows,
        "symbols": extent.symbol_count,
        "symbol_names": extent.symbols,
        "only": info.only,
        "start": None if start is None else start.isoformat(),
        "end": None if end is None else end.isoformat(),
        "epochs": [
            {"epoch": each.epoch, "from": each.first, "to": each.last, "ticks": each.rows}
            for each in extent.epochs
        ],
        "gaps": [
            {"epoch": gap.epoch, "from": gap.first, "to": gap.last, "reason": gap.reason}
            for gap in info.gaps
        ],
        "columns": info.kinds,
        "units": info.units,
        "misfits": info.misfits,
        "source": info.source,
        "problems": [str(problem) for problem in info.problems],
    }
