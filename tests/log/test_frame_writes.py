"""Writes to frames: none reaches the log, and each ordinary one works, however long ago it was."""

from __future__ import annotations

import copy
import gc
import pickle
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tickerkit.log import TickLog
from tickerkit.ticks import read_ticks

ROWS = 12
TIME = pd.Timestamp("2001-02-03", tz="UTC")

Frame = pd.DataFrame
Write = Callable[[Frame], object]


def make_log() -> TickLog:
    """Return a log of trades and quotes of two symbols, with a further text column."""
    log = TickLog(100)
    log.append(
        read_ticks(
            [
                {
                    "symbol": "AB"[n % 2],
                    "time": 1_763_000_000 + n,
                    "bid": 1 + n / 4,
                    "note": None if n % 3 else f"note {n}",
                    **({} if n % 4 == 3 else {"price": 100.0 + n}),
                }
                for n in range(ROWS)
            ]
        ),
        received=1_763_000_000 * 10**9,
    )
    return log


def assign(frame: Frame, name: str, value: Any) -> None:
    """Assign a column."""
    frame[name] = value


def write_first(make: Callable[[Frame], Any], value: object = None) -> Write:
    """Return a function that writes to the first item of what `make` takes from a frame."""

    def write(frame: Frame) -> None:
        part = make(frame)
        part.iloc[0] = part.iloc[1] if value is None else value

    return write


# Each must work, and change what it is called on.
ORDINARY: dict[str, Write] = {
    "iloc": lambda f: f.iloc.__setitem__((0, 3), -1.0),
    "iloc row": lambda f: f.iloc.__setitem__(0, f.iloc[1]),
    "iloc time": lambda f: f.iloc.__setitem__((0, 1), TIME),
    "iloc category": lambda f: f.iloc.__setitem__((0, 2), "B"),
    "iloc slice": lambda f: f.iloc.__setitem__((slice(2, 5), 3), [1.0, 2.0, 3.0]),
    "iloc of iloc": lambda f: f.iloc[2:5].iloc.__setitem__((0, 3), -1.0),
    "loc": lambda f: f.loc.__setitem__((0, "price"), -1.0),
    "loc mask": lambda f: f.loc.__setitem__((f["price"] > 103, "price"), 0.0),
    "loc mask category": lambda f: f.loc.__setitem__((f["price"] > 103, "symbol"), np.nan),
    "loc columns": lambda f: f.loc.__setitem__((slice(1, 3), ["price", "bid"]), 7.0),
    "loc new row": lambda f: f.loc.__setitem__(len(f), f.iloc[0]),
    "at": lambda f: f.at.__setitem__((3, "size"), 9.0),
    "at seq": lambda f: f.at.__setitem__((3, "seq"), 99),
    "iat": lambda f: f.iat.__setitem__((3, 3), 9.0),
    "column": lambda f: assign(f, "price", 0.0),
    "column of column": lambda f: assign(f, "price", f["bid"]),
    "column converted": lambda f: assign(f, "time", f["time"].dt.tz_convert("Asia/Tokyo")),
    "new column": lambda f: assign(f, "spread", f["price"] - f["bid"]),
    "augmented": lambda f: assign(f, "price", f["price"].__iadd__(1)),
    "boolean": lambda f: f.__setitem__(f["price"] > 103, f),
    "insert": lambda f: f.insert(1, "mid", f["bid"]),
    "pop": lambda f: f.pop("size"),
    "del": lambda f: f.__delitem__("size"),
    "drop": lambda f: f.drop(columns="size", inplace=True),
    "drop rows": lambda f: f.drop(index=[0, 1], inplace=True),
    "dropna": lambda f: f.dropna(subset=["price"], inplace=True),
    "drop_duplicates": lambda f: f.drop_duplicates("symbol", inplace=True),
    "rename": lambda f: f.rename(columns={"size": "s"}, inplace=True),
    "set_index": lambda f: f.set_index("time", inplace=True),
    "reset_index": lambda f: f.reset_index(inplace=True),
    "columns": lambda f: setattr(f, "columns", list("abcdefghi")),
    "index": lambda f: setattr(f, "index", f["time"]),
    "sort_values": lambda f: f.sort_values("price", ascending=False, inplace=True),
    "sort_index": lambda f: f.sort_index(ascending=False, inplace=True),
    "fillna": lambda f: f.fillna({"price": 0.0, "note": "note 0"}, inplace=True),
    "ffill": lambda f: f.ffill(inplace=True),
    "bfill": lambda f: f["price"].bfill(inplace=True),
    "interpolate": lambda f: f["price"].interpolate(inplace=True),
    "replace": lambda f: f.replace({"price": {101.0: -1.0}}, inplace=True),
    "replace text": lambda f: f["bid"].replace(1.0, 2.0, inplace=True),
    "mask": lambda f: f.mask(f["price"] > 103, inplace=True),
    "where": lambda f: f.where(f["price"] > 103, inplace=True),
    "clip": lambda f: f["price"].clip(upper=105.0, inplace=True),
    "update": lambda f: f.update(pd.DataFrame({"price": [1.0, 2.0]})),
    "eval": lambda f: f.eval("price = price * 2", inplace=True),
    "query": lambda f: f.query("price > 103", inplace=True),
    "Series": write_first(lambda f: f["price"], -1.0),
    "Series time": write_first(lambda f: f["time"]),
    "Series category": write_first(lambda f: f["symbol"]),
    "Series by []": lambda f: f["price"].__setitem__(0, -1.0),
    "Series update": lambda f: f["price"].update(pd.Series([1.0])),
    "Series mask": lambda f: f["price"].mask(f["bid"] > 1, inplace=True),
    "Series pop": lambda f: f["price"].pop(0),
    "Series sort_values": lambda f: f["price"].sort_values(inplace=True),
    "renamed": write_first(lambda f: f["price"].rename("p"), -1.0),
    "attribute": write_first(lambda f: f.price, -1.0),
    "columns in a list": lambda f: f[["price", "bid"]].iloc.__setitem__((0, 0), -1.0),
    "set_index then column": write_first(lambda f: f.set_index("time")["price"], -1.0),
    "shallow copy": lambda f: copy.copy(f).iloc.__setitem__((0, 3), -1.0),
    "deep copy": lambda f: f.copy().iloc.__setitem__((0, 3), -1.0),
    "pickle": lambda f: pickle.loads(pickle.dumps(f)).iloc.__setitem__((0, 3), -1.0),
    "transposed": lambda f: f[["price", "bid"]].T.iloc.__setitem__((0, 0), -1.0),
    "concat": lambda f: pd.concat([f]).iloc.__setitem__((0, 3), -1.0),
    "assign array": lambda f: f.assign(t=f["time"].array).iloc.__setitem__((0, 9), TIME),
    "groupby group": lambda f: f.groupby("symbol").get_group("A").iloc.__setitem__((0, 3), -1.0),
    "set_index array": lambda f: f.set_index("price").reset_index().iloc.__setitem__((0, 0), -1.0),
    "tz_convert": write_first(lambda f: f["time"].dt.tz_convert("Asia/Tokyo")),
    "tz_localize": write_first(lambda f: f["time"].dt.tz_localize(None)),
    "as_unit": write_first(lambda f: f["time"].dt.as_unit("ns")),
    "cat.codes": write_first(lambda f: f["symbol"].cat.codes, 1),
    "cat.add_categories": write_first(lambda f: f["symbol"].cat.add_categories("C"), "C"),
    "cat.rename_categories": write_first(lambda f: f["symbol"].cat.rename_categories(["X", "Y"])),
    "cat.as_ordered": write_first(lambda f: f["symbol"].cat.as_ordered()),
    "astype": write_first(lambda f: f["price"].astype("Float64"), -1.0),
    "convert_dtypes": lambda f: f.convert_dtypes().iloc.__setitem__((0, 3), -1),
    "infer_objects": lambda f: f.infer_objects().iloc.__setitem__((0, 3), -1.0),
    "Series of array": write_first(lambda f: pd.Series(f["price"].array), -1.0),
    "Series of numpy": write_first(lambda f: pd.Series(f["price"].to_numpy()), -1.0),
    "Series of categories": write_first(lambda f: pd.Series(f["symbol"].array), "B"),
    "Index": write_first(lambda f: pd.Index(f["price"]).to_series(), -1.0),
    "numpy copy": lambda f: f["price"].to_numpy(copy=True).__setitem__(0, -1.0),
    "shuffled": lambda f: random.Random(1).shuffle(f["price"]),  # type: ignore[arg-type]
}


def set_flag(array: Any) -> None:
    """Write to an array as pandas' documentation advises."""
    array.flags.writeable = True
    array[0] = array[1]


def write_through(view: Callable[[Any], Any]) -> Write:
    """Return a function that writes to what `view` makes of the array of a column."""
    return lambda f: view(f["price"].to_numpy()).__setitem__(0, -1.0)


# Each writes to the memory below a frame; it must fail.
REFUSED: dict[str, Write] = {
    "array": lambda f: f["price"].array.__setitem__(0, -1.0),
    "array of seq": lambda f: f["seq"].array.__setitem__(0, -1),
    "array of times": lambda f: f["time"].array.__setitem__(0, TIME),
    "array of categories": lambda f: f["symbol"].array.__setitem__(0, "B"),
    "array of text": lambda f: f["note"].array.__setitem__(slice(None), None),
    "array of a row": lambda f: f.iloc[2:4]["price"].array.__setitem__(0, -1.0),
    "array converted": lambda f: f["time"].array.tz_convert("Asia/Tokyo").__setitem__(0, TIME),
    "array flag": lambda f: set_flag(f["price"].array.to_numpy()),
    "asi8": lambda f: set_flag(f["time"].array.asi8),
    "codes": lambda f: set_flag(f["symbol"].array.codes),
    "values": lambda f: f["price"].values.__setitem__(0, -1.0),
    "values of one column": lambda f: set_flag(f[["price"]].values),
    "to_numpy": write_through(lambda a: a),
    "flag": lambda f: set_flag(f["price"].to_numpy()),
    "setflags": lambda f: f["price"].to_numpy().setflags(write=True),
    "flag of a slice": lambda f: set_flag(f["price"].to_numpy()[2:]),
    "flag of the base": lambda f: set_flag(f["price"].to_numpy().base),
    "asarray": write_through(np.asarray),
    "view": write_through(lambda a: a.view("i8")),
    "reshaped": write_through(lambda a: a.reshape(1, -1)),
    "ndarray of buffer": write_through(lambda a: np.ndarray(a.shape, a.dtype, a)),
    "frombuffer": write_through(np.frombuffer),
    "memoryview": write_through(lambda a: memoryview(a).cast("B").cast("d")),
    "dlpack": write_through(np.from_dlpack),
    "as_strided": write_through(lambda a: np.lib.stride_tricks.as_strided(a, writeable=True)),
    "subclass": write_through(lambda a: a.view(np.recarray)),
    "matrix": write_through(lambda a: np.asmatrix(a).A1),
    "flat": write_through(lambda a: a.flat),
    "masked array": write_through(lambda a: np.ma.array(a, copy=False)),
    "out": lambda f: np.add(f["price"], 1, out=f["price"].to_numpy()),
    "copyto": lambda f: np.copyto(f["price"].to_numpy(), 1.0),
    "put": lambda f: np.put(f["price"].to_numpy(), 0, 1.0),
    "place": lambda f: np.place(f["price"].to_numpy(), np.ones(ROWS, dtype=bool), [1.0]),
    "putmask": lambda f: np.putmask(f["price"].to_numpy(), np.ones(ROWS, dtype=bool), 1.0),
    "fill": lambda f: f["price"].to_numpy().fill(1.0),
    "sort": lambda f: f["price"].to_numpy().sort(),
    "partition": lambda f: f["price"].to_numpy().partition(2),
    "byteswap": lambda f: f["price"].to_numpy().byteswap(inplace=True),
    "resize": lambda f: f["price"].to_numpy().resize(3),
    "shuffle": lambda f: np.random.default_rng(1).shuffle(f["price"].to_numpy()),
    "nan_to_num": lambda f: np.nan_to_num(f["price"].to_numpy(), copy=False),
    "nditer": lambda f: np.nditer(f["price"].to_numpy(), op_flags=["readwrite"]),
    "in place": lambda f: f["price"].to_numpy().__iadd__(1),
    "index": lambda f: f.set_index("seq").index.array.__setitem__(0, 7),
}
WRITES = {**ORDINARY, **{f"refused {name}": write for name, write in REFUSED.items()}}


@pytest.mark.parametrize("name", list(WRITES))
@pytest.mark.filterwarnings("ignore::Warning")
def test_log_is_unchanged_by_a_write_to_its_frame(name: str) -> None:
    """Neither the log nor another frame changes, whichever way of pandas or numpy is used."""
    log = make_log()
    before, other = log.frame().copy(), log.frame()
    if name in ORDINARY:
        WRITES[name](log.frame())
    else:
        with pytest.raises((ValueError, TypeError, RuntimeError, BufferError)):
            WRITES[name](log.frame())
    pd.testing.assert_frame_equal(log.frame(), before)
    pd.testing.assert_frame_equal(other, before)


@pytest.mark.parametrize("name", list(ORDINARY))
@pytest.mark.filterwarnings("ignore::Warning")
def test_frame_that_outlives_its_log_can_be_written_to(name: str) -> None:
    """Each way to write works on a frame that is alone, and does what it does on a copy."""
    frame = make_log().frame()
    gc.collect()
    expected = frame.copy()
    ORDINARY[name](frame)
    ORDINARY[name](expected)
    pd.testing.assert_frame_equal(frame, expected)


@pytest.mark.parametrize("name", ["price", "seq", "time", "symbol", "note"])
def test_series_that_outlives_its_frame_can_be_written_to(name: str) -> None:
    """A column of a frame that is gone is written to like any other Series."""
    column = make_log().frame().iloc[2:][name]
    gc.collect()
    column.iloc[0] = column.iloc[1]
    column.iloc[1:3] = column.iloc[4]
    assert column.tolist()[2] is column.tolist()[4] or column.iloc[2] == column.iloc[4]


def test_second_write_to_a_frame_copies_nothing() -> None:
    """After its first write, a frame has memory of its own, which pandas writes to in place."""
    frame = make_log().frame()
    frame.iloc[0, 3] = -1.0
    array = frame["price"].to_numpy()
    frame.iloc[1, 3] = -2.0
    assert np.shares_memory(array, frame["price"].to_numpy())
    assert array.tolist()[:2] == [-1.0, -2.0]


def test_rows_are_read_only() -> None:
    """The arrays of a log and of its readers can't be made writable."""
    log = make_log()
    for rows in (log.rows(), log.rows().part(2, 4), log.reader(0).read(5)):
        for name in rows.names():
            with pytest.raises(ValueError, match="WRITEABLE"):
                rows.array(name).flags.writeable = True
    for array in log.state.arrays.values():
        with pytest.raises(ValueError, match="WRITEABLE"):
            array.flags.writeable = True


READS: dict[str, Callable[[Frame], object]] = {
    "describe": lambda f: f.describe(),
    "groupby agg": lambda f: f.groupby("symbol", observed=True)["price"].agg(["mean", "last"]),
    "groupby rolling": lambda f: f.groupby("symbol", observed=True)["price"].rolling(2).mean(),
    "groupby transform": lambda f: f.groupby("symbol", observed=True)["price"].cumsum(),
    "groupby apply": lambda f: f.groupby("symbol", observed=True)["price"].apply(lambda s: s.sum()),
    "rolling": lambda f: f["price"].rolling(3).std(),
    "rolling time": lambda f: f.set_index("time")["price"].rolling("3s").mean(),
    "rolling apply": lambda f: f["price"].rolling(3).apply(lambda a: a.sum(), raw=True),
    "expanding": lambda f: f["price"].expanding().max(),
    "ewm": lambda f: f["price"].ewm(span=3).mean(),
    "resample": lambda f: f.set_index("time")["price"].resample("2s").ohlc(),
    "merge": lambda f: f.merge(f, on="seq"),
    "merge category": lambda f: f.merge(f, on="symbol"),
    "merge_asof": lambda f: pd.merge_asof(f, f, on="time", by="symbol"),
    "join": lambda f: f.set_index("seq").join(f.set_index("seq"), rsuffix="2"),
    "sort_values": lambda f: f.sort_values(["symbol", "price"]),
    "nlargest": lambda f: f.nlargest(3, "price"),
    "rank": lambda f: f["price"].rank(),
    "quantile": lambda f: f["price"].quantile([0.1, 0.9]),
    "median": lambda f: f["price"].median(),
    "mode": lambda f: f["price"].mode(),
    "cut": lambda f: pd.cut(f["price"], 3),
    "qcut": lambda f: pd.qcut(f["bid"], 3),
    "interpolate": lambda f: f["price"].interpolate(),
    "interpolate time": lambda f: f.set_index("time")["price"].interpolate("time"),
    "diff": lambda f: f[["price", "bid", "time"]].diff(),
    "shift": lambda f: f.shift(),
    "corr": lambda f: f[["price", "bid"]].corr(),
    "pivot": lambda f: f.pivot_table(values="price", index="seq", columns="symbol", observed=True),
    "melt": lambda f: f.melt(id_vars="seq", value_vars=["price", "bid"]),
    "crosstab": lambda f: pd.crosstab(f["symbol"], f["note"]),
    "get_dummies": lambda f: pd.get_dummies(f["symbol"]),
    "unique": lambda f: [f[name].unique() for name in f],
    "value_counts": lambda f: [f[name].value_counts() for name in f],
    "factorize": lambda f: [pd.factorize(f[name]) for name in f],
    "duplicated": lambda f: f.duplicated(["symbol", "price"]),
    "isin": lambda f: [f["seq"].isin([1, 2]), f["symbol"].isin(["A"]), f["price"].isin([100])],
    "searchsorted": lambda f: [f["seq"].searchsorted(3), f["time"].searchsorted(TIME)],
    "hash": lambda f: pd.util.hash_pandas_object(f),
    "reindex": lambda f: f.reindex([5, 3, 99]),
    "take": lambda f: f.take([3, 1]),
    "explode": lambda f: f.explode("price"),
    "stack": lambda f: f[["price", "bid"]].stack(),
    "apply": lambda f: f[["price", "bid"]].apply(lambda row: row.sum(), axis=1),
    "map": lambda f: f["symbol"].map({"A": 1, "B": 2}),
    "dt": lambda f: [f["time"].dt.hour, f["time"].dt.floor("1h"), f["time"].dt.strftime("%H")],
    "dt convert": lambda f: f["time"].dt.tz_convert("America/New_York").dt.date,
    "str": lambda f: f["note"].str.upper(),
    "itertuples": lambda f: list(f.itertuples()),
    "to_dict": lambda f: f.to_dict("records"),
    "to_csv": lambda f: f.to_csv(),
    "to_json": lambda f: f.to_json(),
    "to_string": lambda f: f.to_string(),
    "to_records": lambda f: f.to_records(),
    "dropna": lambda f: f.dropna(),
    "compare": lambda f: f.compare(f.assign(price=1.0)),
    "where": lambda f: f["price"].where(f["bid"] > 2),
    "cov": lambda f: f[["price", "bid"]].cov(),
    "asfreq": lambda f: f.set_index("time").asfreq("1s"),
    "between_time": lambda f: f.set_index("time").between_time("00:00", "23:00"),
    "polyfit": lambda f: np.polyfit(f["bid"], f["bid"], 1),
    "argsort": lambda f: f["price"].argsort(),
    "cumprod": lambda f: f["bid"].cumprod(),
    "combine_first": lambda f: f["price"].combine_first(f["bid"]),
}


@pytest.mark.parametrize("name", list(READS))
@pytest.mark.filterwarnings("ignore::Warning")
def test_frame_is_computed_on_like_a_copy(name: str) -> None:
    """No computation of pandas needs memory that it may write to."""
    frame = make_log().frame()
    result, expected = READS[name](frame), READS[name](frame.copy())
    assert repr(result) == repr(expected)
