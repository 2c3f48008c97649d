"""guess_fields: makes a field map from the first messages of an unknown websocket."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tickerkit.errors import FieldMapError
from tickerkit.fieldmaps.fields import parse_fields
from tickerkit.fieldmaps.guess.candidates import last_name, squeeze
from tickerkit.fieldmaps.guess.kinds import is_derived
from tickerkit.fieldmaps.guess.roles import Roles
from tickerkit.fieldmaps.guess.tables import find_tables, merge_tables
from tickerkit.fieldmaps.guess.writing import write_table
from tickerkit.fieldmaps.reader import FieldReader, NotJson, decode

__all__ = ["guess_fields"]

# Messages that are looked at. More do not change the guess, but take longer.
MAX_MESSAGES = 500
MAX_BYTES = 2**20


def guess_fields(messages: Sequence[str | bytes]) -> dict[str, Any] | list[dict[str, Any]] | None:
    """Guess a field map from some messages of a websocket, such as its first hundred.

    Skipped are: text that is not JSON, answers to requests, heartbeats, and order books that are
    sent as changes. In a feed with prices only trades and quotes are rows. In any other each number
    becomes a column, and each text that may be a category.

    Returns:
        The map, as `parse_fields` reads it; None if no row was found.

    Example:
        >>> guess_fields(['{"sensor": "kitchen", "temperature": 21.5, "ts": 1786310819}'])
        {'symbol': 'sensor', 'time': 'ts:s', 'temperature': 'temperature'}
    """
    looked_at = [*_select(messages)]
    decoded = [each for each in map(decode, looked_at) if not isinstance(each, NotJson)]
    tables, others = find_tables(decoded)
    tables = merge_tables(tables)
    if any(table.is_market for table in tables):
        others += [table for table in tables if not table.is_market]
        tables = [table for table in tables if table.is_market]
        plain = [table for table in tables if not any(map(is_derived, table.kinds))]
        if plain:
            others += [table for table in tables if table not in plain]
            tables = plain
    else:
        tables = sorted(tables, key=lambda each: len(each.found), reverse=True)[:1]
    if not any(table.roles.kind == "trade" for table in tables):
        for table in tables:
            _price_quotes(table.roles)
    written = [
        each
        for table in tables
        for each in write_table(table, [each for each in (*tables, *others) if each is not table])
    ]
    good = [table for table in written if _reads(table, looked_at)]
    if not good:
        return None
    return good[0] if len(good) == 1 else good


def _select(messages: Sequence[str | bytes]) -> Iterator[str | bytes]:
    """Yield the messages that are looked at."""
    left = MAX_BYTES
    for data in messages[:MAX_MESSAGES]:
        if len(data) <= left:
            left -= len(data)
            yield data


def _price_quotes(roles: Roles) -> None:
    """Let quotes have a price where there are no trades, if the feed calls it so."""
    path = roles.columns.get("last")
    if isinstance(path, str) and squeeze(last_name(path)) == "price":
        roles.columns["price"] = roles.columns.pop("last")


def _reads(table: dict[str, Any], messages: Sequence[str | bytes]) -> bool:
    """Return whether a table reads more rows than it refuses."""
    try:
        reader = FieldReader(parse_fields(table), typed=False)
    except FieldMapError:
        return False
    taken = reader.read(messages)
    count = sum(batch.count for batch in taken.batches)
    return count > sum(batch.refused for batch in taken.batches)
