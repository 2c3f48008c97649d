"""`tickerkit convert`: recordings in another form, joined, or a part of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tickerkit.cli.interrupt import ending
from tickerkit.cli.server_options import words
from tickerkit.cli.terminal import busy, complain, printable, say
from tickerkit.cli.verify import files_of
from tickerkit.formatting import format_count, format_size

if TYPE_CHECKING:
    import pandas as pd

    from tickerkit.storage import Recording
    from tickerkit.storage.atomic import Mode

__all__ = ["convert"]

FAILED = 1
CLOCK = re.compile(r"\d{1,2}:\d\d(:\d\d(\.\d+)?)?")


def convert(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE",
            help="Recordings, or folders of them.",
        ),
    ],
    target: Annotated[str, typer.Argument(metavar="OUT", help="The file to write.")],
    symbols: Annotated[
        str | None, typer.Option(metavar="LIST", help="Only these, as AAPL,MSFT; all by default.")
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="TIME",
            help='Only ticks of this time or later, in UTC: "2026-11-24 10:00"; "10:00" is of the '
            "first day recorded.",
        ),
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="Only ticks before this time.")
    ] = None,
    escape_formulas: Annotated[
        bool,
        typer.Option(
            "--escape-formulas", help="A CSV for spreadsheets: no text runs there as a formula."
        ),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Take the place of a file that is there.")
    ] = False,
    append: Annotated[
        bool, typer.Option("--append", help="Add to a recording that is there.")
    ] = False,
) -> None:
    """Write recordings in another form, joined, or a part.

    CSV, Parquet or raw lines of JSON, as the name of OUT says: .csv .csv.gz .csv.zst .parquet
    .jsonl .jsonl.gz .jsonl.zst. Nothing is lost on the way: ticks, gaps, and where they came from.
    Several recordings are joined in the order in which they are named. What is damaged in one is
    left out and told, with exit code 1.
    """
    from tickerkit.errors import RecordingExists, TickerkitError

    if overwrite and append:
        raise typer.BadParameter("--overwrite and --append contradict each other")
    out = Path(target).expanduser()
    write = _writer(out, escape_formulas=escape_formulas, append=append)
    wanted = None if symbols is None else words(symbols)
    if wanted == []:
        raise typer.BadParameter("--symbols names none; for example --symbols AAPL,MSFT")
    paths = files_of(files)
    if any(out.exists() and path.exists() and path.samefile(out) for path in paths):
        raise typer.BadParameter(f"{printable(out)} can't be read and written at once")
    if out.exists() and not overwrite and not append:
        raise TickerkitError(f"{out} exists; pass --overwrite or --append, or another name")
    recording, damaged = _read(paths)
    if ending.asked:
        complain("stopped; nothing was written")
        raise typer.Exit(FAILED)
    recording = _part(recording, wanted, start, end)
    mode: Mode = "overwrite" if overwrite else "append" if append else "new"
    with busy(f"writing {out}"):
        try:
            write(recording, out, mode)
        except RecordingExists:
            raise TickerkitError(f"{out} was made by another program meanwhile") from None
    _tell(recording, out)
    if damaged:
        raise typer.Exit(FAILED)


def _read(paths: list[Path]) -> tuple[Recording, bool]:
    """Read and join; tell on stderr what is damaged, and return whether something is."""
    from tickerkit.storage import load
    from tickerkit.storage.combine import combine

    read: list[Recording] = []
    damaged = False
    for index, path in enumerate(paths):
        if ending.asked:
            break
        with busy(f"reading {path} ({index + 1} of {len(paths)})"):
            read.append(load(path))
        if (warning := read[-1].warning) is not None:
            complain(warning)
            # Of a Parquet file that is being recorded the rows stand in two places: none is lost.
            damaged |= not getattr(warning, "unfinished", "") or len(warning.problems) > 1
    return combine(read), damaged


def _part(
    recording: Recording, wanted: list[str] | None, start: str | None, end: str | None
) -> Recording:
    from tickerkit.storage.combine import select_part

    if start is None and end is None and wanted is None:
        return recording
    if (start or end) and not _has_times(recording.frame):
        raise typer.BadParameter("there are no times to choose by; leave out --from and --to")
    times = [
        None if text is None else _time(text, name, recording.frame)
        for name, text in (("--from", start), ("--to", end))
    ]
    part = select_part(recording, wanted, *times)
    if not len(part.frame):
        options = (("--symbols", wanted), ("--from", start), ("--to", end))
        chosen_by = " ".join(name for name, value in options if value is not None)
        complain(f"none of {format_count(len(recording.frame), 'tick')} is chosen by {chosen_by}")
    return part


def _has_times(frame: pd.DataFrame) -> bool:
    return "time" in frame and frame["time"].dtype.kind == "M"


def _time(text: str, option: str, frame: pd.DataFrame) -> pd.Timestamp:
    """Return the time that an option names, in UTC."""
    import pandas as pd

    if CLOCK.fullmatch(text.strip()) and frame["time"].notna().any():
        text = f"{frame['time'].min():%Y-%m-%d} {text}"
    time = pd.to_datetime(text, errors="coerce")
    if pd.isna(time):
        problem = f'{printable(text)!r} is no time; for example {option} "2026-11-24 10:00"'
        raise typer.BadParameter(problem)
    return time.tz_localize("UTC") if time.tzinfo is None else time.tz_convert("UTC")


def _writer(
    out: Path, *, escape_formulas: bool, append: bool
) -> Callable[[Recording, Path, Mode], Any]:
    """Return what writes a form, by the name of the file; raises BadParameter."""
    from tickerkit.storage.combine import ENDINGS

    if out.is_dir():
        raise typer.BadParameter(f"{printable(out)} is a folder; name a file to write last")
    if not out.name.endswith(ENDINGS):
        problem = f"{printable(out.name)} does not tell which form to write"
        raise typer.BadParameter(f"{problem}; let its name end in one of {' '.join(ENDINGS)}")
    csv = out.name.endswith((".csv", ".csv.gz", ".csv.zst"))
    if escape_formulas and not csv:
        raise typer.BadParameter("--escape-formulas is for CSV; let the name end in .csv")
    if escape_formulas and append:
        raise typer.BadParameter("--escape-formulas makes a new file; leave out --append")

    def write(recording: Recording, path: Path, mode: Mode) -> None:
        frame, gaps = recording.frame, recording.gaps
        about: dict[str, Any] = {"source": recording.source, "symbols": recording.symbols}
        if csv:
            from tickerkit.storage import write_csv

            write_csv(frame, path, gaps=gaps, mode=mode, escape_formulas=escape_formulas, **about)
        elif path.suffix == ".parquet":
            from tickerkit.storage import write_parquet

            write_parquet(frame, path, gaps=gaps, mode=mode, **about)
        else:
            from tickerkit.storage.frames.write import write_raw

            write_raw(frame, path, gaps=gaps, mode=mode, **about)

    return write


def _tell(recording: Recording, out: Path) -> None:
    from tickerkit.ticks.fields import symbol_field

    frame = recording.frame
    name = symbol_field(frame)
    symbols = 0 if name is None else frame[name].nunique()
    parts = [f"{format_count(len(frame), 'tick')} of {format_count(symbols, 'symbol')}"]
    if len(recording.gaps):
        parts.append(format_count(len(recording.gaps), "gap"))
    say(f"wrote {printable(out)}: {', '.join([*parts, format_size(out.stat().st_size)])}")
