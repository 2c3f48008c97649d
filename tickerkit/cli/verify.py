"""`tickerkit verify`: checks recordings for gaps, damage, duplicates and order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tickerkit.cli.exit_codes import FAILED, UsageError
from tickerkit.cli.interrupt import interrupt
from tickerkit.cli.terminal import escape_controls, print_error, print_line, show_busy
from tickerkit.formatting import format_count, format_span

if TYPE_CHECKING:
    from tickerkit.errors import Problem
    from tickerkit.storage.verify import Report

__all__ = ["find_recordings", "verify"]

MAX_PLACES = 20


def verify(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE", help="Recordings, or folders of recordings."),
    ],
    gaps_ok: Annotated[
        bool,
        typer.Option("--gaps-ok", help="Accept gaps that the recording itself lists."),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one line for each file: a JSON object.")
    ] = False,
) -> None:
    """Check whether recordings are complete and undamaged.

    Reports damaged and torn lines, duplicate and unordered ticks, values that were left out, and
    gaps, also between the files of one recording, whose names differ by a time or a folder such as
    day=2026-11-20. The exit code is 1 if ticks or values are missing or damaged, even if the
    recording lists the gap itself; pass --gaps-ok to accept listed gaps. It is 2 if a file doesn't
    exist.
    """
    from tickerkit.errors import RecordingError
    from tickerkit.storage import load
    from tickerkit.storage.between_files import Part, check_between
    from tickerkit.storage.verify import verify_recording

    paths = find_recordings(files)
    parts: list[Part] = []
    code = 0
    for index, path in enumerate(paths):
        if interrupt.requested:
            print_error(f"stopped; {format_count(len(paths) - index, 'file')} not checked")
            raise typer.Exit(FAILED)
        try:
            with show_busy(f"reading {path} ({index + 1} of {len(paths)})"):
                recording = load(path)
                report = verify_recording(recording, path)
            parts.append(Part.from_recording(path, recording))
        except RecordingError as error:
            code = FAILED
            if as_json:
                print(json.dumps({"file": str(path), "ok": False, "error": error.problem}))
            else:
                problem = escape_controls(error.problem)
                print_line(f"{escape_controls(path)}: can't be read as ticks: {problem}", "red")
            continue
        is_ok = report.ok or (gaps_ok and not report.problems)
        if as_json:
            print(json.dumps(_format_json(report, is_ok)))
        else:
            _print_report(report, is_ok)
        if not is_ok:
            code = FAILED
    for path, count, problems in check_between(parts):
        code = FAILED
        if as_json:
            listed = list(map(_format_problem, problems))
            print(json.dumps({"file": str(path), "files": count, "ok": False, "problems": listed}))
        else:
            total = format_count(sum(each.count for each in problems), "problem")
            place = f"between its {format_count(count, 'file')}"
            print_line(f"{escape_controls(path)}: {place}: {total}", "red")
            for each in problems:
                _print_problem(each)
    if code:
        raise typer.Exit(code)


def find_recordings(names: list[str]) -> list[Path]:
    """Return the named files, and the recordings in the named folders and their partitions.

    Raises:
        UsageError: a file doesn't exist, or a folder has no recordings.
    """
    from tickerkit.storage.paths import recordings_in, working_path

    paths: list[Path] = []
    for name in names:
        path = Path(name).expanduser()
        if path.is_dir():
            inside = recordings_in(path)
            if not inside:
                raise UsageError(f"the folder {path} has no recordings; name another one")
            paths += inside
        elif path.exists() or working_path(path).exists():
            paths.append(path)
        else:
            raise UsageError(f"there is no file {path.absolute()}; name an existing one")
    return paths


def _print_report(report: Report, is_ok: bool) -> None:
    problems = sum(problem.count for problem in report.problems)
    faults = [format_count(problems, "problem")] if problems else []
    faults += [format_count(len(report.gaps), "gap")] if len(report.gaps) else []
    parts = [f"{format_count(report.rows, 'tick')} of {format_count(report.symbols, 'symbol')}"]
    if report.start is not None and report.end is not None:
        parts.append(format_span(report.start, report.end))
    if report.epochs:
        parts.append(format_count(report.epochs, "epoch"))
    result = " and ".join(faults) or "ok"
    result += " (accepted by --gaps-ok)" if is_ok and faults else ""
    path = escape_controls(report.path)
    print_line(f"{path}: {', '.join(parts)}: {result}", "" if is_ok else "red")
    for problem in report.problems:
        _print_problem(problem)
    for gap in report.gaps.head(MAX_PLACES).to_dict("records"):
        print_line(f"  gap: {escape_controls(_format_gap(gap))}")
    if len(report.gaps) > MAX_PLACES:
        print_line(f"  gap: and {len(report.gaps) - MAX_PLACES:,} more")
    if report.only is not None:
        names = ", ".join(report.only[:MAX_PLACES])
        names += ", …" if len(report.only) > MAX_PLACES else ""
        note = f"a recording of {escape_controls(names)} only: other gaps can't be detected"
        print_line(f"  note: {note}")
    for note in report.notes:
        print_line(f"  note: {escape_controls(note)}")


def _print_problem(problem: Problem) -> None:
    for place in problem.places[:MAX_PLACES]:
        where = f"{problem.unit} {place.first:,}"
        if place.last > place.first:
            where = f"{problem.unit}s {place.first:,} to {place.last:,}"
        where = "" if problem.unit == "file" else f"{where}: "
        print_line(f"  {problem.kind}: {where}{escape_controls(place.about)}")
    if problem.count > MAX_PLACES:
        print_line(f"  {problem.kind}: and {problem.count - MAX_PLACES:,} more")


def _format_gap(gap: dict[Any, Any]) -> str:
    """Return a row of a frame of gaps in words."""
    first, last = int(gap["from"]), _as_int(gap["to"])
    if last is None:
        where = f"every tick from seq {first:,} of epoch {gap['epoch']}"
    else:
        count = format_count(last - first + 1, "tick")
        where = f"seqs {first:,} to {last:,} ({count}) of epoch {gap['epoch']}"
    return f"{where}: {gap['reason']}"


def _as_int(cell: Any) -> int | None:
    """Return the number in a cell of a frame; None for a missing one."""
    import pandas as pd

    return None if pd.isna(cell) else int(cell)


def _format_problem(problem: Problem) -> dict[str, Any]:
    """Return a problem as `--json` prints it."""
    return {
        "kind": problem.kind,
        "unit": problem.unit,
        "count": problem.count,
        "places": [[place.first, place.last, place.about] for place in problem.places],
    }


def _format_json(report: Report, is_ok: bool) -> dict[str, Any]:
    """Return the object that `--json` prints: times as ISO-8601, unknown values as null."""
    gaps = [
        {
            "epoch": gap["epoch"],
            "from": int(gap["from"]),
            "to": _as_int(gap["to"]),
            "reason": gap["reason"],
        }
        for gap in report.gaps.to_dict("records")
    ]
    return {
        "file": str(report.path),
        "ok": is_ok,
        "ticks": report.rows,
        "symbols": report.symbols,
        "only": report.only,
        "start": None if report.start is None else report.start.isoformat(),
        "end": None if report.end is None else report.end.isoformat(),
        "epochs": report.epochs,
        "columns": report.columns,
        "gaps": gaps,
        "problems": [_format_problem(problem) for problem in report.problems],
        "notes": report.notes,
    }
