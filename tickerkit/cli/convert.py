"""`tickerkit convert`: writes recordings in another format, combined, or in part."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tickerkit.cli.exit_codes import FAILED, UsageError
from tickerkit.cli.interrupt import interrupt
from tickerkit.cli.options import Symbols, parse_symbols
from tickerkit.cli.share import show_share
from tickerkit.cli.terminal import escape_controls, print_error, print_line
from tickerkit.cli.verify import find_recordings
from tickerkit.formatting import format_count, format_size

if TYPE_CHECKING:
    import pandas as pd

    from tickerkit.storage.convert import Conversion
    from tickerkit.storage.files import Mode
    from tickerkit.storage.partitions import Template
    from tickerkit.storage.tally import Tally

__all__ = ["convert"]

CLOCK = re.compile(r"\d{1,2}:\d\d(:\d\d(\.\d+)?)?")


def convert(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE", help="Recordings, or folders of recordings."),
    ],
    target: Annotated[
        str,
        typer.Argument(
            metavar="OUT",
            help="The file to write. A name with keys writes a file in each folder: "
            "'out/day={date}/ticks.csv'; the keys are day={date}, hour={hour} and "
            "symbol={symbol}.",
        ),
    ],
    symbols: Symbols = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="TIME",
            help='Only ticks at or after this time, in UTC: "2026-11-24 10:00", or "10:00" on the '
            "first recorded day.",
        ),
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="Only ticks before this time.")
    ] = None,
    escape_formulas: Annotated[
        bool,
        typer.Option(
            "--escape-formulas", help="Write a CSV in which spreadsheets run no text as a formula."
        ),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing file.")
    ] = False,
    append: Annotated[
        bool, typer.Option("--append", help="Append to an existing recording.")
    ] = False,
    split: Annotated[
        str | None,
        typer.Option(
            "--split",
            metavar="KEYS",
            help="Write a file for each day, hour or symbol, such as day,symbol. OUT is a folder, "
            "or ends with the name that each file has in folders such as day=2026-11-24.",
        ),
    ] = None,
    sort: Annotated[
        bool,
        typer.Option(
            "--sort", help="Write the ticks in order of their arrival, whatever recording has them."
        ),
    ] = False,
    dedupe: Annotated[
        bool,
        typer.Option(
            "--dedupe",
            help="Sort, and write each tick once: so two recordings of one server become one, and "
            "each fills the gaps of the other.",
        ),
    ] = False,
) -> None:
    """Write recordings in another format, combined, or in part.

    The name of OUT chooses CSV, Parquet or lines of JSON: .csv .csv.gz .csv.zst .parquet .jsonl
    .jsonl.gz .jsonl.zst. Ticks, gaps and the name of the source are all kept. Several
    recordings are combined in the given order, and ticks that are missing between them become gaps.
    They may be of any size: some hundred MB of memory are enough. Damaged ticks are left out and
    reported, with exit code 1.
    """
    from tickerkit.errors import RecordingExists, TickerkitError
    from tickerkit.storage.convert import Conversion, write_conversion
    from tickerkit.storage.split import write_split

    if overwrite and append:
        raise UsageError("--overwrite and --append contradict each other; pass one of them")
    out = Path(target).expanduser()
    layout = _parse_layout(out, split, append=append)
    out = out if layout is None else layout.root
    name = out if layout is None else out / layout.name
    _check_format(name, escape_formulas=escape_formulas, append=append)
    wanted = parse_symbols(symbols)
    paths = find_recordings(files)
    if any(out.exists() and path.exists() and path.samefile(out) for path in paths):
        raise UsageError(f"{out} can't be read and written at once; name another file for OUT")
    is_used = out.exists() if layout is None else out.is_dir() and any(out.iterdir())
    if is_used and not overwrite and not append:
        raise TickerkitError(f"{out} exists; pass --overwrite or --append, or another name")
    mode: Mode = "overwrite" if overwrite else "append" if append else "new"
    with show_share(f"writing {out}") as update:
        conversion = Conversion(
            paths, sort=sort or dedupe, dedupe=dedupe, folder=out.parent, on_share=_heed(update)
        )
        _select(conversion, wanted, start, end)
        try:
            if layout is None:
                tally = write_conversion(conversion, out, mode, escape_formulas=escape_formulas)
            else:
                tally, count = write_split(
                    conversion, layout, escape_formulas=escape_formulas, on_share=_heed(update)
                )
        except RecordingExists:
            raise TickerkitError(f"another program has created {out} meanwhile") from None
    options = (("--symbols", symbols), ("--from", start), ("--to", end))
    used = " ".join(option for option, value in options if value is not None)
    if used and not tally.rows:
        print_error(f"{used} selects none of {format_count(conversion.rows, 'tick')}")
    elif not conversion.rows:
        print_error("there was no tick to convert; messages of raw frames may be no ticks")
    size = format_count(count, "file") if layout else format_size(out.stat().st_size)
    _print_result(tally, len(conversion.about().gaps), out, size)
    for warning in conversion.warnings:
        print_error(warning)
    # A Parquet file that is being recorded has its newest rows in a second file, and isn't damaged.
    if any(warning.is_damaged for warning in conversion.warnings):
        raise typer.Exit(FAILED)


def _heed(update: Callable[[float], None]) -> Callable[[float], None]:
    """Return a function that shows the share done, and ends the command after Ctrl-C."""

    def report(share: float) -> None:
        if interrupt.requested:
            print_error("stopped; nothing was written")
            raise typer.Exit(FAILED)
        update(share)

    return report


def _select(
    conversion: Conversion, symbols: list[str] | None, start: str | None, end: str | None
) -> None:
    if (start or end) and not conversion.has_times:
        raise UsageError("the recordings have no times; leave out --from and --to")
    times = [
        None if text is None else _parse_time(text, option, conversion)
        for option, text in (("--from", start), ("--to", end))
    ]
    conversion.select(symbols, *times)


def _parse_time(text: str, option: str, conversion: Conversion) -> pd.Timestamp:
    """Return the time of an option, in UTC."""
    import pandas as pd

    if CLOCK.fullmatch(text.strip()) and (earliest := conversion.earliest()) is not None:
        text = f"{earliest:%Y-%m-%d} {text}"
    time = pd.to_datetime(text, errors="coerce")
    if pd.isna(time):
        raise UsageError(f'Invalid {option} {text!r}; expected a time such as "2026-11-24 10:00"')
    return time.tz_localize("UTC") if time.tzinfo is None else time.tz_convert("UTC")


def _parse_layout(out: Path, split: str | None, *, append: bool) -> Template | None:
    """Return the layout of the files to write, None for one file."""
    from tickerkit.errors import InvalidArgument
    from tickerkit.storage.split import parse_layout

    try:
        layout = parse_layout(out, split)
    except InvalidArgument as error:
        raise UsageError(str(error)) from None
    if layout is not None and append:
        raise UsageError("--append is for one file; leave it out, or name one")
    return layout


def _check_format(out: Path, *, escape_formulas: bool, append: bool) -> None:
    """Check that the name of a file has a known format, and the options fit it."""
    from tickerkit.storage.paths import ENDINGS

    if out.is_dir():
        raise UsageError(f"{out} is a folder; name the file to write as the last argument")
    if not out.name.endswith(ENDINGS):
        raise UsageError(f"Invalid OUT {out.name!r}; expected a name with {' '.join(ENDINGS)}")
    is_csv = out.name.endswith((".csv", ".csv.gz", ".csv.zst"))
    if escape_formulas and not is_csv:
        raise UsageError("--escape-formulas is for CSV; name a file that ends in .csv")
    if append and not is_csv and not out.name.endswith(".parquet"):
        raise UsageError("--append is for CSV and Parquet; leave it out, or name such a file")
    if escape_formulas and append:
        raise UsageError("--escape-formulas writes a new file; leave out --append")


def _print_result(tally: Tally, gaps: int, out: Path, size: str) -> None:
    symbols = format_count(tally.extent.extent.symbol_count, "symbol")
    parts = [f"{format_count(tally.rows, 'tick')} of {symbols}"]
    if gaps:
        parts.append(format_count(gaps, "gap"))
    parts.append(size)
    print_line(f"wrote {escape_controls(out)}: {', '.join(parts)}")
