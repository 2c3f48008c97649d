"""Parts: bars of some trades, and what several make together."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickerkit.bars.partial import FEW, PartialBars, Trades, aggregate, merge

NAN = float("nan")
LEAST, MOST = -(2**63) + 1, 2**63 - 1


def trades(*ticks: tuple[int, int, float, float], start: int = 0) -> Trades:
    """Return trades of (code, time, price, size)."""
    codes, times, prices, sizes = zip(*ticks, strict=True) if ticks else ((),) * 4
    return Trades(
        start,
        [f"S{n}" for n in range(100)],
        np.array(codes, dtype=np.int8),
        np.array(times, dtype=np.int64),
        np.array(prices, dtype=float),
        np.array(sizes, dtype=float),
    )


def listed(part: PartialBars) -> list[tuple[float, ...]]:
    """Return bars as tuples."""
    return list(zip(*(each.tolist() for each in part), strict=True))


def test_a_part_is_sorted_and_knows_where_its_bars_began() -> None:
    """Bars ascend by code and slot, whatever came when, and name the row of their first trade."""
    part = aggregate(
        trades(
            (1, 25, 5, 1), (0, 12, 7, NAN), (1, 3, 6, 2), (0, 15, NAN, 9), (1, 21, 4, 3), start=7
        ),
        10,
        None,
    )
    assert listed(part) == [
        (0, 1, 8, 7, 7, 7, 7, 0, 1),
        (1, 0, 9, 6, 6, 6, 6, 2, 1),
        (1, 2, 7, 5, 5, 4, 4, 4, 2),
    ]


def test_a_part_is_of_the_symbols_listed() -> None:
    """Ticks of other symbols, and of none, are left out."""
    some = trades((0, 1, 1, 1), (-1, 1, 2, 1), (1, 1, 3, 1))
    chosen = np.array([False, True] + [False] * 99)
    assert [bar[:4] for bar in listed(aggregate(some, 10, chosen))] == [(1, 0, 2, 3)]


def test_no_trades_make_no_bars() -> None:
    """Nothing, or only quotes, give no bars, of the right types."""
    for none in (trades(), trades((0, 1, NAN, 1))):
        part = aggregate(none, 10, None)
        assert listed(part) == []
        assert part.ticks.dtype == np.int64
    assert listed(merge([])) == []


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.one_of(st.integers(0, 3), st.integers(0, 90)),
            st.one_of(st.integers(0, 60), st.integers(LEAST, MOST)),
            st.integers(1, 9),
            st.integers(0, 9),
        ),
        max_size=60,
    ),
    st.lists(st.integers(0, 60), max_size=4),
    st.sampled_from([1, 7, 100]),
)
def test_parts_joined_are_the_part_of_all(
    ticks: list[tuple[int, int, float, float]], cuts: list[int], length: int
) -> None:
    """Wherever trades are cut, the bars are the same; also of times as far apart as can be."""
    at = [0, *sorted(cuts), len(ticks)]
    parts = [aggregate(trades(*ticks[a:b], start=a), length, None) for a, b in pairwise(at)]
    assert listed(merge(parts)) == listed(aggregate(trades(*ticks), length, None))


@pytest.mark.parametrize("symbols", [1, FEW, FEW + 1, FEW + 2])
def test_any_number_of_symbols_is_sorted_alike(symbols: int) -> None:
    """Few symbols are looked for and many are sorted, with the same result."""
    many = [(n % symbols, n, n, 1) for n in range(300)]
    part = aggregate(trades(*many), 1000, None)
    assert part.codes.tolist() == part.row.tolist() == part.open.tolist() == list(range(symbols))
    assert part.close.tolist() == [max(range(code, 300, symbols)) for code in range(symbols)]
