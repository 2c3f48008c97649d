"""Reports: how the commands print what a recording holds, and what is wrong with it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tickerkit.cli.terminal import escape_controls, print_line
from tickerkit.formatting import format_count, format_span

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from tickerkit.errors import Problem
    from tickerkit.storage.verify import Report
    from tickerkit.storage.whole import Whole

__all__ = [
    "as_int",
    "format_ticks",
    "print_between",
    "print_report",
    "print_unknown",
    "print_unreadable",
    "print_whole",
]

MAX_PLACES = 20
ACCEPTED = " (accepted by --gaps-ok)"


def print_report(report: Report, *, is_ok: bool, as_json: bool) -> None:
    """Print what a file holds and what is wrong with it: in words, or as a JSON object."""
    if as_json:
        print(json.dumps(_report_object(report, is_ok)))
        return
    from tickerkit.storage.between_files import ELSEWHERE

    problems = sum(problem.count for problem in report.problems)
    # Where a file is accepted, its ticks in other files of a layout are not missing.
    missing = sum(not is_ok or reason != ELSEWHERE for reason in report.gaps["reason"])
    result = _format_result(problems, missing, is_ok=is_ok)
    result += " (rows not read)" if report.is_quick else ""
    held = format_ticks(report.rows, report.symbols, report.start, report.end, report.epochs)
    print_line(f"{escape_controls(report.path)}: {held}: {result}", "" if is_ok else "red")
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


def print_unreadable(path: Path, problem: str, *, as_json: bool) -> None:
    """Print why a file can't be read."""
    if as_json:
        print(json.dumps({"file": str(path), "ok": False, "error": problem}))
    else:
        line = f"{escape_controls(path)}: can't be read as ticks: {escape_controls(problem)}"
        print_line(line, "red")


def print_unknown(path: Path, reason: str, problems: list[Problem], *, as_json: bool) -> None:
    """Print why little is known of a file whose rows aren't read, and what is wrong with it."""
    if as_json:
        is_ok = False if problems else None
        listed = list(map(_problem_object, problems))
        found = {"file": str(path), "ok": is_ok, "unknown": reason, "problems": listed}
        print(json.dumps(found))
        return
    text = f"{escape_controls(path)}: not known without its rows: {escape_controls(reason)}"
    print_line(text, "red" if problems else "yellow")
    for problem in problems:
        _print_problem(problem)


def print_between(path: Path, count: int, problems: list[Problem], *, as_json: bool) -> None:
    """Print what is wrong between the files of a recording; `count` is their number."""
    if as_json:
        listed = list(map(_problem_object, problems))
        print(json.dumps({"file": str(path), "files": count, "ok": False, "problems": listed}))
        return
    total = format_count(sum(each.count for each in problems), "problem")
    place = f"between its {format_count(count, 'file')}"
    print_line(f"{escape_controls(path)}: {place}: {total}", "red")
    for each in problems:
        _print_problem(each)


def print_whole(name: str, whole: Whole, *, is_ok: bool, as_json: bool) -> None:
    """Print the sum of several files; `name` is what they are called together."""
    extent = whole.extent
    start, end = extent.earliest, extent.latest
    if as_json:
        found = {
            "whole": name,
            "files": whole.files,
            "ok": is_ok,
            "ticks": extent.rows,
            "symbols": extent.symbol_count,
            "start": _iso(start),
            "end": _iso(end),
            "epochs": len(extent.epochs),
            "gaps": whole.gaps,
            "problems": whole.problems,
            "unreadable": whole.unreadable,
            "unknown": whole.unknown,
        }
        print(json.dumps(found))
        return
    files = f"{format_count(whole.files, 'file')}"
    held = format_ticks(extent.rows, extent.symbol_count, start, end, len(extent.epochs))
    result = _format_result(whole.problems, whole.gaps, is_ok=is_ok)
    if whole.unknown and whole.unknown + whole.unreadable == whole.files:
        held = "no rows read"  # "0 ticks: ok" would say that the files were checked
        result = result if whole.problems else "not checked"
    left = [
        f"; {format_count(count, 'file')} {what}"
        for count, what in ((whole.unreadable, "unreadable"), (whole.unknown, "not known"))
        if count
    ]
    line = f"{escape_controls(name)}: {files}, {held}: {result}{''.join(left)}"
    print_line(line, "bold" if is_ok else "bold red")


def format_ticks(
    rows: int, symbols: int, start: datetime | None, end: datetime | None, epochs: int
) -> str:
    """Return how many ticks there are, of how many symbols, from when to when."""
    parts = [f"{format_count(rows, 'tick')} of {format_count(symbols, 'symbol')}"]
    if start is not None and end is not None:
        parts.append(format_span(start, end))
    if epochs:
        parts.append(format_count(epochs, "epoch"))
    return ", ".join(parts)


def _format_result(problems: int, gaps: int, *, is_ok: bool) -> str:
    faults = [format_count(problems, "problem")] if problems else []
    faults += [format_count(gaps, "gap")] if gaps else []
    return (" and ".join(faults) or "ok") + (ACCEPTED if is_ok and faults else "")


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
    first, last = int(gap["from"]), as_int(gap["to"])
    if last is None:
        where = f"every tick from seq {first:,} of epoch {gap['epoch']}"
    else:
        count = format_count(last - first + 1, "tick")
        where = f"seqs {first:,} to {last:,} ({count}) of epoch {gap['epoch']}"
    return f"{where}: {gap['reason']}"


def as_int(cell: Any) -> int | None:
    """Return the number in a cell of a frame; None for a missing one."""
    import pandas as pd

    return None if pd.isna(cell) else int(cell)


def _iso(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()


def _problem_object(problem: Problem) -> dict[str, Any]:
    """Return a problem as `--json` prints it."""
    return {
        "kind": problem.kind,
        "unit": problem.unit,
        "count": problem.count,
        "places": [[place.first, place.last, place.about] for place in problem.places],
    }


def _report_object(report: Report, is_ok: bool) -> dict[str, Any]:
    """Return the object that `--json` prints: times as ISO-8601, unknown values as null."""
    gaps = [
        {
            "epoch": gap["epoch"],
            "from": int(gap["from"]),
            "to": as_int(gap["to"]),
            "reason": gap["reason"],
        }
        for gap in report.gaps.to_dict("records")
    ]
    return {
        "file": str(report.path),
        "ok": is_ok,
        "quick": report.is_quick,
        "ticks": report.rows,
        "symbols": report.symbols,
        "only": report.only,
        "start": _iso(report.start),
        "end": _iso(report.end),
        "epochs": report.epochs,
        "columns": report.columns,
        "gaps": gaps,
        "problems": [_problem_object(problem) for problem in report.problems],
        "notes": report.notes,
    }
