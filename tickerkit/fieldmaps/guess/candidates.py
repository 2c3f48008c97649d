"""Candidates: where in unknown messages rows may lie, and each row with its context as one table.

For the guess of a field map. A row is the message itself or an item of a list in it. What belongs
to a row lies in it, in the list's item around it (`^`) or in the message (`/`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from tickerkit.errors import FieldMapError
from tickerkit.fieldmaps.paths import parse_path

__all__ = ["Candidate", "find_candidates", "is_name", "last_name", "squeeze"]

MAX_DEPTH = 5
MAX_FIELDS = 300
MAX_LISTS = 12
MAX_ROWS = 100
MAX_POSITIONS = 24
MAX_NUMBERS = 4

SPECIAL = re.compile(r"[\s.\[\]/^:]")
LAST_NAME = re.compile(r'(?:^|[./^])(?:"([^"]+)"|([^\s.\[\]"/^:]+))(?:\[\d+\])*$')
# Lists of price levels: of an order book, the best one first.
BIDS = ("bids", "bid", "b")
ASKS = ("asks", "ask", "a", "offers")
BOTH_SIDES = ("bbo",)
BOOK = re.compile(r"units$|book$|depth$|levels$")
# Lists of what has happened to a book, or of no interest: their items are no rows.
NO_ROWS = (*BIDS, *ASKS, *BOTH_SIDES, "changes", "conditions", "c", "channels", "args", "users")


@dataclass(slots=True)
class Candidate:
    """A row of a message, with what is around it.

    Attributes:
        rows: the path to the list that it is an item of; None for the message itself.
        values: path to value, of what is neither an object nor a list.
        books: `bid` and `ask` to the path and value of the levels of a book, or of its best level.
    """

    rows: str | None
    values: dict[str, Any] = field(default_factory=dict)
    books: dict[str, tuple[str, Any]] = field(default_factory=dict)


def squeeze(name: str) -> str:
    """Return a name as it is compared: `best_bid`, `bestBid` and `Best-Bid` are the same."""
    return re.sub(r"[_\-\s]", "", name).lower()


def last_name(path: str) -> str:
    """Return the name at the end of a path, without positions; empty if it has none."""
    found = LAST_NAME.search(path)
    return (found[1] or found[2]) if found else ""


def is_name(key: Any) -> bool:
    """Return whether a key of an object can be a step of a path."""
    return isinstance(key, str) and 0 < len(key) <= 64 and '"' not in key and key.isprintable()


def find_candidates(message: Any) -> dict[str | None, list[Candidate]]:
    """Return the candidate rows of a decoded message, by the path to their list."""
    found: dict[str | None, list[Candidate]] = {}
    if isinstance(message, dict) or (message and _is_mixed(message)):
        whole = Candidate(None)
        _flatten(message, "", whole, 0)
        found[None] = [whole]
    for path in [*_find_lists(message, "", 0)][:MAX_LISTS]:
        rows = [*_read_rows(message, path)]
        if rows:
            found[path] = rows
    return found


def _is_mixed(value: Any) -> bool:
    """Return whether a list is one row by its positions, rather than a list of rows."""
    if not isinstance(value, list):
        return False
    return any(not isinstance(item, dict | list) for item in value)


def _join(path: str, key: str) -> str:
    name = f'"{key}"' if SPECIAL.search(key) else key
    return f"{path}.{name}" if path and path[-1] not in "/^" else path + name


def _find_lists(value: Any, path: str, depth: int) -> Iterator[str]:
    """Yield the paths of lists whose items may be rows."""
    if depth > MAX_DEPTH:
        return
    if isinstance(value, dict):
        for key, item in islice(value.items(), MAX_FIELDS):
            if not is_name(key):
                continue
            small = squeeze(key)
            if isinstance(item, dict) or (
                isinstance(item, list) and small not in NO_ROWS and not BOOK.search(small)
            ):
                yield from _find_lists(item, _join(path, key), depth + 1)
    elif isinstance(value, list) and value:
        if all(isinstance(item, dict) for item in value):
            yield f"{path}[]"
            yield from dict.fromkeys(
                each for item in value[:3] for each in _find_lists(item, f"{path}[]", depth + 1)
            )
        elif all(isinstance(item, list) and _is_mixed(item) for item in value):
            yield f"{path}[]"
        elif _is_mixed(value):
            for number, item in enumerate(value[:MAX_POSITIONS]):
                if isinstance(item, list | dict):
                    yield from _find_lists(item, f"{path}[{number}]", depth + 1)


def _read_rows(message: Any, path: str) -> Iterator[Candidate]:
    try:
        chains = parse_path("rows", path, is_rows=True).walk(message) or []
    except FieldMapError:
        return
    for chain in chains[:MAX_ROWS]:
        row = Candidate(path)
        _flatten(chain[-1], "", row, 0)
        for up, around in enumerate(chain[-2:0:-1], 1):
            _flatten(around, "^" * up, row, 1, lists=False)
        _flatten(message, "/", row, 1, lists=False)
        yield row


def _flatten(value: Any, path: str, into: Candidate, depth: int, *, lists: bool = True) -> None:
    """Add what an object or a list holds to a candidate."""
    if depth > MAX_DEPTH or len(into.values) > MAX_FIELDS:
        return
    if isinstance(value, dict):
        for key, item in islice(value.items(), MAX_FIELDS):
            if not is_name(key):
                continue
            inner = _join(path, key)
            if isinstance(item, dict):
                _flatten(item, inner, into, depth + 1, lists=lists)
            elif not isinstance(item, list):
                into.values[inner] = item
            elif lists:
                _flatten_list(squeeze(key), item, inner, into, depth)
    elif isinstance(value, list) and _is_mixed(value):
        for number, item in enumerate(value[:MAX_POSITIONS]):
            if isinstance(item, dict | list):
                if lists:
                    _flatten(item, f"{path}[{number}]", into, depth + 1)
            else:
                into.values[f"{path}[{number}]"] = item


def _flatten_list(name: str, items: list[Any], path: str, into: Candidate, depth: int) -> None:
    """Add what a list below a name holds: the best levels of a book, or a few numbers."""
    if name in BIDS or name in ASKS:
        into.books["bid" if name in BIDS else "ask"] = (path, items)
    elif name in BOTH_SIDES and len(items) == 2:
        into.books["bid"] = (f"{path}[0]", items[0])
        into.books["ask"] = (f"{path}[1]", items[1])
    elif BOOK.search(name) and items and isinstance(items[0], dict):
        _flatten(items[0], f"{path}[0]", into, depth + 1)
    elif 1 < len(items) <= MAX_NUMBERS and all(type(each) in (int, float) for each in items):
        for number, item in enumerate(items):
            into.values[f"{path}[{number}]"] = item
