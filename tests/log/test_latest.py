"""Latest: the newest value of each field, for each symbol."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from soaks import examples

from tickerkit.limits import MAX_DICTIONARY_BYTES
from tickerkit.log import Latest, TickLog
from tickerkit.ticks import read_ticks

# However slow the machine is.
SETTINGS = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def append(log: TickLog, *ticks: dict[str, Any], **more: Any) -> None:
    """Append ticks received at 0."""
    log.append(read_ticks(ticks), received=0, **more)


def table(latest: Latest) -> dict[str, dict[str, object]]:
    """Return the values of each symbol, without the empty ones."""
    frame = latest.frame()
    return {
        str(symbol): {name: row[name] for name in frame.columns if not pd.isna(row[name])}
        for symbol, row in frame.iterrows()
    }


def test_quotes_and_trades_complement_each_other() -> None:
    """After a quote the price is still the last trade's, after a trade the bid the last quote's."""
    log = TickLog(epoch="e")
    latest = Latest(log)
    append(log, {"s": "A", "p": 1, "size": 5}, {"s": "A", "bid": 2, "time": 9}, {"s": "B", "p": 3})
    assert latest.update()
    append(log, {"s": "A", "p": 4, "side": "b"}, {"s": "A", "ask": 6})
    assert latest.update()
    values = table(latest)
    assert list(values) == ["A", "B"]
    assert values["B"]["price"] == 3
    row = values["A"]
    assert {name: row[name] for name in ("seq", "price", "size", "bid", "ask", "side")} == {
        "seq": 5,
        "price": 4,
        "size": 5,
        "bid": 2,
        "ask": 6,
        "side": "b",
    }


def test_frame_has_the_columns_of_the_log() -> None:
    """There is one row for each symbol, by symbol, with the log's columns and types."""
    log = TickLog()
    latest = Latest(log)
    append(log, {"s": "A", "p": 1, "bid": 2, "side": "b"})
    latest.update()
    frame = latest.frame()
    assert list(frame.columns) == list(log.frame().columns)
    assert list(frame.index) == ["A"]
    for name, column in log.frame().items():
        if name in ("symbol", "epoch", "side"):
            assert isinstance(frame[name].dtype, pd.CategoricalDtype)
        else:
            assert frame[name].dtype == column.dtype
    assert frame.loc["A", "symbol"] == "A"


def test_frame_before_the_first_tick_has_all_columns() -> None:
    """Before the first tick the frame has no rows, but every column with its type."""
    log = TickLog()
    frame = Latest(log).frame()
    assert len(frame) == 0
    empty = log.frame()
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == {
        name: str(dtype) for name, dtype in empty.dtypes.items()
    }


def test_update_returns_whether_ticks_were_new() -> None:
    """An update without new ticks returns False."""
    log = TickLog()
    latest = Latest(log)
    assert not latest.update()
    append(log, {"s": "A", "p": 1})
    assert latest.update()
    assert not latest.update()


def test_frame_has_the_values_of_the_last_update() -> None:
    """Ticks since the last update are not in the frame."""
    log = TickLog()
    latest = Latest(log)
    append(log, {"s": "A", "p": 1})
    latest.update()
    append(log, {"s": "B", "p": 2, "bid": 3, "side": "b"})
    frame = latest.frame()
    assert list(frame.index) == ["A"]
    assert "bid" not in frame.columns
    latest.update()
    assert list(latest.frame().index) == ["A", "B"]


def test_ticks_from_before_count() -> None:
    """The ticks that the log held when `Latest` was made count; those dropped unread don't."""
    log = TickLog(keep=2)
    append(log, {"s": "A", "p": 1}, {"s": "B", "p": 2}, {"s": "C", "p": 3})
    latest = Latest(log)
    latest.update()
    assert {symbol: row["price"] for symbol, row in table(latest).items()} == {"B": 2, "C": 3}
    append(log, *({"s": "D", "p": n} for n in range(5)), {"s": "E", "p": 9})
    latest.update()
    assert {symbol: row["price"] for symbol, row in table(latest).items()} == {
        "B": 2,
        "C": 3,
        "D": 4,
        "E": 9,
    }


def test_values_outlive_their_epoch() -> None:
    """Values outlive their epoch; a symbol's seq and epoch are those of its newest tick."""
    log = TickLog(epoch="one")
    latest = Latest(log)
    append(log, {"s": "A", "p": 1}, {"s": "B", "p": 2})
    append(log, {"s": "A", "bid": 3}, epoch="two", seq=np.array([7]))
    latest.update()
    values = table(latest)
    assert (values["A"]["epoch"], values["A"]["seq"], values["A"]["price"]) == ("two", 7, 1)
    assert (values["B"]["epoch"], values["B"]["seq"]) == ("one", 2)


def test_thousand_symbols_have_values() -> None:
    """A thousand symbols may come in several updates."""
    log = TickLog()
    latest = Latest(log)
    for start in range(0, 1000, 37):
        append(log, *({"s": f"S{n}", "p": n} for n in range(start, min(start + 37, 1000))))
        latest.update()
    assert latest.frame()["price"].tolist() == list(range(1000))
    assert latest.codes().tolist() == list(range(1000))


TICK = st.fixed_dictionaries(
    {"symbol": st.sampled_from("ABCDE"), "price": st.integers(0, 9).map(float)},
    optional={"bid": st.sampled_from([None, 1.0, 2.0]), "side": st.sampled_from([None, "b", "s"])},
)


@settings(SETTINGS, max_examples=examples(100))
@given(st.lists(st.tuples(st.lists(TICK, min_size=1, max_size=6), st.booleans()), max_size=12))
def test_updates_in_any_steps_give_the_newest_values(steps: list[Any]) -> None:
    """However ticks are batched and updates timed, each field has its newest value."""
    log = TickLog()
    latest = Latest(log)
    newest: dict[str, dict[str, object]] = {}
    for batch, fold in steps:
        append(log, *batch)
        for tick in batch:
            present = {name: value for name, value in tick.items() if value is not None}
            newest.setdefault(tick["symbol"], {}).update(present)
        if fold:
            latest.update()
    latest.update()
    found = {
        symbol: {name: row[name] for name in ("symbol", "price", "bid", "side") if name in row}
        for symbol, row in table(latest).items()
    }
    assert found == newest


def test_values_so_far_take_the_type_that_their_column_got() -> None:
    """A column of numbers becomes int64, and one of text gives up its dictionary."""
    big = 2**53 + 1
    log = TickLog(epoch="e")
    latest = Latest(log)
    append(log, {"s": "A", "p": 1, "id": 7, "note": "x"}, {"s": "B", "p": 2, "note": "y"})
    latest.update()
    words = MAX_DICTIONARY_BYTES // 4000 + 1
    append(log, *({"s": "C", "p": 1, "id": big, "note": f"{n:04}" * 1000} for n in range(words)))
    latest.update()
    values = table(latest)
    assert (values["A"]["id"], values["C"]["id"]) == (7, big)
    assert (values["A"]["note"], values["B"]["note"]) == ("x", "y")
    append(log, {"s": "D", "p": 1})
    latest.update()
    assert "note" not in table(latest)["D"]
