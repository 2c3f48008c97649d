"""Tables: the kinds of rows in some messages, each with how it is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tickerkit.fieldmaps.fields import FIELDS
from tickerkit.fieldmaps.guess.candidates import Candidate, find_candidates
from tickerkit.fieldmaps.guess.kinds import (
    Kinds,
    cut_symbol,
    find_frequent,
    is_phase,
    is_talk,
    read_kinds,
)
from tickerkit.fieldmaps.guess.roles import Roles, find_roles

__all__ = ["Table", "find_tables", "merge_tables"]

# Rows of one kind that are looked at.
MAX_ROWS = 100
MAX_KINDS = 100


@dataclass(slots=True)
class Table:
    """A kind of row, and how it is read.

    Attributes:
        rows: the path to the rows; None for the message itself.
        kinds: the values that tell this kind from others, of each kind that was merged into it.
        found: some of the rows.
        roles: how they are read.
    """

    rows: str | None
    kinds: list[Kinds]
    found: list[Candidate]
    roles: Roles

    @property
    def is_market(self) -> bool:
        """Whether the rows are trades or quotes."""
        return self.roles.kind in ("trade", "quote")


def find_tables(messages: Sequence[Any]) -> tuple[list[Table], list[Table]]:
    """Return the kinds of rows in some messages, and those kinds that are no rows."""
    found = [find_candidates(message) for message in messages]
    skipped = {
        rows: find_frequent([each for places in found for each in places.get(rows, ())])
        for rows in dict.fromkeys(rows for places in found for rows in places)
    }
    # By what the message itself says; then by the place of the rows; then by what they say.
    groups: dict[tuple[Any, ...], dict[str | None, dict[tuple[Any, ...], list[Candidate]]]] = {}
    for places in found:
        whole = places.get(None)
        kinds = read_kinds(whole[0], skipped[None]) if whole else {}
        group = groups.setdefault(tuple(kinds.items()), {})
        if len(groups) > MAX_KINDS:
            break
        for rows, candidates in places.items():
            for candidate in candidates:
                key = tuple(read_kinds(candidate, skipped[rows]).items())
                listed = group.setdefault(rows, {}).setdefault(key, [])
                if len(listed) < MAX_ROWS:
                    listed.append(candidate)
    tables: list[Table] = []
    others: list[Table] = []
    for group in groups.values():
        best: list[Table] = []
        for rows, by_kind in group.items():
            here = [
                table
                for kinds, candidates in by_kind.items()
                for table in _divide(rows, dict(kinds), candidates)
            ]
            good = [table for table in here if table.roles.kind]
            others += [table for table in here if not table.roles.kind]
            if _score(good) > _score(best):
                best, good = good, best
            others += good
        tables += best
    return tables, others


def _divide(rows: str | None, kinds: Kinds, found: list[Candidate]) -> list[Table]:
    """Return the tables of rows of one place and kind.

    Where nothing tells kinds apart, the names of the fields do: Gemini's trades and quotes.
    """
    if any(is_talk(path, kind) for path, kind in kinds.items()):
        return [Table(rows, [kinds], found, Roles())]
    topic = cut_symbol(found)
    whole = Table(rows, [kinds], found, find_roles(found, kinds, topic))
    if kinds:
        return [whole]
    by_keys: dict[frozenset[str], list[Candidate]] = {}
    for candidate in found:
        by_keys.setdefault(frozenset(candidate.values), []).append(candidate)
    if not 1 < len(by_keys) <= MAX_KINDS:
        return [whole]
    by_role: dict[str, list[Candidate]] = {}
    for some in by_keys.values():
        by_role.setdefault(find_roles(some, {}, topic).kind, []).extend(some)
    if not by_role.keys() & {"trade", "quote"}:
        return [whole]
    return [Table(rows, [kinds], some, find_roles(some, {}, topic)) for some in by_role.values()]


def _score(tables: Sequence[Table]) -> tuple[int, int, int]:
    """Return how likely it is that the rows are at one place rather than at another."""
    return (
        sum(table.is_market for table in tables),
        max((len(table.roles.columns) for table in tables), default=0),
        max((isinstance(table.roles.columns["symbol"], str) for table in tables), default=0),
    )


def merge_tables(tables: list[Table]) -> list[Table]:
    """Merge the tables that are read in the same way."""
    merged: list[Table] = []
    for table in tables:
        for known in merged:
            if known.rows == table.rows and _is_same(known, table):
                found = known.found + table.found
                topic = cut_symbol(found)
                # Of a sensor the kind may be worth a column.
                kinds = {} if known.roles.kind == "other" else known.kinds[0]
                roles = find_roles(found, kinds, topic)
                if roles.kind == known.roles.kind:
                    known.kinds += table.kinds
                    known.found, known.roles = found, roles
                    break
        else:
            merged.append(table)
    return merged


def _is_same(a: Table, b: Table) -> bool:
    if a.roles.kind != b.roles.kind:
        return False
    if a.roles.kind == "other":
        return bool(a.roles.columns["symbol"] == b.roles.columns["symbol"])
    differ = {
        path for path in (*a.kinds[0], *b.kinds[0]) if a.kinds[0].get(path) != b.kinds[0].get(path)
    }
    if differ and not all(
        is_phase(a.kinds[0].get(path, "")) or is_phase(b.kinds[0].get(path, "")) for path in differ
    ):
        return False
    ours, theirs = a.roles.columns, b.roles.columns
    return all(
        ours.get(name) == theirs.get(name) or not (name in ours and name in theirs)
        for name in FIELDS
    )
