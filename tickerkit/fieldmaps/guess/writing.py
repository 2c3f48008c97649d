"""Writing: a table of the guess as it stands in a field map."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from itertools import combinations
from typing import Any

from tickerkit.fieldmaps.fields import FIELDS, NEAR, WORDS
from tickerkit.fieldmaps.guess.kinds import Kinds, is_change, is_old, is_phase, rank_kind
from tickerkit.fieldmaps.guess.tables import Table

__all__ = ["write_table"]

# Rows of another kind that a table is tried on.
MAX_TRIED = 20


def write_table(table: Table, others: Sequence[Table]) -> list[dict[str, Any]]:
    """Return a table as it stands in a map; several if one can't have all its conditions."""
    conditions = _conditions(table, others)
    old, merge = _old(table)
    columns = table.roles.columns
    written: dict[str, Any] = {}
    if table.rows is not None:
        written["rows"] = table.rows
    if old:
        written["old"] = old
    if merge:
        written["merge"] = True
    for name in (*FIELDS, *(each for each in columns if each not in FIELDS)):
        if name in columns:
            entry = columns[name]
            near = name not in WORDS and get_close_matches(name, WORDS, 1, NEAR)
            written[name] = {"from": entry} if near and isinstance(entry, str) else entry
    tables = []
    for when in conditions:
        first = {key: written[key] for key in ("rows",) if key in written}
        rest = {key: value for key, value in written.items() if key not in first}
        tables.append({**first, **({"when": when} if when else {}), **rest})
    return tables


def _conditions(table: Table, others: Sequence[Table]) -> list[dict[str, Any]]:
    """Return what must hold for the rows of a table; of several, one of them."""
    rivals = [each for each in others if each is not table and _would_match(table, each)]
    paths = [
        path
        for path in dict.fromkeys(path for kinds in table.kinds for path in kinds)
        if all(path in kinds for kinds in table.kinds)
    ]
    paths.sort(key=rank_kind)
    certain = [path for path in paths if not all(is_phase(k[path]) for k in table.kinds)]
    if not rivals and not (table.is_market and certain):
        return [{}]
    choices = [(path,) for path in (*certain, *paths)] + [*combinations(paths, 2)]
    # With conditions, a row needs none of the columns: they must hold for no other kind.
    around = [each for each in others if each.rows == table.rows and each.kinds != table.kinds]
    for those in (around, rivals):
        for chosen in choices:
            mine = {tuple(kinds[path] for path in chosen) for kinds in table.kinds}
            theirs = {
                tuple(kinds.get(path, "") for path in chosen)
                for each in those
                for kinds in each.kinds
            }
            if not mine & theirs:
                return _spell(chosen, table.kinds)
    for path in dict.fromkeys(path for each in rivals for kinds in each.kinds for path in kinds):
        if not any(path in kinds for kinds in table.kinds) and all(
            path in kinds for each in rivals for kinds in each.kinds
        ):
            return [{path: {"present": False}}]
    for path in table.roles.paths:
        if all(path in row.values for row in table.found) and not any(
            path in row.values for each in rivals for row in each.found
        ):
            return [{path: {"present": True}}]
    return [{}]


def _spell(paths: Sequence[str], kinds: Sequence[Kinds]) -> list[dict[str, Any]]:
    """Return conditions for the values of some paths."""
    combined = [*dict.fromkeys(tuple(each[path] for path in paths) for each in kinds)]
    if len(paths) == 1 and not any(values[0].endswith("*") for values in combined):
        values = [each[0] for each in combined]
        return [{paths[0]: values[0] if len(values) == 1 else values}]
    return [dict(zip(paths, values, strict=True)) for values in combined]


def _would_match(table: Table, other: Table) -> bool:
    """Return whether the map of a table, without conditions, names rows of another."""
    if table.rows != other.rows:
        return False
    symbol = table.roles.columns["symbol"]
    path = symbol if isinstance(symbol, str) else symbol.get("from")
    values = table.roles.paths - {path}
    times = {str(table.roles.columns.get("time", "")).rpartition(":")[0]}
    for row in other.found[:MAX_TRIED]:
        has = {*row.values, *(_first_step(path) for path, _ in row.books.values())}
        if (path is None or path in row.values) and any(
            each in has or _first_step(each) in has for each in values - times
        ):
            return True
    return False


def _first_step(path: str) -> str:
    return path.partition("[")[0]


def _old(table: Table) -> tuple[dict[str, Any], bool]:
    """Return the condition of old rows, and whether later rows have only what has changed."""
    paths = {path for kinds in table.kinds for path in kinds}
    for path in sorted(paths, key=rank_kind, reverse=True):
        found = {kinds.get(path, "") for kinds in table.kinds}
        old = sorted(each for each in found if is_old(each))
        live = found - set(old)
        if not old or not live:
            continue
        if any(is_change(each) for each in live):
            return {}, table.roles.kind == "quote"
        return {path: old[0] if len(old) == 1 else old}, False
    return {}, False
