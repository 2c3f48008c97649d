"""Kinds: what tells the kinds of messages of a feed apart."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

from tickerkit.fieldmaps.guess.candidates import Candidate, last_name, squeeze
from tickerkit.fieldmaps.guess.places import is_pair
from tickerkit.ticks.numbers import is_number

__all__ = [
    "Kinds",
    "cut_symbol",
    "find_frequent",
    "is_change",
    "is_derived",
    "is_old",
    "is_phase",
    "is_talk",
    "rank_kind",
    "read_kinds",
]

# Names of values that tell one kind of message from another, the best first.
KIND_KEYS = (
    *("e", "ev", "channel", "topic", "T", "event", "type", "subject", "ch", "channelname"),
    *("action", "op", "method", "msgtype", "messagetype", "kind", "table", "feed", "eventtype"),
)
TOPIC_KEYS = ("topic", "stream", "channel", "ch", "subject", "table", "feed")
# Kinds of messages that are answers and signs of life.
TALK = re.compile(
    r"subscri(?!ption$)|^subscription$|heartbeat|welcome|systemstatus|success|connected|shutdown|reject"
    r"|^(ack|ping|pong|hb|info|conf|status|error|err|auth|authenticated|login|notice|hello)$",
    re.IGNORECASE,
)
# Kinds that repeat what trades and quotes say, or say something else by the same names.
NO_TRADES = re.compile(
    r"mark(?!et)|index|funding|liquid|force|kline|candle|ohlc|mini|auction", re.I
)
# A value that tells old rows from live ones, or whole rows from changed ones.
OLD = re.compile(r"snapshot|partial|^last_", re.IGNORECASE)
CHANGES = re.compile(r"delta", re.IGNORECASE)
PHASES = re.compile(r"snapshot|partial|delta|update|insert|realtime|^last_", re.IGNORECASE)
WORD = re.compile(r"[A-Za-z0-9!/][\w./:@|\- ]{0,47}")

MAX_VALUES = 15
MIN_VALUES = 10

# Path to the value there, which ends in `*` if more text follows that is not the same.
Kinds: TypeAlias = dict[str, str]


class _Topic(NamedTuple):
    """A text that tells a kind of message, and perhaps a symbol.

    Attributes:
        kind: the kind; it ends in `*` where more text follows; empty for none.
        symbol: how the symbol is cut out of the text; None if it holds none.
    """

    kind: str
    symbol: dict[str, str] | None


def _read_topic(name: str, text: str) -> _Topic:
    """Return the kind of message, and how a symbol is cut out of a text that tells both."""
    if not WORD.fullmatch(text) or is_number(text) or is_pair(text):
        return _Topic("", None)
    if name not in TOPIC_KEYS:
        return _Topic(text, None)
    if "@" in text:
        head = text.partition("@")[0]
        return _Topic("", {"before": "@"} if head.isalnum() else None)
    for separator in (":", ".", "_", "|"):
        parts = text.split(separator)
        for number, part in enumerate(parts[1:], 1):
            tail = separator.join(parts[number:])
            if is_pair(tail) or is_pair(part) or (separator == ":" and number == len(parts) - 1):
                head = separator.join(parts[:number]) + separator
                cut = {"after": head}
                if number < len(parts) - 1 and not is_pair(tail):
                    cut["before"] = separator
                return _Topic(f"{head}*", cut)
    return _Topic("" if "/" in text else text, None)


def read_kinds(candidate: Candidate, skipped: Iterable[str] = ()) -> Kinds:
    """Return the values of a row, and around it, that tell its kind."""
    kinds: Kinds = {}
    for path, value in candidate.values.items():
        if not isinstance(value, str) or path in skipped or path.count(".") > 1:
            continue
        name = last_name(path)
        small = name if len(name) == 1 else squeeze(name)
        is_position = not name and path.lstrip("/^").startswith("[") and value.islower()
        if (small in KIND_KEYS and name != "t") or (is_position and len(value) > 1):
            kind = _read_topic(small, value).kind
            if kind:
                kinds[path] = kind
    return kinds


def cut_symbol(rows: Sequence[Candidate]) -> dict[str, str] | None:
    """Return where the symbol is in the topic of some rows; None if they have none."""
    for path in rows[0].values:
        if (small := squeeze(last_name(path))) in TOPIC_KEYS and path.count(".") < 2:
            texts = [row.values.get(path) for row in rows]
            cuts = {
                tuple(cut.items()) if (cut := _read_topic(small, text).symbol) else None
                for text in texts
                if isinstance(text, str)
            }
            if len(cuts) == 1 and (only := cuts.pop()) is not None:
                return {"from": path, **dict(only)}
    return None


def find_frequent(candidates: Sequence[Candidate]) -> set[str]:
    """Return the paths whose values are too many to be kinds of messages."""
    values: dict[str, list[str]] = {}
    for candidate in candidates:
        for path, value in read_kinds(candidate).items():
            values.setdefault(path, []).append(value)
    return {
        path
        for path, found in values.items()
        if len(set(found)) > MAX_VALUES
        or (len(found) >= MIN_VALUES and len(set(found)) > len(found) / 2)
    }


def is_talk(path: str, kind: str) -> bool:
    """Return whether a kind of message is an answer or a sign of life.

    The rows of JSON-RPC come as `{"method": "subscription", "params": ...}`.
    """
    return TALK.search(kind) is not None and not path.endswith("method")


def is_phase(kind: str) -> bool:
    """Return whether a value marks rows as old or live, or as whole or changed."""
    return PHASES.search(kind) is not None


def is_old(kind: str) -> bool:
    """Return whether a value marks rows from before the subscription."""
    return OLD.search(kind) is not None


def is_change(kind: str) -> bool:
    """Return whether a value marks rows that have only the fields that changed."""
    return CHANGES.search(kind) is not None


def is_derived(kinds: Kinds) -> bool:
    """Return whether the rows are not trades and quotes but made from them, such as candles."""
    return any(NO_TRADES.search(kind) for kind in kinds.values())


def rank_kind(path: str) -> int:
    """Return how well a path tells kinds apart by its name; 0 for the best."""
    name = last_name(path)
    small = name if len(name) == 1 else squeeze(name)
    return KIND_KEYS.index(small) if small in KIND_KEYS else len(KIND_KEYS)
