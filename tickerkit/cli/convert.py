"""`tickerkit convert`: writes recordings in another format, combined, or in part."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tickerkit.cli.exit_codes import FAILED, UsageError
from tickerkit.cli.interrupt import interrupt
from tickerkit.cli.options import Symbols, parse_symbols
from tickerkit.cli.terminal import escape_controls, print_error, print_line, show_busy
from tickerkit.cli.verify import find_recordings
from tickerkit.formatting import format_count, format_size

if TYPE_CHECKING:
    import pandas as pd

    from tickerkit.storage import Recording
    from tickerkit.storage.files import Mode

__all__ = ["convert"]

CLOCK = re.compile(r"\d{1,2}:\d\d(:\d\d(\.\d+)?)?")


def convert(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE", help="Recordings, or folders of recordings."),
    ],
    target: Annotated[str, typer.Argument(metavar="OUT", help="The file to write.")],
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
) -> None:
    """Write recordings in another format, combined, or in part.

    The name of OUT chooses CSV, Parquet or lines of JSON: .csv .csv.gz .csv.zst .parquet .jsonl
    .jsonl.gz .jsonl.zst. Ticks, gaps and the name of the source are all kept. Several
    recordings are combined in the given order, and ticks that are missing between them become gaps.
    Damaged ticks are left out and reported, with exit code 1.
    """
    from tickerkit.errors import RecordingExists, TickerkitError

    if overwrite and append:
        raise UsageError("--overwrite and --append contradict each other; pass one of them")
    out = Path(target).expanduser()
    write = _choose_writer(out, escape_formulas=escape_formulas, append=append)
    wanted = parse_symbols(symbols)
    paths = find_recordings(files)
    if any(out.exists() and path.exists() and path.samefile(out) for path in paths):
        raise UsageError(f"{out} can't be read and written at once; name another file for OUT")
    if out.exists() and not overwrite and not append:
        raise TickerkitError(f"{out} exists; pass --overwrite or --append, or another name")
    recording, is_damaged = _read(paths)
    if interrupt.requested:
        print_error("stopped; nothing was written")
        raise typer.Exit(FAILED)
    recording = _select(recording, wanted, start, end)
    mode: Mode = "overwrite" if overwrite else "append" if append else "new"
    with show_busy(f"writing {out}"):
        try:
            write(recording, out, mode)
        except RecordingExists:
            raise TickerkitError(f"another program has created {out} meanwhile") from None
    _print_result(recording, out)
    if is_damaged:
        raise typer.Exit(FAILED)


def _read(paths: list[Path]) -> tuple[Recording, bool]:
    """Read and combine recordings, and print their damage; return whether there is any."""
    from tickerkit.storage import load
    from tickerkit.storage.between_files import in_order
    from tickerkit.storage.recording import combine

    recordings: list[Recording] = []
    is_damaged = False
    for index, path in enumerate(paths):
        if interrupt.requested:
            break
        with show_busy(f"reading {path} ({index + 1} of {len(paths)})"):
            recordings.append(load(path))
        if (warning := recordings[-1].warning) is not None:
            print_error(warning)
            # A Parquet file that is being recorded has its newest rows in a second file, and isn't
            # damaged.
            is_damaged |= warning.is_damaged
    return combine(in_order(paths[: len(recordings)], recordings, as_one=True)), is_damaged


def _select(
    recording: Recording, symbols: list[str] | None, start: str | None, end: str | None
) -> Recording:
    from tickerkit.storage.recording import select_part

    if start is None and end is None and symbols is None:
        return recording
    if (start or end) and not _has_times(recording.frame):
        raise UsageError("the recordings have no times; leave out --from and --to")
    times = [
        None if text is None else _parse_time(text, option, recording.frame)
        for option, text in (("--from", start), ("--to", end))
    ]
    part = select_part(recording, symbols, *times)
    if not len(part.frame):
        options = (("--symbols", symbols), ("--from", start), ("--to", end))
        used = " ".join(option for option, value in options if value is not None)
        print_error(f"{used} selects none of {format_count(len(recording.frame), 'tick')}")
    return part


def _has_times(frame: pd.DataFrame) -> bool:
    return "time" in frame and frame["time"].dtype.kind == "M"


def _parse_time(text: str, option: str, frame: pd.DataFrame) -> pd.Timestamp:
    """Return the time of an option, in UTC."""
    import pandas as pd

    if CLOCK.fullmatch(text.strip()) and frame["time"].notna().any():
        text = f"{frame['time'].min():%Y-%m-%d} {text}"
    time = pd.to_datetime(text, errors="coerce")
    if pd.isna(time):
        raise UsageError(f'Invalid {option} {text!r}; expected a time such as "2026-11-24 10:00"')
    return time.tz_localize("UTC") if time.tzinfo is None else time.tz_convert("UTC")


def _choose_writer(
    out: Path, *, escape_formulas: bool, append: bool
) -> Callable[[Recording, Path, Mode], Any]:
    """Return the function that writes the format of a file's name.

    Raises:
        UsageError: the name has no known format, or an option doesn't fit the format.
    """
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

    def write(recording: Recording, path: Path, mode: Mode) -> None:
        frame, gaps = recording.frame, recording.gaps
        about: dict[str, Any] = {
            "source": recording.source,
            "symbols": recording.symbols,
            "misfits": recording.misfits,
            "units": recording.units,
        }
        if is_csv:
            from tickerkit.storage import write_csv

            write_csv(frame, path, gaps=gaps, mode=mode, escape_formulas=escape_formulas, **about)
        elif path.suffix == ".parquet":
            from tickerkit.storage import write_parquet

            write_parquet(frame, path, gaps=gaps, mode=mode, **about)
        else:
            from tickerkit.storage import write_jsonl

            write_jsonl(frame, path, gaps=gaps, mode=mode, **about)

    return write


def _print_result(recording: Recording, out: Path) -> None:
    from tickerkit.ticks.fields import symbol_field

    frame = recording.frame
    name = symbol_field(frame)
    symbols = 0 if name is None else frame[name].nunique()
    parts = [f"{format_count(len(frame), 'tick')} of {format_count(symbols, 'symbol')}"]
    if len(recording.gaps):
        parts.append(format_count(len(recording.gaps), "gap"))
    parts.append(format_size(out.stat().st_size))
    print_line(f"wrote {escape_controls(out)}: {', '.join(parts)}")
