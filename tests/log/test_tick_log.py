"""TickLog: bounded, append-only, read at any moment without a copy, unchanged by readers."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from soaks import examples

from tickerkit.errors import InvalidArgument
from tickerkit.limits import (
    MAX_COLUMNS,
    MAX_DICTIONARY_BYTES,
    MAX_MISFIT_NAMES,
    MAX_TEXT_LENGTH,
    MAX_WORDS,
)
from tickerkit.log import Latest, Position, Rows, TickLog
from tickerkit.log import columns as columns_module
from tickerkit.log import compaction as compaction_module
from tickerkit.log import free_text as free_text_module
from tickerkit.log import shared_frames as frames_module
from tickerkit.log.rows import Snapshot
from tickerkit.ticks import NS_PER_S as NS
from tickerkit.ticks import UTC_NS, Batch, Text, is_number, number_text, read_ticks

# However slow the machine is.
SETTINGS = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def ticks(start: int, count: int, symbol: str = "A", **more: object) -> Batch:
    """Return ticks whose price is their number and whose time is that many seconds."""
    return read_ticks(
        [
            {"symbol": symbol, "price": n, "size": 1, "time": n, **more}
            for n in range(start, start + count)
        ]
    )


def filled(count: int, keep: int = 1000, batch: int = 50) -> TickLog:
    """Return a log to which `count` ticks were appended, with prices from 0."""
    log = TickLog(keep)
    more(log, count, batch)
    return log


def more(log: TickLog, count: int, batch: int = 50) -> None:
    """Append `count` further ticks, each with its row's number as its price."""
    for start in range(log.stop, log.stop + count, batch):
        size = min(batch, log.stop + count - start)
        log.append(ticks(start, size), received=start)


def memory(frame: pd.DataFrame, name: str) -> np.ndarray[Any, Any]:
    """Return the array that a column of a frame lies in."""
    column = frame[name]
    if isinstance(column.dtype, pd.CategoricalDtype):
        return np.asarray(column.array.codes)  # type: ignore[union-attr]
    if column.dtype == UTC_NS:
        return np.asarray(column.array.asi8)  # type: ignore[union-attr]
    return np.asarray(column.to_numpy())


def write_everywhere(frame: pd.DataFrame) -> None:
    """Write to each column of a frame, in place, as an analyst would."""
    for name in frame.columns:
        other = frame[name].iloc[-1]
        if isinstance(frame[name].dtype, pd.CategoricalDtype):
            other = frame[name].cat.categories[-1]
        elif frame[name].dtype == UTC_NS:
            other = pd.Timestamp(77, tz="UTC")
        elif name == "seq":
            other = -77
        else:
            other = -77.0
        frame.loc[0, name] = other
        frame.iloc[-1, frame.columns.get_loc(name)] = other
        frame.loc[frame.index[1:3], name] = other


# --- what it holds --------------------------------------------------------------------------------


def test_frame_has_the_columns_and_types_of_the_contract() -> None:
    """A frame has the columns of a tick in order, with their types, then the further ones."""
    log = TickLog(epoch="e1")
    log.append(
        read_ticks({"symbol": "A", "price": 1, "time": 5, "side": "b", "bid": 2}), received=7
    )
    frame = log.frame()
    assert [(name, str(dtype)) for name, dtype in frame.dtypes.items()] == [
        ("seq", "int64"),
        ("time", "datetime64[ns, UTC]"),
        ("symbol", "category"),
        ("price", "float64"),
        ("size", "float64"),
        ("received", "datetime64[ns, UTC]"),
        ("epoch", "category"),
        ("bid", "float64"),
        ("side", "category"),
    ]
    assert frame.index.equals(pd.RangeIndex(1))
    row = frame.iloc[0]
    assert (row["seq"], row["symbol"], row["epoch"], row["side"]) == (1, "A", "e1", "b")
    assert row["time"] == pd.Timestamp(5 * NS, tz="UTC")
    assert row["received"] == pd.Timestamp(7, tz="UTC")
    assert np.isnan(row["size"])


def test_empty_log_gives_an_empty_frame_of_the_same_types() -> None:
    """Before the first tick a frame has all columns, of the same types as later."""
    log = TickLog()
    empty = log.frame()
    assert len(empty) == 0
    assert len(log) == 0
    log.append(ticks(0, 1), received=0)
    full = log.frame()
    assert list(empty.columns) == list(full.columns)
    for name in full.columns:
        if isinstance(full[name].dtype, pd.CategoricalDtype):
            assert empty[name].cat.categories.dtype == full[name].cat.categories.dtype
        else:
            assert empty[name].dtype == full[name].dtype


def test_tick_without_time_gets_the_time_received() -> None:
    """A tick without a time gets the time at which it was received."""
    log = TickLog()
    log.append(
        read_ticks([{"s": "A", "p": 1}, {"s": "A", "p": 1, "time": 3}]), received=1763805600 * NS
    )
    assert log.rows().array("time").tolist() == [1763805600 * NS, 3 * NS]


def test_seq_counts_from_one_over_all_symbols() -> None:
    """A log numbers its ticks from 1 over all symbols; refused ticks take no number."""
    log = TickLog()
    log.append(read_ticks([{"s": "A", "p": 1}, {"s": "", "p": 1}, {"s": "B", "p": 2}]), received=0)
    log.append(read_ticks([]), received=0)
    log.append(read_ticks([{"s": "C", "p": 3}]), received=0)
    assert log.frame()["seq"].tolist() == [1, 2, 3]
    assert log.last_seq == 3


def test_log_makes_its_own_epoch() -> None:
    """Two logs have different epochs, and the repr of a log names its epoch."""
    one, other = TickLog(), TickLog()
    assert one.epoch != other.epoch
    assert one.epoch in repr(one)


def test_log_without_room_raises() -> None:
    """A log that keeps less than one tick raises an error."""
    with pytest.raises(ValueError, match="keep=0; expected a whole number of at least 1"):
        TickLog(keep=0)


# --- a frame costs nothing ------------------------------------------------------------------------


def test_frame_shares_the_logs_memory() -> None:
    """No column is a copy: not of a frame, of a later frame, nor of a reader's rows."""
    log = filled(500)
    log.append(ticks(500, 1, "B", bid=1.0, side="x"), received=0)
    first, second, rows = log.frame(), log.reader(0).read(10).frame(), log.rows()
    for name in first.columns:
        held = log.state.arrays[name]
        assert np.shares_memory(memory(first, name), held), name
        assert np.shares_memory(memory(second, name), held), name
        assert np.shares_memory(rows.array(name), held), name
        assert not rows.array(name).flags.writeable


def test_frames_are_slices_of_one_shared_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many frames are taken, a column is built once for an array and its words."""
    built: list[str] = []
    build = frames_module._make_column

    def counted(name: str, array: Any, dictionary: Any, known: Any) -> Any:
        column = build(name, array, dictionary, known)
        built.extend([name] if column is not known else [])
        return column

    monkeypatch.setattr(frames_module, "_make_column", counted)
    log = filled(500)
    for _ in range(10):
        log.frame()
        more(log, 10)
    assert len(built) == len(set(built)) == len(log.columns())
    built.clear()
    log.append(ticks(0, 1, "B"), received=0)
    log.frame()
    assert built == ["symbol"]


def test_log_is_unchanged_by_writes_to_its_frames() -> None:
    """Slices, new columns and symbols, garbage collection and writes leave the log as it was."""
    log = filled(60)
    frames = [log.frame()]
    log.append(ticks(60, 5, bid=1.0), received=0)  # a new column
    frames.append(log.frame())
    log.append(ticks(65, 5, "B"), received=0)  # a new symbol
    frames.append(log.frame())
    log.append(ticks(70, 5, "B", side="buy"), received=0)  # a new column of text
    frames.append(log.frame())
    log.append(ticks(75, 5, "B", side="sell"), received=0, epoch="other")  # new words
    frames.append(log.reader(0).read().frame())
    before = log.frame().copy(deep=True)
    copies = [frame.copy(deep=True) for frame in frames]
    for index, frame in enumerate(frames):
        gc.collect()
        write_everywhere(frame)
        pd.testing.assert_frame_equal(log.frame(), before)
        for other in range(index + 1, len(frames)):
            pd.testing.assert_frame_equal(frames[other], copies[other])
    assert frames[0]["price"].iloc[0] == -77


@pytest.mark.parametrize(
    "write",
    [
        lambda frame: frame.__setitem__("price", 0.0),
        lambda frame: frame["price"].__setitem__(0, -1.0),
        lambda frame: frame["price"].iloc.__setitem__(slice(None), -1.0),
        lambda frame: frame.iloc[2:5].iloc.__setitem__((0, 3), -1.0),
        lambda frame: frame.at.__setitem__((3, "size"), 9.0),
        lambda frame: frame.replace({"price": {1.0: -1.0}}, inplace=True),
        lambda frame: frame.fillna(0.0, inplace=True),
        lambda frame: frame.drop(columns="size", inplace=True),
        lambda frame: frame.rename(columns={"size": "s"}, inplace=True),
        lambda frame: frame["price"].clip(upper=5.0, inplace=True),
        lambda frame: frame.set_index("time")["price"].__setitem__(slice(None), 0.0),
        lambda frame: frame.loc.__setitem__((frame["price"] > 3, "symbol"), np.nan),
        lambda frame: frame.eval("price = price * 2", inplace=True),
        lambda frame: frame.where(frame["price"] > 3, inplace=True),
    ],
    ids=range(14),
)
@pytest.mark.filterwarnings("ignore::Warning")
def test_log_is_unchanged_by_any_way_to_write(write: Callable[[pd.DataFrame], object]) -> None:
    """Whichever of pandas' ways to write is used on a frame, the log and other frames stay."""
    log = filled(60)
    before = log.frame().copy(deep=True)
    other = log.frame()
    write(log.frame())
    pd.testing.assert_frame_equal(log.frame(), before)
    pd.testing.assert_frame_equal(other, before)


@pytest.mark.parametrize("keep", [100, 10_000])
def test_frame_outlives_dropped_rows(keep: int) -> None:
    """A frame stays the same when the log drops its rows, and may then be written to."""
    log = filled(90, keep)
    frame, column = log.frame(), log.frame()["price"]
    copy = frame.copy(deep=True)
    more(log, 5000)
    gc.collect()
    pd.testing.assert_frame_equal(frame, copy)
    held = log.frame().copy(deep=True)
    column.iloc[0] = -77
    pd.testing.assert_frame_equal(frame, copy)
    write_everywhere(frame)
    assert frame["price"].iloc[0] == -77
    pd.testing.assert_frame_equal(log.frame(), held)


def test_frames_of_dropped_arrays_stay_apart() -> None:
    """Frames over the same dropped rows, with other columns and symbols, stay apart."""
    log = filled(60)
    frames = [log.frame()]
    for n, change in enumerate([{"bid": 1.0}, {"side": "b"}, {"side": "s"}, {"note": "n"}]):
        log.append(ticks(log.stop, 1, f"S{n}", **change), received=0)
        frames.append(log.frame())
        frames.append(log.frame())
    copies = [frame.copy(deep=True) for frame in frames]
    dropped = log.state.arrays["seq"]
    more(log, 5000)
    gc.collect()
    assert log.state.arrays["seq"] is not dropped
    while frames:
        frame = frames.pop(len(frames) // 2)
        copies.pop(len(copies) // 2)
        write_everywhere(frame)
        for one, copy in zip(frames, copies, strict=True):
            pd.testing.assert_frame_equal(one, copy)


def assert_apart(log: TickLog, frames: list[pd.DataFrame]) -> None:
    """Check that frames don't change each other once the log has dropped their arrays."""
    more(log, 5000)
    copies = [frame.copy(deep=True) for frame in frames]
    while frames:
        frame = frames.pop(0)
        copies.pop(0)
        gc.collect()
        write_everywhere(frame)
        for one, copy in zip(frames, copies, strict=True):
            pd.testing.assert_frame_equal(one, copy)


@pytest.mark.parametrize("first", [True, False])
def test_frame_of_earlier_rows_stays_apart(first: bool) -> None:
    """Rows may become a frame after other frames, with more words, were made over their arrays."""
    log = filled(60)
    rows = log.rows()
    frames = []
    for symbol in "BCD":
        log.append(ticks(log.stop, 1, symbol), received=0)
        frames.append(log.frame())
    frames.insert(0 if first else 3, rows.frame())
    del rows
    assert_apart(log, frames)


@pytest.mark.parametrize("column", ["seq", "symbol", "price", "epoch"])
def test_frame_is_safe_while_it_is_built(monkeypatch: pytest.MonkeyPatch, column: str) -> None:
    """A new symbol, and a frame with it, may come at any moment while another frame is built."""
    log = filled(50)
    build = frames_module._make_column
    frames: list[pd.DataFrame] = []

    def interrupted(name: str, *others: Any) -> Any:
        built = build(name, *others)
        if name == column and log.stop == 50:
            log.append(ticks(50, 1, "B"), received=0)
            frames.append(log.frame())
        return built

    monkeypatch.setattr(frames_module, "_make_column", interrupted)
    frames.append(log.frame())
    frames.append(log.frame())
    assert [len(frame) for frame in frames] == [51, 50, 51]
    assert_apart(log, frames)


def test_rows_are_unchanged_by_writes_to_their_frames() -> None:
    """A write to a frame doesn't change the rows that a reader still holds."""
    log = filled(60)
    rows = log.reader(0).read()
    frame = rows.frame()
    more(log, 5000)
    gc.collect()
    frame.loc[0, "price"] = -77.0
    assert rows.array("price")[0] == 0


def test_new_words_need_no_new_arrays() -> None:
    """When each frame has new words, all share the codes, and each has the words of its rows."""
    log = TickLog()
    frames, arrays = [], set()
    for n in range(300):
        log.append(ticks(n, 1, f"S{n}"), received=0)
        frames.append(log.frame())
        arrays.add(id(log.state.arrays["symbol"]))
    assert len(arrays) == 2  # of 8 bits, and of 16
    assert log.frame()["price"].tolist() == list(range(300))
    for n, frame in enumerate(frames, 1):
        assert frame["symbol"].tolist() == [f"S{i}" for i in range(n)]


@pytest.mark.parametrize(
    ("words", "dtype"), [(126, "int8"), (127, "int16"), (32_766, "int16"), (32_767, "int32")]
)
@pytest.mark.parametrize("text", ["symbol", "note"])
def test_codes_widen_without_silent_copies(text: str, words: int, dtype: str) -> None:
    """Codes get the type that pandas wants for the number of words, so that it copies nothing."""
    log = TickLog()
    log.append(ticks(0, 1, note="w0"), received=0)
    old = log.frame()
    numbers = range(1, words)
    batch = Batch(
        len(numbers),
        np.zeros(len(numbers), dtype=np.int64),
        {
            "symbol": Text.of(["A"] * len(numbers)),
            "price": np.array(numbers, dtype=float),
            "size": np.ones(len(numbers)),
            "note": Text.of(["w0"] * len(numbers)),
            text: Text.of([f"w{n}" for n in numbers]),
        },
    )
    log.append(batch, received=0)
    frame = log.frame()
    assert len(log.dictionaries[text].words) == words
    assert frame[text].cat.codes.dtype == dtype
    assert np.shares_memory(memory(frame, text), log.state.arrays[text])
    assert frame[text].tolist()[1:] == [f"w{n}" for n in numbers]
    assert len(old) == 1
    assert old[text].tolist() == ["A" if text == "symbol" else "w0"]


# --- bounded --------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep", [1, 2, 7, 100, 5000])
@pytest.mark.parametrize("batch", [1, 3, 100, 1500, 12_000])
def test_log_holds_exactly_the_newest_ticks(keep: int, batch: int) -> None:
    """After each append the log holds the newest `keep` ticks, however large the batch."""
    log = TickLog(keep)
    appended = 0
    for _ in range(max(3, min(40, 15_000 // batch))):
        log.append(ticks(appended, batch), received=0)
        appended += batch
        held = min(keep, appended)
        assert (log.start, log.stop, len(log)) == (appended - held, appended, held)
    frame = log.frame()
    assert frame["price"].tolist() == list(range(appended - held, appended))
    assert frame["seq"].tolist() == list(range(appended - held + 1, appended + 1))


def test_memory_is_bounded() -> None:
    """The arrays of a log never grow beyond a quarter more than it keeps."""
    log = TickLog(8000)
    sizes = set()
    for _ in range(100):
        more(log, 1000, 1000)
        sizes.add(len(log.state.arrays["seq"]))
    assert max(sizes) <= 8000 * 5 // 4
    assert min(sizes) == compaction_module.MIN_ROWS


def test_million_ticks_move_the_rows_seldom() -> None:
    """A log of 100,000 ticks moves its rows once in 25,000 appended ticks."""
    log = TickLog(100_000)
    batch = ticks(0, 100)
    moved, arrays = 0, log.state.arrays["seq"]
    for _ in range(10_000):
        log.append(batch, received=0)
        if log.state.arrays["seq"] is not arrays:
            moved, arrays = moved + 1, log.state.arrays["seq"]
    assert log.stop == 1_000_000
    growing, full = 7, 1_000_000 // 25_000
    assert moved <= growing + full
    assert len(log) == 100_000


def test_arrays_double_then_get_all_their_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Small arrays double; the next ones have room for all that the log keeps."""
    monkeypatch.setattr(compaction_module, "MAX_DOUBLED_ROWS", 3000)
    log = TickLog(20_000)
    sizes = []
    while log.stop < 15_000:
        more(log, 100, 100)
        sizes.append(len(log.state.arrays["seq"]))
    assert list(dict.fromkeys(sizes)) == [1024, 2048, 4096, 25_000]


@pytest.mark.parametrize("batch", [1, 100, 700])
def test_append_copies_a_bounded_number_of_rows(
    monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    """Each append copies a bounded number of rows for each row that it appends."""
    copied: list[int] = []
    advance = compaction_module._TailCopy.advance

    def counted(copy: compaction_module._TailCopy, state: Snapshot, stop: int) -> None:
        copied.append(stop - copy.copied)
        advance(copy, state, stop)

    monkeypatch.setattr(compaction_module._TailCopy, "advance", counted)
    monkeypatch.setattr(compaction_module, "COPIED_PER_ROW", 4)
    keep = 4_000
    log = TickLog(keep)
    moved, twice, arrays = 0, 0, log.state.arrays["seq"]
    while log.stop < 24_000:
        more(log, batch, batch)
        twice += batch * (log._compaction._copy is not None)
        if log.state.arrays["seq"] is not arrays:
            moved, arrays = moved + 1, log.state.arrays["seq"]
    assert 16 <= moved <= 25
    assert max(copied) <= 2 * (4 + 1) * batch
    assert twice <= moved * (keep // 4 + batch)
    assert log.frame()["price"].tolist() == list(range(log.stop - keep, log.stop))


def test_rows_are_never_overwritten() -> None:
    """Each array that was ever shown holds the same rows as long as it exists."""
    log = TickLog(50)
    shown: list[tuple[Rows, list[float]]] = []
    for _ in range(400):
        more(log, 7)
        rows = log.rows()
        shown.append((rows, rows.array("price").tolist()))
    for rows, prices in shown:
        assert rows.array("price").tolist() == prices
        assert rows.frame()["price"].tolist() == prices


# --- columns that come later ----------------------------------------------------------------------


def test_new_column_is_empty_in_earlier_ticks() -> None:
    """A new column is empty in the ticks before it, and in later ticks without the field."""
    log = filled(2)
    log.append(ticks(2, 1, bid=5.0, side="b"), received=0)
    log.append(ticks(3, 1), received=0)
    frame = log.frame()
    assert frame["bid"].fillna(-1).tolist() == [-1, -1, 5, -1]
    assert frame["side"].isna().tolist() == [True, True, False, True]
    assert set(log.columns()[7:]) == {"bid", "side"}


def test_first_type_of_a_column_wins() -> None:
    """Values of another type than a column's first are converted, or left out and counted."""
    log = TickLog()
    for value in (1.5, "2", "x", "1e999", True, "3.5"):
        log.append(read_ticks({"s": "A", "p": 1, "number": value}), received=0)
    for word in ("a", 2, 2.5, -0.0, 2**53 + 1, True):
        log.append(read_ticks({"s": "A", "p": 1, "text": word}), received=0)
    frame = log.frame()
    assert frame["number"].fillna(-1).tolist()[:6] == [1.5, 2, -1, -1, -1, 3.5]
    assert frame["text"].tolist()[6:] == ["a", "2", "2.5", "0", "9007199254740993", "true"]
    assert log.misfits == {"number": 3}


def test_misfits_of_batches_are_counted() -> None:
    """Values that could not be read are counted with those that the log leaves out."""
    log = TickLog()
    log.append(read_ticks([{"s": "A", "p": 1, "deep": []}, {"s": "A"}]), received=0)
    log.append(read_ticks([{"s": "", "p": 1}, {"s": "A", "p": 1, "deep": {}}]), received=0)
    assert log.misfits == {"deep": 2}


def test_columns_beyond_the_limit_are_left_out_and_counted() -> None:
    """A log has at most 256 further columns; values of others are counted by name."""
    log = TickLog()
    names = [f"c{n}" for n in range(MAX_COLUMNS + 8)]
    last = names[-1]
    log.append(read_ticks({"s": "A", "p": 1, **dict.fromkeys(names, 5)}), received=0)
    log.append(read_ticks([{"s": "A", "p": 1, last: "x"}, {"s": "A", "p": 2}]), received=0)
    assert len(log.columns()) == 7 + MAX_COLUMNS
    assert log.misfits == {**dict.fromkeys(names[MAX_COLUMNS:], 1), last: 2}
    assert log.frame()[names[MAX_COLUMNS - 1]].iloc[0] == 5


BIG = 2**53 + 1


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize(
    ("values", "expected", "misfits"),
    [
        ([7, BIG, 2**63 - 1], [7, BIG, 2**63 - 1], 0),
        ([BIG, 7, None, -BIG], [BIG, 7, 0, -BIG], 0),
        ([7, None, BIG], [7, 0, BIG], 0),
        ([0, 7, BIG], [0, 7, BIG], 0),
        ([BIG, 2.5, "8", "x", "007", 2**63], [BIG, 0, 8, 0, 0, 0], 4),
        ([2.5, BIG, 3], [2.5, None, 3], 1),
        ([0, None, BIG], [0, None, None], 1),
        ([7, "007", "0.1000000000000000055511", "1.50", "x"], [7, None, None, 1.5, None], 3),
        (["x", BIG, 7], ["x", str(BIG), "7"], 0),
    ],
)
def test_integers_are_exact_or_counted(
    values: list[object], expected: list[object], misfits: int, together: bool
) -> None:
    """A column of whole numbers becomes int64 for one beyond 2**53; no value is rounded."""
    log = TickLog()
    ticks_ = [{"s": "A", "p": 1} | ({} if v is None else {"id": v}) for v in values]
    for batch in [ticks_] if together else ticks_:
        log.append(read_ticks(batch), received=0)
    column = log.frame()["id"]
    assert [None if pd.isna(value) else value for value in column] == expected
    assert log.misfits.get("id", 0) == misfits


@pytest.mark.parametrize("together", [False, True])
def test_trade_id_is_int64_with_0_for_none(together: bool) -> None:
    """`trade_id` takes integers, also as text; any other value is left out and counted."""
    log = TickLog()
    values = [None, 5, BIG, str(BIG + 1), 6.0, 2.5, "f81d4fae", True, 0, 2**63]
    given = [{"s": "A", "p": 1} | ({} if v is None else {"trade_id": v}) for v in values]
    for batch in [given] if together else given:
        log.append(read_ticks(batch), received=0)
    column = log.frame()["trade_id"]
    assert column.dtype == np.int64
    assert column.tolist() == [0, 5, BIG, BIG + 1, 6, 0, 0, 0, 0, 0]
    assert log.misfits == {"trade_id": 4}


def test_frames_from_before_a_column_became_int64_stay_as_they_are() -> None:
    """The floats of an earlier frame are unchanged, and the new frame copies nothing."""
    log = TickLog()
    log.append(read_ticks([{"s": "A", "p": 1, "id": 7}, {"s": "A", "p": 1}]), received=0)
    before = log.frame()
    log.append(read_ticks({"s": "A", "p": 1, "id": BIG}), received=0)
    assert before["id"].tolist()[0] == 7.0
    assert before["id"].dtype == np.float64
    frame = log.frame()
    assert np.shares_memory(memory(frame, "id"), log.state.arrays["id"])
    frame.loc[0, "id"] = 8
    assert log.frame()["id"].tolist() == [7, 0, BIG]


def test_moved_rows_keep_their_integers() -> None:
    """Rows that move to fresh arrays keep integers, also where the column became int64 midway."""
    log = TickLog(2000)
    for start in range(0, 12_000, 100):
        numbers = range(start + 1, start + 101) if start < 6000 else range(BIG, BIG + 100)
        log.append(read_ticks([{"s": "A", "p": 1, "id": n} for n in numbers]), received=0)
    assert log.frame()["id"].tolist() == list(range(BIG, BIG + 100)) * 20
    assert log.misfits == {}


def test_names_of_misfits_are_bounded() -> None:
    """Fields with ever new names that are left out don't fill the memory."""
    log = TickLog()
    for n in range(MAX_MISFIT_NAMES + 500):
        log.append(read_ticks({"s": "A", "p": 1, f"field{n}": []}), received=0)
    assert len(log.misfits) == MAX_MISFIT_NAMES + 1
    assert log.misfits["(others)"] == 500
    log.append(read_ticks({"s": "A", "p": 1, "x" * 10**6: 1}), received=0)
    assert max(map(len, log.misfits)) <= 64


def words_batch(name: str, words: list[str]) -> Batch:
    """Return a tick for each word, in the column `name`."""
    columns: dict[str, Any] = {
        "symbol": Text.of(["A"] * len(words)),
        "price": np.arange(len(words), dtype=float),
        "size": np.ones(len(words)),
        name: Text.of(words),
    }
    return Batch(len(words), np.zeros(len(words), dtype=np.int64), columns)


def test_column_with_too_many_words_holds_the_text_of_each_tick() -> None:
    """Beyond 65,536 different texts nothing is left out, and the frame still copies nothing."""
    log = TickLog()
    words = [f"w{n}" for n in range(MAX_WORDS)]
    log.append(words_batch("note", words), received=0)
    before = log.frame()
    rows = log.rows()
    log.append(words_batch("note", ["w0", "new", "w65535"]), received=0)
    log.append(read_ticks([{"s": "A", "p": 1}, {"s": "A", "p": 1, "note": 5}]), received=0)
    frame = log.frame()
    assert log.misfits == {}
    assert frame["note"].dtype == object
    assert frame["note"].tolist() == [*words, "w0", "new", "w65535", None, "5"]
    assert np.shares_memory(memory(frame, "note"), log.state.arrays["note"])
    frame.loc[0, "note"] = "mine"
    assert log.frame()["note"].iloc[0] == "w0"
    # Frames and rows from before are as they were.
    assert before["note"].tolist() == rows.frame()["note"].tolist() == words
    assert isinstance(before["note"].dtype, pd.CategoricalDtype)


def test_column_with_too_long_a_dictionary_holds_the_text_of_each_tick() -> None:
    """A dictionary has at most 4 MiB of text."""
    log = TickLog()
    words = [f"{n:04}" * 1000 for n in range(MAX_DICTIONARY_BYTES // 4000 + 1)]
    log.append(words_batch("note", words[:-1]), received=0)
    assert isinstance(log.frame()["note"].dtype, pd.CategoricalDtype)
    log.append(words_batch("note", words[-1:]), received=0)
    assert log.frame()["note"].dtype == object
    assert log.frame()["note"].tolist() == words


def test_memory_of_free_text_is_bounded_and_freed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Text beyond the limit is left out and counted, until older ticks are dropped."""
    monkeypatch.setattr(columns_module, "MAX_WORDS", 2)
    monkeypatch.setattr(free_text_module, "MAX_FREE_TEXT_BYTES", 3 * 2**20)
    log = TickLog(1000)
    texts = [f"{n:04}" * 512 for n in range(8000)]  # 2 kB each
    for start in range(0, len(texts), 100):
        log.append(words_batch("note", texts[start : start + 100]), received=0)
    kept = log.frame()["note"].tolist()
    assert 0 < log.misfits["note"] < 6000
    assert [n for n, text in enumerate(kept) if text not in (None, texts[7000 + n])] == []
    log.append(words_batch("note", ["x" * (MAX_TEXT_LENGTH + 1), "y"]), received=0)
    assert log.frame()["note"].iloc[-2] is None


def test_texts_that_are_too_long_are_left_out_and_counted() -> None:
    """A text has at most 4,096 characters; the tick is taken without it."""
    log = TickLog()
    longest = "x" * MAX_TEXT_LENGTH
    for text in (longest, longest + "x", "y"):
        log.append(words_batch("note", [text]), received=0)
        log.append(read_ticks({"s": "A", "p": 1, "other": text}), received=0)
        frame = pd.DataFrame({"symbol": ["A"], "price": [1.0], "more": [text]})
        log.append(read_ticks(frame), received=0)
    assert log.misfits == {"note": 1, "other": 1, "more": 1}
    for name in log.misfits:
        assert log.frame()[name].dropna().tolist() == [longest, "y"]


def test_ticks_of_symbols_beyond_the_limit_are_refused_and_counted() -> None:
    """A tick with a symbol beyond the 65,536th is refused, and takes no number."""
    log = TickLog()
    log.append(words_batch("symbol", [f"s{n}" for n in range(MAX_WORDS - 1)]), received=0)
    log.append(words_batch("symbol", ["s0", "last", "no", "s1", "no more", "last"]), received=0)
    assert log.misfits == {"symbol": 2}
    frame = log.frame(last=4)
    assert frame["symbol"].tolist() == ["s0", "last", "s1", "last"]
    assert frame["seq"].tolist() == list(range(MAX_WORDS, MAX_WORDS + 4))
    before = log.stop
    log.append(words_batch("symbol", ["no"]), received=0)
    assert (log.stop, log.misfits) == (before, {"symbol": 3})


def test_ticks_beside_a_refused_one_keep_their_seqs() -> None:
    """Of seqs given from outside, only those of refused ticks are left out."""
    log = TickLog()
    log.append(words_batch("symbol", [f"s{n}" for n in range(MAX_WORDS)]), received=0)
    seq = np.array([5, 7, 9], dtype=np.int64)
    log.append(words_batch("symbol", ["s0", "no", "s1"]), received=0, epoch="out", seq=seq)
    assert log.frame(last=2)["seq"].tolist() == [5, 9]


def test_unused_words_take_no_room() -> None:
    """A batch's dictionary may be longer than the room, if its ticks don't use all words."""
    log = TickLog()
    words = [f"s{n}" for n in range(MAX_WORDS - 1)]
    log.append(words_batch("symbol", words), received=0)
    batch = words_batch("symbol", ["s0", "unused", "last"]).where(np.array([True, False, True]))
    log.append(batch, received=0)
    assert log.misfits == {}
    assert log.frame(last=1)["symbol"].tolist() == ["last"]


def test_dictionary_knows_the_first_row_of_each_word() -> None:
    """A dictionary returns how many words had appeared before any row."""
    log = TickLog()
    log.append(read_ticks([{"s": s, "p": 1} for s in "ABACB"]), received=0)
    log.append(read_ticks([{"s": s, "p": 1} for s in "AD"]), received=0)
    words = log.dictionaries["symbol"]
    assert words.words == ["A", "B", "C", "D"]
    assert words.first_row == [0, 1, 3, 6]
    assert [words.size_at(row) for row in range(8)] == [0, 1, 2, 2, 3, 3, 3, 4]


def test_new_words_are_found_in_one_pass() -> None:
    """A batch in which each tick has an id of its own is not searched once for each word."""

    class Watched(np.ndarray[Any, Any]):
        compared = 0

        def __eq__(self, other: object) -> Any:
            Watched.compared += self.size
            return super().__eq__(other)

    log, count = TickLog(), 2000
    batch = ticks(0, count)
    codes = np.arange(count, dtype=np.int32).view(Watched)
    batch.columns["order"] = Text(codes, [f"id {n}" for n in range(count)])
    log.append(batch, received=0)
    assert log.dictionaries["order"].first_row == list(range(count))
    assert Watched.compared <= 10 * count


# --- epochs ---------------------------------------------------------------------------------------


def with_epochs(keep: int = 1000) -> TickLog:
    """Return a log of three epochs from outside, with holes: a 5 6 9, b 1 2, c 100 200."""
    log = TickLog(keep)
    for epoch, seqs in (("a", [5, 6, 9]), ("b", [1, 2]), ("c", [100, 200])):
        log.append(
            ticks(log.stop, len(seqs)), received=0, epoch=epoch, seq=np.array(seqs, dtype=np.int64)
        )
    return log


def test_epochs_from_outside_follow_each_other() -> None:
    """A log holds epochs and seqs from outside as they are, while its rows count on."""
    log = with_epochs()
    frame = log.frame()
    assert frame["epoch"].tolist() == ["a"] * 3 + ["b"] * 2 + ["c"] * 2
    assert frame["seq"].tolist() == [5, 6, 9, 1, 2, 100, 200]
    assert log.runs == [("a", 0), ("b", 3), ("c", 5)]
    assert (log.epoch, log.last_seq) == ("c", 200)
    assert log.run_at(2) == (("a", 0), 3)
    assert log.run_at(3) == (("b", 3), 5)
    assert log.run_at(6) == (("c", 5), None)


def test_seqs_count_on_unless_given() -> None:
    """Without seqs, a log counts on in the current epoch, and from 1 in a new one."""
    log = with_epochs()
    log.append(ticks(7, 2), received=0)
    log.append(ticks(9, 1), received=0, epoch="c")
    log.append(ticks(10, 2), received=0, epoch="d")
    log.append(ticks(12, 1), received=0, epoch="")
    assert log.frame(last=6)["seq"].tolist() == [201, 202, 203, 1, 2, 1]
    assert log.frame(last=3)["epoch"].tolist() == ["d", "d", ""]


@pytest.mark.parametrize(
    ("epoch", "seq", "row"),
    [
        ("a", 0, 0),
        ("a", 4, 0),
        ("a", 5, 1),
        ("a", 7, 2),
        ("a", 9, 3),
        ("a", 10**12, 3),
        ("b", 0, 3),
        ("b", 1, 4),
        ("b", 2, 5),
        ("c", 150, 6),
        ("c", 200, 7),
        ("c", 2**63 - 1, 7),
        ("d", 1, None),
        ("", 1, None),
    ],
)
def test_find_returns_the_row_after_a_tick(epoch: str, seq: int, row: int | None) -> None:
    """A position is found by epoch and seq, also in a hole; an unknown epoch is not found."""
    assert with_epochs().find(epoch, seq) == row


@pytest.mark.parametrize(
    ("keep", "epoch", "seq", "row"),
    [
        (5, "a", 5, 2),
        (5, "a", 9, 3),
        (4, "a", 9, None),
        (4, "a", 5, None),
        (3, "b", 1, 4),
        (2, "b", 2, None),
    ],
)
def test_find_of_a_dropped_position_returns_the_oldest_row(
    keep: int, epoch: str, seq: int, row: int | None
) -> None:
    """A dropped position is the oldest row of its epoch; None once the whole epoch was dropped."""
    assert with_epochs(keep).find(epoch, seq) == row


def test_find_in_an_epoch_with_two_runs() -> None:
    """A tick is found in the run of its epoch that holds it, not in the newest run."""
    log = TickLog()
    for epoch, seqs in (("a", [1, 2, 3]), ("b", [1, 2]), ("a", [4, 5])):
        log.append(ticks(0, len(seqs)), received=0, epoch=epoch, seq=np.array(seqs, dtype=np.int64))
    assert [log.find("a", seq) for seq in range(7)] == [0, 1, 2, 3, 6, 7, 7]


def test_first_seqs_of_the_newest_epochs_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that restarts each second must not fill the memory of its feeds."""
    monkeypatch.setattr("tickerkit.log.tick_log.MAX_FIRST_SEQS", 3)
    log = TickLog()
    for epoch in "abcdea":
        log.append(read_ticks({"symbol": "A", "price": 1}), received=1, epoch=epoch)
    assert list(log.first_seqs) == ["c", "d", "e"]


def test_dropped_runs_are_forgotten() -> None:
    """Epochs whose ticks were all dropped take no memory."""
    log = TickLog(10)
    for n in range(3000):
        log.append(ticks(n, 1), received=0, epoch=f"e{n}")
    assert len(log.runs) <= 10 + compaction_module.MIN_ROWS + 1
    assert log.frame()["epoch"].tolist() == [f"e{n}" for n in range(2990, 3000)]


# --- choosing -------------------------------------------------------------------------------------


def mixed() -> TickLog:
    """Return a log of ten ticks, one each second, A and B in turn, C the last."""
    log = TickLog()
    for n in range(10):
        log.append(ticks(n, 1, "C" if n == 9 else "AB"[n % 2]), received=0)
    return log


@pytest.mark.parametrize(
    ("symbol", "last", "prices"),
    [
        (None, None, range(10)),
        ("A", None, [0, 2, 4, 6, 8]),
        (["A", "C"], None, [0, 2, 4, 6, 8, 9]),
        (("A", "nope"), None, [0, 2, 4, 6, 8]),
        ("nope", None, []),
        ([], None, []),
        (None, 3, [7, 8, 9]),
        (None, 0, []),
        (None, 100, range(10)),
        (None, np.int64(2), [8, 9]),
        ("A", 2, [6, 8]),
        ("A", 0, []),
        ("A", 100, [0, 2, 4, 6, 8]),
        ("C", 1, [9]),
        (None, "3s", [6, 7, 8, 9]),
        (None, timedelta(seconds=2), [7, 8, 9]),
        (None, pd.Timedelta("500ms"), [9]),
        (None, "1h", range(10)),
        (None, "100000 days", range(10)),
        ("A", "4s", [6, 8]),
        ("A", "500ms", []),
    ],
    ids=str,
)
def test_frame_selects_symbols_and_the_newest(
    symbol: Any, last: Any, prices: list[int] | range
) -> None:
    """A frame of some symbols, or of the newest by count or time, has those ticks and no others."""
    frame = mixed().frame(symbol=symbol, last=last)
    assert frame["price"].tolist() == list(prices)
    assert frame.index.equals(pd.RangeIndex(len(frame)))
    assert list(frame.columns) == list(mixed().frame().columns)


def test_frame_of_successive_ticks_copies_nothing() -> None:
    """If the selected ticks are successive, their frame is a view."""
    log = filled(20)
    log.append(ticks(20, 5, "B"), received=0)
    log.append(ticks(25, 5), received=0)
    frame = log.frame(symbol="B")
    assert np.shares_memory(memory(frame, "price"), log.state.arrays["price"])


def test_new_text_column_has_the_narrowest_codes() -> None:
    """A new text column takes one byte for each tick."""
    log = filled(2)
    log.append(ticks(2, 1, side="b"), received=0)
    assert log.state.arrays["side"].dtype == np.int8


def test_last_by_time_ends_at_the_newest_time() -> None:
    """The last five minutes end at the newest time held, though a later tick may be older."""
    log = TickLog()
    for n in (1000, 2000, 1500):
        log.append(read_ticks({"s": "A", "p": n, "time": n}), received=0)
    assert log.frame(last="5min")["price"].tolist() == [2000]
    assert log.frame(last="10min")["price"].tolist() == [2000, 1500]
    assert TickLog().frame(last="5min")["price"].tolist() == []


@pytest.mark.parametrize("last", [1.5, "five minutes", [3]])
def test_invalid_last_raises(last: Any) -> None:
    """A `last` that is neither a count nor a time raises an error."""
    with pytest.raises((TypeError, ValueError)):
        mixed().frame(last=last)


def test_symbols_are_ordered_by_their_first_ticks() -> None:
    """The log lists every symbol that ever came, also those whose ticks were dropped."""
    log = TickLog(1)
    log.append(read_ticks([{"s": s, "p": 1} for s in "BAC"]), received=0)
    assert log.symbols() == ["B", "A", "C"]
    assert log.symbol_codes(["C", "nope", "B"]) == [2, 0]
    assert log.symbol_codes("A") == [1]


def test_rows_know_the_position_of_each() -> None:
    """A row's position is its epoch and seq; rows count from the first, or back from the end."""
    rows = with_epochs().rows(2, 6)
    assert [rows.position(index) for index in (0, 1, -1)] == [
        Position("a", 9),
        Position("b", 1),
        Position("c", 100),
    ]


@pytest.mark.parametrize(
    ("start", "stop", "expected"),
    [
        (None, None, (5, 15)),
        (0, None, (5, 15)),
        (7, 9, (7, 9)),
        (7, 99, (7, 15)),
        (20, None, (15, 15)),
    ],
)
def test_rows_are_limited_to_those_held(
    start: int | None, stop: int | None, expected: tuple[int, int]
) -> None:
    """A range beyond the rows that are held returns those that are held."""
    rows = filled(15, keep=10).rows(start, stop)
    assert (rows.start, rows.stop) == expected
    assert rows.array("price").tolist() == list(range(*expected))
    assert len(rows) == len(rows.frame())


def test_dropped_rows_are_empty() -> None:
    """A range of dropped rows is empty."""
    rows = filled(15, keep=10).rows(0, 3)
    assert len(rows) == 0
    assert rows.array("price").tolist() == []


# --- readers --------------------------------------------------------------------------------------


def test_reader_reads_each_row_once() -> None:
    """A reader returns what came since it last read, and nothing if nothing came."""
    log = filled(10)
    late, early = log.reader(), log.reader(0)
    assert (late.behind, early.behind) == (0, 10)
    assert early.read().array("price").tolist() == list(range(10))
    assert len(early.read()) == 0
    more(log, 5)
    assert early.read().array("price").tolist() == list(range(10, 15))
    assert late.read(2).array("price").tolist() == [10, 11]
    assert late.read(0).array("price").tolist() == []
    assert late.read(100).array("price").tolist() == [12, 13, 14]
    assert (late.behind, late.lost) == (0, 0)


def test_reader_counts_dropped_rows() -> None:
    """If rows were dropped unread, the next rows count them, and the reader counts all of them."""
    log = filled(10, keep=20)
    reader = log.reader(5)
    more(log, 30)
    assert reader.behind == 35
    rows = reader.read(3)
    assert (rows.lost, rows.start, rows.array("price").tolist()) == (15, 20, [20, 21, 22])
    rows = reader.read()
    assert (rows.lost, rows.start, rows.stop) == (0, 23, 40)
    more(log, 100)
    assert reader.read().lost == 80
    assert reader.lost == 95


def test_hooks_are_called_once_for_each_append() -> None:
    """A hook runs once for each append with ticks, sees them, and can be removed."""
    log = TickLog(10)
    seen: list[int] = []
    remove = log.on_append(lambda: seen.append(log.stop))
    other = log.on_append(lambda: seen.append(-1))
    log.append(ticks(0, 5000), received=0)  # larger than the log: still one append
    assert seen == [5000, -1]
    log.append(read_ticks([]), received=0)
    assert seen == [5000, -1]
    other()
    log.append(ticks(0, 1), received=0)
    remove()
    remove()
    log.append(ticks(0, 1), received=0)
    assert seen == [5000, -1, 5001]


def test_hook_may_remove_itself() -> None:
    """Hooks may be added and removed while hooks are called."""
    log = TickLog()
    calls: list[str] = []

    def once() -> None:
        calls.append("once")
        remove()

    remove = log.on_append(once)
    log.on_append(lambda: calls.append("always"))
    log.append(ticks(0, 1), received=0)
    log.append(ticks(1, 1), received=0)
    assert calls == ["once", "always", "always"]


@pytest.mark.parametrize(
    ("received", "now", "rate"),
    [
        ([0] * 10, 0, 2.0),
        ([0, 4, 6, 9], 10, 0.6),
        ([], 10, 0.0),
        ([3600] * 20 + [10] * 5, 10, 1.0),  # the clock was set back by an hour
    ],
)
def test_rate_is_of_the_last_five_seconds(received: list[int], now: int, rate: float) -> None:
    """The rate counts the ticks received in the last 5 s."""
    log = TickLog()
    for at in received:
        log.append(ticks(0, 1), received=at * NS)
    assert log.rate(now * NS) == pytest.approx(rate, abs=0.21)


# --- threads --------------------------------------------------------------------------------------


def test_readers_in_other_threads_see_complete_ranges() -> None:
    """While one thread appends, frames and rows in others have no hole and no partial row."""
    log = TickLog(keep=3000)
    log.append(ticks(0, 1, "S0"), received=0)
    done, faults = threading.Event(), []
    counts = [0, 0, 0]

    def check(frame: pd.DataFrame) -> None:
        seq = frame["seq"].to_numpy()
        assert (np.diff(seq) == 1).all()
        assert len(seq) >= min(3000, seq[-1])
        assert (frame["price"].to_numpy() == seq - 1).all()
        assert (frame["time"].array.asi8 == (seq - 1) * NS).all()  # type: ignore[union-attr]
        numbers = frame["symbol"].astype(str).str.removeprefix("S").astype(int).to_numpy()
        assert (numbers == (seq - 1) // 40).all()

    def watch(which: int, look: Callable[[], None]) -> None:
        try:
            while not done.is_set():
                look()
                counts[which] += 1
        except Exception as error:
            faults.append(error)

    reader, read = log.reader(0), [0]

    def follow() -> None:
        rows = reader.read(500)
        assert rows.start == read[0] + rows.lost
        read[0] = rows.stop
        assert (rows.array("price") == np.arange(rows.start, rows.stop)).all()

    def frames() -> None:
        check(log.frame())

    def newest() -> None:
        frame = log.frame(symbol=f"S{(log.stop - 1) // 40}", last=5)
        assert len(frame) == 0 or (np.diff(frame["seq"]) == 1).all()

    threads = [
        threading.Thread(target=watch, args=(which, look))
        for which, look in enumerate((frames, follow, newest))
    ]
    for thread in threads:
        thread.start()
    start = 1
    while (start < 12_000 or min(counts) < 20) and not faults:
        count = min(start % 37 + 1, 40 - start % 40)
        log.append(ticks(start, count, f"S{start // 40}"), received=0)
        start += count
    done.set()
    for thread in threads:
        thread.join()
    assert faults == []


# --- against a plain list -------------------------------------------------------------------------

VALUES = st.none() | st.sampled_from([1.0, 2.5, "a", "b", "7"]) | st.integers(-3, 3).map(float)
TICK = st.fixed_dictionaries(
    {"symbol": st.sampled_from(["A", "B", "C", "D"]), "price": st.integers(0, 9).map(float)},
    optional={
        "size": st.sampled_from([None, 1.0]),
        "time": st.integers(0, 99),
        "bid": st.sampled_from([None, 3.0]),
        "x": VALUES,
        "y": VALUES,
    },
)
STEP = st.tuples(
    st.lists(TICK, max_size=8),
    st.sampled_from([None, None, None, "e1", "e2"]),
    st.sampled_from(["", "", "frame", "write", "drop"]),
)


class Model:
    """What a log should hold, as a list of dicts."""

    def __init__(self, keep: int, epoch: str) -> None:
        self.keep = keep
        self.epoch = epoch
        self.seq = 0
        self.rows: list[dict[str, Any]] = []
        self.kinds: dict[str, type] = {"size": float}

    def append(self, batch: list[dict[str, Any]], received: int, epoch: str | None) -> None:
        if batch and epoch not in (None, self.epoch):
            self.epoch, self.seq = epoch, 0
        kinds: dict[str, type] = {}
        for tick in batch:
            for name in ("size", "bid", "x", "y"):
                if tick.get(name) is not None:
                    kinds.setdefault(name, type(tick[name]))
                    self.kinds.setdefault(name, kinds[name])
        for tick in batch:
            self.seq += 1
            row = {
                "seq": self.seq,
                "time": tick.get("time", None),
                "received": received,
                "epoch": self.epoch,
                "symbol": tick["symbol"],
                "price": tick["price"],
            }
            row["time"] = received if row["time"] is None else row["time"] * NS
            for name, kind in kinds.items():
                # A batch's column has its first value's type, then the log's has its own.
                row[name] = self.cast(self.cast(tick.get(name), kind), self.kinds[name])
            self.rows.append(row)
        self.rows = self.rows[-self.keep :]

    def cast(self, value: object, kind: type) -> object:
        if value is None or isinstance(value, kind):
            return value
        if kind is str:
            assert isinstance(value, float)
            return number_text(value)
        return float(str(value)) if is_number(str(value)) else None

    def check(self, frame: pd.DataFrame) -> None:
        order = [name for name in self.kinds if name != "size"]
        assert set(frame.columns[7:]) == set(order)
        assert len(frame) == len(self.rows)
        for name in frame.columns:
            found = frame[name]
            if found.dtype == UTC_NS:
                values = found.array.asi8.tolist()  # type: ignore[union-attr]
            else:
                values = [None if v != v else v for v in found.tolist()]
            assert values == [row.get(name) for row in self.rows], name


def test_last_seq_advances_after_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that waits for a seq finds its tick in the frame."""
    log = filled(10)
    append, seen = log._append, []

    def note_seq(*args: Any) -> None:
        append(*args)
        seen.append((log.last_seq, log.stop))

    monkeypatch.setattr(log, "_append", note_seq)
    log.append(ticks(11, 5), received=1)
    assert seen == [(10, 15)]
    assert log.last_seq == 15


@settings(SETTINGS, max_examples=examples(40))
@given(st.sampled_from([1, 3, 10, 1000]), st.sampled_from([0, 1, 32]), st.lists(STEP, max_size=25))
def test_log_equals_a_plain_list(keep: int, pace: int, steps: list[Any]) -> None:
    """However ticks are batched, the log and its frames hold what a list of dicts would."""
    smallest, compaction_module.MIN_ROWS = (
        compaction_module.MIN_ROWS,
        4,
    )  # so that the tail moves often
    usual, compaction_module.COPIED_PER_ROW = compaction_module.COPIED_PER_ROW, pace
    try:
        log = TickLog(keep, epoch="e0")
        model = Model(keep, "e0")
        frames: list[tuple[pd.DataFrame, pd.DataFrame]] = []
        for received, (batch, epoch, act) in enumerate(steps):
            log.append(read_ticks(batch), received=received, epoch=epoch)
            model.append(batch, received, epoch)
            model.check(log.frame())
            if act == "frame":
                frames.append((log.frame(), log.frame().copy(deep=True)))
            elif act == "write" and frames and len(frames[0][0]):
                frame, _ = frames.pop(0)
                write_everywhere(frame)
                model.check(log.frame())
            elif act == "drop" and frames:
                frames.pop()
                gc.collect()
            for frame, copy in frames:
                pd.testing.assert_frame_equal(frame, copy)
    finally:
        compaction_module.MIN_ROWS, compaction_module.COPIED_PER_ROW = smallest, usual


def test_epochs_beyond_the_dictionary_have_their_names() -> None:
    """A log forgets the epochs whose ticks it dropped; every tick held has its epoch."""
    count = 9000
    log = TickLog(2000)
    batch = read_ticks([{"s": "A", "p": 1}])
    seq = np.array([1], dtype=np.int64)
    log.append(read_ticks([{"s": "B", "p": 1}]), received=0, epoch="first", seq=seq)
    latest = Latest(log)
    latest.update()
    for number in range(count):
        log.append(batch, received=0, epoch=f"e{number}", seq=seq)
        if number == 1500:
            early = log.frame()
        if number % 1000 == 0:
            latest.update()
    latest.update()
    frame = log.frame()
    first = count - 2000
    assert frame["epoch"].tolist() == [f"e{number}" for number in range(first, first + 2000)]
    assert early["epoch"].tolist() == ["first", *(f"e{number}" for number in range(1501))]
    assert latest.frame()["epoch"].tolist() == ["first", f"e{first + 1999}"]
    assert log.rows().position(-1) == Position(f"e{first + 1999}", 1)
    assert len(log.dictionaries["epoch"].words) < 8000
    assert len(log.runs) < 8000


def test_text_of_a_column_beyond_the_last_is_counted() -> None:
    """Values of any type are counted, and missing ones are none."""
    log = TickLog()
    append_ticks = [{"s": "A", "p": 1, **{f"c{n}": 1.0 for n in range(MAX_COLUMNS)}}]
    log.append(read_ticks(append_ticks), received=0)
    log.append(read_ticks([{"s": "A", "p": 1, "more": "x"}, {"s": "A", "p": 2}]), received=0)
    assert log.misfits == {"more": 1}


def test_epoch_that_is_too_long_is_refused() -> None:
    """Both ends of the wire send it."""
    with pytest.raises(InvalidArgument, match="at most 256 characters"):
        TickLog(epoch="x" * 257)


def test_missing_numbers_of_a_column_beyond_the_last_are_not_counted() -> None:
    """NaN and, in a column of int64, 0 stand for no value."""
    log = TickLog()
    log.append(
        read_ticks([{"s": "A", "p": 1, **{f"c{n}": 1.0 for n in range(MAX_COLUMNS)}}]), received=0
    )
    log.append(
        read_ticks([{"s": "A", "p": 1, "x": 1.5, "y": 2**60}, {"s": "A", "p": 2}]), received=0
    )
    assert log.misfits == {"x": 1, "y": 1}
