"""Roles: which of the values of some rows is their symbol, time, price and so on.

Judged by name and by value: a symbol is text that comes again, a bid is below its ask, a time is a
moment between 2000 and 2100. Each other value becomes a further column, named as in the message.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tickerkit.fieldmaps.fields import WORDS
from tickerkit.fieldmaps.guess.books import find_best
from tickerkit.fieldmaps.guess.candidates import Candidate, squeeze
from tickerkit.fieldmaps.guess.names import (
    ASKS,
    BIDS,
    IDS,
    LIKE_TIME,
    MAKER_FLAGS,
    MARKET_SYMBOLS,
    NO_COLUMNS,
    NO_MEASURE,
    NO_TIME,
    OTHER_SYMBOLS,
    PRICES,
    SIDES,
    SIZES,
    SIZES_OF,
    TICKERS,
    TIMES,
    TRADES,
    WEAK_PRICES,
    rank_name,
)
from tickerkit.fieldmaps.guess.places import ISO, UUID, Place, is_numeric, is_pair, is_whole

__all__ = ["NO_SYMBOL", "Roles", "find_roles"]

# The symbol of rows without one, as of a single sensor.
NO_SYMBOL = {"value": "value"}

SIDE_WORDS = frozenset(("buy", "sell", "b", "s", "bid", "ask", "a"))
# Names that tell little without the name of the object that they are in.
PARTS = ("old", "new", "min", "max", "avg", "mean", "value", "count", "total", "percent", "current")
PARENT = re.compile(r"(?!data|payload|fields)\b(\w+)\.\w+$")
# Fields of a tick that may be the only ones.
NUMBERS = {"size", "bid", "ask", "bid_size", "ask_size"}
# Names that in other feeds are a side, a state or a size.
UNSURE_SYMBOLS = ("s", "S", "code", "contract")
# Whole numbers without a name that are likely ids.
MIN_ID = 10**6
MAX_CATEGORIES = 20
MAX_TEXT = 40
MAX_COLUMNS = 64
MIN_SHARE = 0.8
LAST = 1000


@dataclass(slots=True)
class Roles:
    """How some rows are read.

    Attributes:
        columns: column to entry of a map.
        kind: "trade", "quote", "other", or "" if they are no rows.
        paths: the paths of the columns.
    """

    columns: dict[str, Any] = field(default_factory=dict)
    kind: str = ""
    paths: set[str] = field(default_factory=set)


class _Finder:
    """Finds the roles of the values of some rows."""

    def __init__(self, rows: Sequence[Candidate], topic: Mapping[str, Any] | None) -> None:
        self.rows = rows
        values: dict[str, list[Any]] = {}
        for row in rows:
            for path, value in row.values.items():
                if value is not None and value != "":
                    values.setdefault(path, []).append(value)
        self.places = {path: Place(path, found) for path, found in values.items() if found}
        self.topic = topic
        self.used: set[str] = set()
        self.roles = Roles()

    def best(
        self, names: Sequence[str], places: Iterable[Place], *, row_only: bool = False
    ) -> Place | None:
        """Return the place with the likeliest name; those of the row before those around it."""
        ranked = [
            (place.level, rank, number, place)
            for number, place in enumerate(places)
            if place.path not in self.used
            and (rank := rank_name(place.path, names)) is not None
            and not (row_only and place.level)
        ]
        return min(ranked, key=lambda each: each[:3])[3] if ranked else None

    def take(self, column: str, place: Place | None, entry: Any = None) -> bool:
        """Give a column its place."""
        if place is None:
            return False
        self.used.add(place.path)
        self.roles.paths.add(place.path)
        self.roles.columns[column] = place.path if entry is None else entry
        return True

    def numbers(self) -> list[Place]:
        return [place for place in self.places.values() if place.is_number]

    # --- symbol and time ----------------------------------------------------------------------

    def find_symbol(self) -> bool:
        """Find the symbol; return whether it is one of a market."""
        texts = [place for place in self.places.values() if self._may_be_symbol(place)]
        listed = [each for each in texts if each.is_like_symbol or not each.is_unique]
        market = self.best(MARKET_SYMBOLS, listed)
        if market is not None and market.name in UNSURE_SYMBOLS and _is_side(market):
            market = None
        if market is not None:
            return self.take("symbol", market)
        if self.topic is not None:
            self.roles.columns["symbol"] = dict(self.topic)
            return True
        pairs = [place for place in texts if all(is_pair(each) for each in place.texts)]
        if pairs:
            return self.take("symbol", min(pairs, key=lambda each: each.level))
        others = [place for place in texts if not place.is_unique]
        other = self.best(OTHER_SYMBOLS, others) or self.best(OTHER_SYMBOLS, texts)
        if other is None:
            like = re.compile(r"(name|Name|device|sensor|station|_id|Id|[a-z]ID)$")
            other = next((each for each in others if like.search(each.name)), None)
        if other is None and self.is_positional:
            other = next((each for each in texts if not each.level), None)
        if not self.take("symbol", other):
            self.roles.columns["symbol"] = dict(NO_SYMBOL)
        return False

    def _may_be_symbol(self, place: Place) -> bool:
        return place.is_text and all(
            len(each) <= 64
            and each.isprintable()
            and each.strip()
            and "://" not in each
            and not UUID.fullmatch(each)
            and not ISO.match(each)
            for each in place.texts
        )

    @property
    def is_positional(self) -> bool:
        """Whether the rows are arrays."""
        return any(path.startswith("[") for path in self.places)

    def find_time(self) -> None:
        """Find the time, with its unit."""
        times = [
            place
            for place in self.places.values()
            if (unit := place.unit()) and not (unit != "iso" and place.path in self.used)
        ]
        ranked = [
            (
                *(place.level, rank is None and not _is_moment(place), place.unit() == "s"),
                *(LAST if rank is None else rank, number, place),
            )
            for number, place in enumerate(times)
            if (rank := rank_name(place.path, TIMES)) is not None
            or (
                not NO_TIME.search(place.path)
                and (_is_moment(place) or place.unit() != "s" or not place.name)
            )
        ]
        if ranked:
            place = min(ranked, key=lambda each: each[:5])[5]
            self.take("time", place, f"{place.path}:{place.unit()}")

    # --- markets ------------------------------------------------------------------------------

    def find_quote(self) -> bool:
        """Find bid and ask, and their sizes; return whether there are any."""
        if best := find_best(self.rows):
            self.roles.columns |= best
            self.roles.paths |= set(best.values())
            return True
        numbers = self.numbers()
        bid = self.best(BIDS, numbers, row_only=True)
        ask = self.best(ASKS, numbers, row_only=True)
        if bid is None or ask is None or not self._is_below(bid, ask):
            return False
        self.take("bid", bid)
        self.take("ask", ask)
        for column, price in (("bid_size", bid), ("ask_size", ask)):
            self.take(column, self._size_of(price, column[:3]))
        return True

    def _is_below(self, bid: Place, ask: Place) -> bool:
        """Return whether the bids are below the asks, and near them."""
        given = [(row.values.get(bid.path), row.values.get(ask.path)) for row in self.rows]
        pairs = [(float(b), float(a)) for b, a in given if is_numeric(b) and is_numeric(a)]  # type: ignore[arg-type]
        pairs = [(b, a) for b, a in pairs if b > 0 and a > 0]
        good = sum(b <= a < 3 * b for b, a in pairs)
        return good >= max(1, MIN_SHARE * len(pairs))

    def _size_of(self, price: Place, side: str) -> Place | None:
        head = price.path[: len(price.path) - len(price.name)]
        name = price.name
        if len(name) == 1:
            wanted = [name.upper()]
        elif len(name) == 2 and name.endswith("p"):
            wanted = [f"{name[0]}s", f"{name[0]}z"]
        else:
            core = re.sub(r"(?i)_?(price|px)$", "", name)
            wanted = [f"{squeeze(core)}{each}" for each in SIZES_OF]
        for place in self.numbers():
            if place.path.startswith(head) and place.path not in self.used:
                small = place.name if len(place.name) < 3 else squeeze(place.name)
                if small in wanted:
                    return place
        return None

    def find_trade(self, *, is_market: bool) -> bool:
        """Find price, size, side and id; return whether there is a price."""
        numbers = self.numbers()
        price = self.best(PRICES, numbers, row_only=True)
        if price is None and is_market:
            price = self.best(WEAK_PRICES, numbers, row_only=True)
        if price is None and self.is_positional and "time" in self.roles.columns:
            return self._find_positions(numbers) if is_market else False
        if price is None or not any(each > 0 for each in price.numbers):
            return False
        self.take("price", price)
        self.find_size(self.best(SIZES, numbers, row_only=True))
        self.find_side()
        self.find_id(numbers)
        return True

    def find_size(self, size: Place | None) -> None:
        """Take the size; if it has a sign, that is the side."""
        if size is None:
            return
        if any(each < 0 for each in size.numbers):
            self.take("size", size, {"from": size.path, "abs": True})
            self.roles.columns["side"] = {"from": size.path, "sign": True}
        else:
            self.take("size", size)

    def _find_positions(self, numbers: list[Place]) -> bool:
        """Find price and size of rows that are arrays."""
        left = [each for each in numbers if not each.level and each.path not in self.used]
        measures = [each for each in left if not _is_id(each)]
        if len(measures) < 2:
            return False
        price, size = measures[:2]
        if any(each < 0 for each in price.numbers):
            price, size = size, price
        self.take("price", price)
        self.find_size(size)
        self.find_side()
        for place in left:
            if _is_id(place) and place.path not in self.used:
                self.take("trade_id", place, f"{place.path}:int")
                break
        return True

    def find_side(self) -> None:
        """Find the taker's side: by words, or by a flag that tells whether the buyer waited."""
        if "side" in self.roles.columns:
            return
        sides = [place for place in self.places.values() if place.is_text and _is_side(place)]
        side = self.best(SIDES, sides, row_only=True)
        if side is None and self.is_positional:
            side = next((each for each in sides if not each.level), None)
        if side is not None:
            entry: Any = side.path
            if "productid" in {squeeze(each.name) for each in self.places.values()}:
                # Coinbase alone names its symbols so, and it gives the maker's side.
                words = ("SELL", "BUY") if side.texts[0].isupper() else ("sell", "buy")
                entry = {"from": side.path, "buy": words[0], "sell": words[1]}
            self.take("side", side, entry)
            return
        flags = [
            place
            for place in self.places.values()
            if all(isinstance(each, bool) for each in place.values)
        ]
        flag = self.best(MAKER_FLAGS, flags, row_only=True)
        if flag is not None:
            self.take("side", flag, {"from": flag.path, "buy": False, "sell": True})
            return
        kinds = [each for each in self.numbers() if set(each.values) <= {0, 1}]
        if (kind := self.best(("type",), kinds, row_only=True)) is not None:
            self.take("side", kind, {"from": kind.path, "buy": 0, "sell": 1})

    def find_id(self, numbers: list[Place]) -> None:
        """Find the id of the trade: a whole number, which no time is."""
        ids = [each for each in numbers if each.is_whole]
        place = self.best(IDS, [each for each in ids if each.unit() != "ms"], row_only=True)
        if place is not None:
            self.take("trade_id", place, f"{place.path}:int")

    # --- columns of their own -----------------------------------------------------------------

    def find_others(self, kinds: Iterable[str], *, is_market: bool) -> int:
        """Add a column for each other value of the row; return how many are measurements."""
        measures = 0
        chosen: list[Place] = []
        for place in self.places.values():
            if place.path in self.used or place.path in kinds:
                continue
            is_position = self.is_positional and not place.level and not is_market
            is_time = place.unit() not in (None, "s")
            if (place.level or is_time or not place.name) and not is_position:
                continue
            if _is_repeated(place) or (is_market and not _is_worthy(place)):
                continue
            if place.is_number:
                if _is_id(place) and (is_market or place.name not in ("status", "code")):
                    continue
                measures += not NO_MEASURE.search(place.name) and place.unit() is None
            elif not self._is_category(place, is_market) or self._is_known(place):
                continue
            chosen.append(place)
        names = _name_columns(chosen[:MAX_COLUMNS], set(self.roles.columns), is_market=is_market)
        for name, place in names.items():
            self.take(name, place)
        return measures

    def _is_known(self, place: Place) -> bool:
        """Return whether the values are those of a column already chosen."""
        return any(place.values == self.places[path].values for path in self.used)

    def _is_category(self, place: Place, is_market: bool) -> bool:
        """Return whether a text column is worth having: few short texts, not all the same."""
        values = place.values
        if all(isinstance(each, bool) for each in values):
            return not is_market or len(set(values)) > 1
        if not place.is_text or place.name.startswith("$"):
            return False
        if any(
            len(each) > MAX_TEXT or "://" in each or UUID.fullmatch(each) for each in place.texts
        ):
            return False
        if is_numeric(values[0]):
            return False
        different = len(set(place.texts))
        if is_market:
            return 1 < different <= max(2, min(MAX_CATEGORIES, len(values) // 2))
        return different <= max(MAX_CATEGORIES, len(values) // 2) and not place.is_unique


def _is_side(place: Place) -> bool:
    return all(each.lower() in SIDE_WORDS for each in place.texts)


def _is_id(place: Place) -> bool:
    if place.name:
        return NO_MEASURE.search(place.name) is not None
    return all(is_whole(each) and abs(int(each)) >= MIN_ID for each in place.values)


def _is_moment(place: Place) -> bool:
    return LIKE_TIME.search(place.name) is not None


def _is_repeated(place: Place) -> bool:
    """Return whether a value is that of before, or the moment of something else."""
    if re.search(r"(^|[./_])(old|prev|previous)_?(state|value)", place.path, re.IGNORECASE):
        return True
    return place.unit() is not None and (
        rank_name(place.path, TIMES) is not None or _is_moment(place)
    )


def _is_worthy(place: Place) -> bool:
    """Return whether a further value of a trade or quote is worth a column."""
    if place.path.endswith("]") or place.name.endswith("_str"):
        return False
    is_counter = place.is_whole and len(place.name) == 1 and max(place.numbers, default=0) >= MIN_ID
    return not is_counter and squeeze(place.name) not in NO_COLUMNS


def _name_columns(places: list[Place], taken: set[str], *, is_market: bool) -> dict[str, Place]:
    """Return a name for each column: the last of its path, or more of it where that is taken."""
    reserved = {*WORDS, *taken, "seq", "received", "epoch", "origin"}
    if not is_market:
        reserved -= NUMBERS
    counts: dict[str, int] = {}
    for place in places:
        counts[place.name] = counts.get(place.name, 0) + 1
    named: dict[str, Place] = {}
    for place in places:
        name = place.name
        if position := re.search(r"\[(\d+)\]$", place.path):
            name = f"{name or 'column'}_{position[1]}"
        elif counts[name] > 1:
            name = re.sub(r"\W+", "_", place.path).strip("_")
        elif name.lower() in PARTS and (parent := PARENT.search(place.path)):
            name = f"{parent[1]}_{name}"
        if name in reserved:
            name = "last" if name == "price" and is_market else f"source_{name}"
        if name not in named and name not in taken and len(name) <= 64:
            named[name] = place
    return named


def find_roles(
    rows: Sequence[Candidate], kinds: Mapping[str, str], topic: Mapping[str, Any] | None
) -> Roles:
    """Return how rows of one kind are read.

    Args:
        rows: some of them.
        kinds: the values that tell kinds of messages apart, by path; they become no columns.
        topic: where in the text of a topic the symbol is; None if it has none.
    """
    finder = _Finder(rows, topic)
    is_market = finder.find_symbol()
    finder.find_time()
    # A trade may tell the quote that it met.
    says_trade = any(TRADES.search(each) and not TICKERS.search(each) for each in kinds.values())
    is_quote = not (says_trade and is_market) and finder.find_quote()
    # A quote that repeats the last trade's price is no trade.
    is_trade = not is_quote and finder.find_trade(is_market=is_market)
    roles = finder.roles
    roles.kind = "quote" if is_quote else "trade" if is_trade else "other"
    measures = finder.find_others(kinds, is_market=is_quote or is_trade)
    if roles.kind == "other" and not measures:
        roles.kind = ""
    return roles
