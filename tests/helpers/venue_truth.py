"""Venue truth: compares what was received of a simulated venue with what was traded there."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pandas as pd

from tickerkit.testing import FakeVenue

__all__ = ["Account", "account"]

GAP = re.compile(r"(?P<symbol>\S+) trades (?P<first>\d+)(?: to (?P<last>\d+))? did not come")


@dataclass
class Account:
    """What became of the trades since the first that was received.

    Attributes:
        traded: how many there were.
        received: how many came.
        lost: trades that neither came nor are in a gap, with their symbols.
        doubled: how many came more than once.
        invented: how many came that were not traded.
        false_gaps: trades in a gap that came.
        listed: trades in gaps.
        unknown: how many gaps have an unknown size.
    """

    traded: int
    received: int
    lost: list[tuple[str, int]]
    doubled: int
    invented: int
    false_gaps: list[tuple[str, int]]
    listed: int
    unknown: int

    @property
    def is_exact(self) -> bool:
        """Whether each trade came once, or is in one gap."""
        wrong = (self.lost, self.doubled, self.invented, self.false_gaps)
        return self.received > 0 and not any(wrong)


def account(fake: FakeVenue, frame: pd.DataFrame, gaps: pd.DataFrame) -> Account:
    """Compare what was traded with what came, and with the gaps."""
    result = Account(0, 0, [], 0, 0, [], 0, 0)
    listed: dict[str, set[int]] = {symbol: set() for symbol in fake.trades}
    for reason in gaps["reason"] if len(gaps) else ():
        if (match := GAP.fullmatch(reason)) is None:
            result.unknown += 1
            continue
        first = int(match["first"])
        listed[match["symbol"]] |= set(range(first, int(match["last"] or first) + 1))
    trades = frame[frame["price"].notna()] if "trade_id" in frame else frame.iloc[:0]
    by_symbol = {
        str(name): rows["trade_id"] for name, rows in trades.groupby("symbol", observed=True)
    }
    for symbol, made in list(fake.trades.items()):
        came = by_symbol.get(symbol)
        if came is None:
            continue
        ids = set(came.tolist())
        order = [each.id for each in list(made)]
        real = set(order)
        begin = next((at for at, each in enumerate(order) if each in ids), len(order))
        expected = set(order[begin:])
        missing = expected - ids
        result.traded += len(expected)
        result.received += len(ids)
        result.doubled += len(came) - len(ids)
        result.invented += len(ids - real)
        result.lost += [(symbol, each) for each in sorted(missing - listed[symbol])]
        result.false_gaps += [(symbol, each) for each in sorted(listed[symbol] & ids)]
        result.listed += len(listed[symbol] & missing)
    return result
