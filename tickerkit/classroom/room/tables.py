"""Tables of a room: its roster, its scores and its journal, as DataFrames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tickerkit.classroom.room.seats import count_passed

__all__ = ["make_journal", "make_roster", "make_scores"]

ROSTER_TYPES = {
    "name": "str",
    "status": "str",
    "client": "str",
    "since": "datetime64[ns, UTC]",
    "drops": "int64",
    "behind": "int64",
    "ping_ms": "float64",
    "passed": "int64",
}
JOURNAL_TYPES = {
    "time": "datetime64[ns, UTC]",
    "address": "str",
    "name": "str",
    "event": "str",
    "code": "Int64",
    "reason": "str",
}
# Events that change the state of a record, and nothing that a reader looks for.
INTERNAL = ("seat", "gone", "kept")


def make_roster(seats: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return the table of `Room.roster`."""
    rows = [{**seat, "passed": count_passed(seat["tasks"])} for seat in seats]
    return _make_table(rows, ROSTER_TYPES)


def make_journal(events: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return the table of `Room.journal`."""
    rows = []
    for event in events:
        if event["event"] not in INTERNAL:
            reason = event.get("reason") or event.get("text") or event.get("before") or ""
            rows.append({**event, "time": event["at"], "reason": reason})
    return _make_table(rows, JOURNAL_TYPES)


def make_scores(seats: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return the table of `Room.scores`: a column for each task that anyone has begun."""
    tasks = sorted({number for seat in seats for number in seat["tasks"]}, key=int)
    rows = [
        {
            "name": seat["name"],
            "passed": count_passed(seat["tasks"]),
            "score": np.nan if seat["score"] is None else seat["score"],
            **{number: seat["tasks"].get(number, {}).get("state", "") for number in tasks},
        }
        for seat in seats
    ]
    types = {"name": "str", "passed": "int64", "score": "float64"}
    table = _make_table(rows, types | dict.fromkeys(tasks, "str"))
    order = table.sort_values(
        ["passed", "score"], ascending=[False, True], kind="stable", na_position="last"
    )
    return order.reset_index(drop=True)


def _make_table(rows: Sequence[Mapping[str, Any]], types: Mapping[str, str]) -> pd.DataFrame:
    columns: dict[str, Any] = {
        name: [_fill(row.get(name), kind) for row in rows] for name, kind in types.items()
    }
    for name, kind in types.items():
        if kind.startswith("datetime"):
            nanoseconds = [int(value * 1e9) for value in columns[name]]
            columns[name] = pd.to_datetime(np.array(nanoseconds, dtype="int64"), utc=True)
    return pd.DataFrame(columns).astype(dict(types))


def _fill(value: Any, kind: str) -> Any:
    """Return a value, and what a column of this kind has in place of none."""
    if value is not None:
        return value
    return {"str": "", "float64": np.nan, "Int64": pd.NA}.get(kind, 0)
