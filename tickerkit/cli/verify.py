"""`tickerkit verify`: whether recordings are whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tickerkit.cli.interrupt import ending
from tickerkit.cli.terminal import busy, complain, printable, say
from tickerkit.formatting import format_count

if TYPE_CHECKING:
    import pandas as pd

    from tickerkit.storage.check.problems import Problem
    from tickerkit.storage.check.verify import Report

__all__ = ["files_of", "verify"]

FAILED, MISUSED = 1, 2
MOST = 20


def verify(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE", help="Recordings, or folders of them."),
    ],
    gaps_ok: Annotated[
        bool,
        typer.Option("--gaps-ok", help="Gaps that the recording itself lists are no fault."),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print an object of JSON for each file, on a line.")
    ] = False,
) -> None:
    """Tell whether recordings are whole, and what is wrong.

    Told are lines that are damaged or cut off, ticks that are twice or out of order, and gaps.
    Exit code 1 when something is missing or damaged, also where the recording itself lists it as a
    gap; --gaps-ok is for feeds that had some. Exit code 2 when there is no such file.
    """
    from tickerkit.errors import RecordingError
    from tickerkit.storage.check.verify import verify as look

    paths = files_of(files)
    code = 0
    for index, path in enumerate(paths):
        if ending.asked:
            complain(f"stopped; {format_count(len(paths) - index, 'file')} not looked at")
            raise typer.Exit(FAILED)
        try:
            with busy(f"reading {path} ({index + 1} of {len(paths)})"):
                report = look(path)
        except RecordingError as error:
            code = FAILED
            if as_json:
                print(json.dumps({"file": str(path), "ok": False, "error": error.problem}))
            else:
                say(f"{printable(path)}: can't be read as ticks: {printable(error.problem)}", "red")
            continue
        fine = report.ok or (gaps_ok and not report.problems)
        if as_json:
            print(json.dumps(_as_json(report, fine)))
        else:
            _tell(report, fine)
        if not fine:
            code = FAILED
    if code:
        raise typer.Exit(code)


def files_of(names: list[str]) -> list[Path]:
    """Return the files that are named, and of folders their recordings; raises BadParameter."""
    from tickerkit.storage.combine import recordings_in
    from tickerkit.storage.paths import working_path

    paths: list[Path] = []
    for name in names:
        path = Path(name).expanduser()
        if path.is_dir():
            inside = recordings_in(path)
            if not inside:
                raise typer.BadParameter(f"there is no recording in the folder {printable(path)}")
            paths += inside
        elif path.exists() or working_path(path).exists():
            paths.append(path)
        else:
            raise typer.BadParameter(f"there is no file {printable(path.absolute())}")
    return paths


def _tell(report: Report, fine: bool) -> None:
    faults = sum(problem.count for problem in report.problems)
    said = [format_count(faults, "problem")] if faults else []
    said += [format_count(len(report.gaps), "gap")] if len(report.gaps) else []
    parts = [f"{format_count(report.rows, 'tick')} of {format_count(report.symbols, 'symbol')}"]
    if report.start is not None and report.end is not None:
        parts.append(span(report.start, report.end))
    if report.epochs:
        parts.append(format_count(report.epochs, "epoch"))
    end = " and ".join(said) or "fine"
    end += " (no fault, by --gaps-ok)" if fine and said else ""
    say(f"{printable(report.path)}: {', '.join(parts)}: {end}", "" if fine else "red")
    for problem in report.problems:
        _tell_problem(problem)
    gaps = report.gaps.head(MOST).to_dict("records")
    for gap in gaps:
        say(f"  gap: {printable(_gap(gap))}")
    if len(report.gaps) > MOST:
        say(f"  gap: and {len(report.gaps) - MOST:,} more")
    if report.only is not None:
        names = ", ".join(report.only[:MOST]) + (", …" if len(report.only) > MOST else "")
        say(f"  note: a recording of {printable(names)} only: other gaps than these can't be seen")
    for note in report.notes:
        say(f"  note: {printable(note)}")


def _tell_problem(problem: Problem) -> None:
    for place in problem.places[:MOST]:
        where = f"{problem.unit} {place.first:,}"
        if place.last > place.first:
            where = f"{problem.unit}s {place.first:,} to {place.last:,}"
        say(f"  {problem.kind}: {where}: {printable(place.about)}")
    if problem.count > MOST:
        say(f"  {problem.kind}: and {problem.count - MOST:,} more")


def _gap(gap: dict[Any, Any]) -> str:
    """Return a gap that is listed, in words."""
    first, last = int(gap["from"]), _number(gap["to"])
    where = f"all from seq {first:,} of epoch {gap['epoch']}, as far as it went"
    if last is not None:
        many = last - first + 1
        where = f"seqs {first:,} to {last:,} ({format_count(many, 'tick')}) of epoch {gap['epoch']}"
    return f"{where}: {gap['reason']}"


def _number(value: Any) -> int | None:
    """Return the number in a cell of a frame, None where there is none."""
    import pandas as pd

    return None if pd.isna(value) else int(value)


def span(start: pd.Timestamp, end: pd.Timestamp) -> str:
    """Return a span of time, the date once where it is the same."""
    last = f"{end:%H:%M:%S}" if start.date() == end.date() else f"{end:%Y-%m-%d %H:%M:%S}"
    return f"{start:%Y-%m-%d %H:%M:%S} to {last} UTC"


def _as_json(report: Report, fine: bool) -> dict[str, Any]:
    """Return what `--json` prints: times as ISO-8601, what is not known as null."""
    gaps = [
        {
            "epoch": gap["epoch"],
            "from": int(gap["from"]),
            "to": _number(gap["to"]),
            "reason": gap["reason"],
        }
        for gap in report.gaps.to_dict("records")
    ]
    problems = [
        {
            "kind": problem.kind,
            "unit": problem.unit,
            "count": problem.count,
            "places": [[place.first, place.last, place.about] for place in problem.places],
        }
        for problem in report.problems
    ]
    return {
        "file": str(report.path),
        "ok": fine,
        "ticks": report.rows,
        "symbols": report.symbols,
        "only": report.only,
        "start": None if report.start is None else report.start.isoformat(),
        "end": None if report.end is None else report.end.isoformat(),
        "epochs": report.epochs,
        "columns": report.columns,
        "gaps": gaps,
        "problems": problems,
        "notes": report.notes,
    }
