"""Ticks: what is taken, what is refused and with which error, and that nothing raises."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recordings import recordings, wire_texts
from soaks import examples

from tickerkit.formatting import format_value
from tickerkit.ticks import NO_TIME, Batch, Text, is_number, number_text, read_ticks
from tickerkit.ticks.builder import MAX_ERRORS, BatchBuilder
from tickerkit.ticks.fields import may_be_value

# However slow the machine is.
SETTINGS = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
NS = 10**9
FIRST = {"symbol": "FIRST", "price": 1.0}
LAST = {"symbol": "LAST", "price": 2.0}


def cells(batch: Batch, name: str) -> list[Any]:
    """Return a column of a batch as a list, None for nothing."""
    column = batch.columns[name]
    if isinstance(column, Text):
        return [None if code < 0 else column.words[code] for code in column.codes.tolist()]
    return [None if value != value else value for value in column.tolist()]


def only(batch: Batch) -> dict[str, Any]:
    """Return the single tick of a batch as a dict, without its time."""
    assert batch.count == 1, batch.errors
    return {name: cells(batch, name)[0] for name in batch.columns}


def time_of(value: object) -> int:
    """Return the time read from a tick with `time` set to `value`."""
    batch = read_ticks({"symbol": "A", "price": 1, "time": value})
    assert batch.errors == []
    return int(batch.time[0])


def ns(text: str) -> int:
    """Return an ISO time as epoch nanoseconds, by pandas."""
    return pd.Timestamp(text).as_unit("ns").value


# --- what is taken --------------------------------------------------------------------------------

NONE = {"price": None, "size": None}


def steady_id(value: object) -> str:
    """Return a parameter's id: the same in each process, so without an address."""
    return re.sub(r" at 0x[0-9a-f]+", "", format_value(value))


TAKEN = [
    ('{"symbol":"A","price":1}', {"symbol": "A", "price": 1.0, "size": None}),
    ('{"s":"A","p":1}', {"symbol": "A", "price": 1.0, "size": None}),
    ('{"sym":"A","last":1.5}', {"symbol": "A", "price": 1.5, "size": None}),
    ('{"ticker":"A","price":"1.5"}', {"symbol": "A", "price": 1.5, "size": None}),
    ('{"symbol":"A","bid":1}', {**NONE, "symbol": "A", "bid": 1.0}),
    ('{"symbol":"A","ask":"2"}', {**NONE, "symbol": "A", "ask": 2.0}),
    ('{"symbol":"A","price":null,"bid":1}', {**NONE, "symbol": "A", "bid": 1.0}),
    ('{"symbol":"A","price":1,"size":0}', {"symbol": "A", "price": 1.0, "size": 0.0}),
    ('{"symbol":"A","price":1,"size":null}', {"symbol": "A", "price": 1.0, "size": None}),
    ('{"symbol":"A","price":-37.63}', {"symbol": "A", "price": -37.63, "size": None}),
    ('{"symbol":"A","price":"-1e-3"}', {"symbol": "A", "price": -0.001, "size": None}),
    ('{"symbol":"A","price":"+.5"}', {"symbol": "A", "price": 0.5, "size": None}),
    ('{"symbol":"A","price":18446744073709551615}', {"price": 1.8446744073709552e19}),
    ('{"symbol":"A","price":-9223372036854775808}', {"price": -9223372036854775808.0}),
    ('{"symbol":"A","price":1e-400}', {"price": 0.0}),
    ('{"symbol":"A","price":1,"price":2}', {"price": 2.0}),
    ('{"symbol":"A","s":"B","price":1,"p":2}', {"symbol": "A", "s": "B", "price": 1.0, "p": 2.0}),
    ('{"symbol":"NA","price":1}', {"symbol": "NA"}),
    ('{"symbol":" A ","price":1}', {"symbol": " A "}),
    ('{"symbol":"BRK.B/ä€🙂","price":1}', {"symbol": "BRK.B/ä€🙂"}),
    (f'{{"symbol":"{"x" * 64}","price":1}}', {"symbol": "x" * 64}),
    ('{"symbol":"A","price":1,"volume":-5}', {"volume": -5.0}),
    ('{"symbol":"A","price":1,"temperature":21.5}', {"temperature": 21.5}),
    ('{"symbol":"A","price":1,"side":"buy"}', {"side": "buy"}),
    ('{"symbol":"A","price":1,"side":""}', {"side": ""}),
    ('{"symbol":"A","price":1,"id":9007199254740992}', {"id": 2.0**53}),
    ('{"symbol":"A","price":1,"id":9007199254740993}', {"id": 2**53 + 1}),
    ('{"symbol":"A","price":1,"id":-9007199254740993}', {"id": -(2**53) - 1}),
    ('{"symbol":"A","price":1,"maker":true}', {"maker": "true"}),
    ('{"symbol":"A","price":1,"maker":false}', {"maker": "false"}),
    ('{"symbol":"A","price":1,"seq":7,"epoch":"e"}', {"source_seq": 7.0, "source_epoch": "e"}),
    ('{"symbol":"A","price":1,"received":"x"}', {"source_received": "x"}),
    ('{"s":"A","price":1,"note":"\\u0000"}', {"note": "\0"}),
    ('{"s":"A","price":1,"note":"\\ud800x"}', {"note": "?x"}),
    ({"symbol": "A", "price": np.float32(1.5)}, {"price": 1.5}),
    ({"symbol": "A", "price": np.int8(3), "size": np.uint64(4)}, {"price": 3.0, "size": 4.0}),
    ({"symbol": "A", "price": Decimal("187.25")}, {"price": 187.25}),
    ({"symbol": "A", "price": Fraction(1, 4)}, {"price": 0.25}),
    ({"symbol": np.str_("A"), "price": 1, "side": np.str_("b")}, {"symbol": "A", "side": "b"}),
    ({"symbol": "A", "price": 1, "flag": np.True_}, {"flag": "true"}),
    ({"symbol": "A", "price": 1, "x": Decimal("0.5")}, {"x": 0.5}),
    (b'{"symbol":"A","price":1}', {"symbol": "A"}),
    (bytearray(b'{"symbol":"A","price":1}'), {"symbol": "A"}),
    (memoryview(b'{"symbol":"A","price":1}'), {"symbol": "A"}),
    (memoryview(b"".join(b"%c " % each for each in b'{"s":"A","p":1}'))[::2], {"symbol": "A"}),
    (['{"symbol":"A","price":1}'], {"symbol": "A"}),
    ([b'[{"symbol":"A","price":1}]'], {"symbol": "A"}),
    ([bytearray(b'{"symbol":"A","price":1}')], {"symbol": "A"}),
    (({"symbol": "A", "price": 1},), {"symbol": "A"}),
    (iter([{"symbol": "A", "price": 1}]), {"symbol": "A"}),
    (pd.Series([{"symbol": "A", "price": 1}]), {"symbol": "A"}),
]


@pytest.mark.parametrize(("given_", "expected"), TAKEN, ids=steady_id)
def test_tick_is_taken(given_: object, expected: dict[str, object]) -> None:
    """A tick in any of the accepted forms is read, with nothing refused."""
    batch = read_ticks(given_)
    assert batch.refused == 0
    tick = only(batch)
    assert {name: tick[name] for name in expected} == expected


def test_text_is_plain_text() -> None:
    """A subclass of str, such as numpy's, becomes str: JSON encoders accept no other."""
    batch = read_ticks({np.str_("symbol"): np.str_("A"), "p": 1, np.str_("side"): np.str_("b")})
    assert {type(name) for name in batch.columns} == {str}
    for name in ("symbol", "side"):
        column = batch.columns[name]
        assert isinstance(column, Text)
        assert {type(word) for word in column.words} == {str}


def test_batch_is_returned_unchanged() -> None:
    """A batch is returned as it is."""
    batch = read_ticks(FIRST)
    assert read_ticks(batch) is batch


@pytest.mark.parametrize("given_", [[], "[]", b"[]", (), iter(()), pd.DataFrame(), {}.values()])
def test_empty_list_is_not_an_error(given_: object) -> None:
    """An empty list holds no ticks and no refusals."""
    batch = read_ticks(given_)
    assert (batch.count, batch.refused, batch.errors) == (0, 0, [])
    assert {name: len(cells(batch, name)) for name in batch.columns} == {
        "symbol": 0,
        "price": 0,
        "size": 0,
    }


def test_columns_appear_with_their_first_value() -> None:
    """A further field becomes a column, empty in the ticks that lack it."""
    batch = read_ticks([FIRST, {**FIRST, "bid": 3, "side": "buy"}, {**FIRST, "side": None}])
    assert cells(batch, "bid") == [None, 3.0, None]
    assert cells(batch, "side") == [None, "buy", None]
    assert "other" not in read_ticks({**FIRST, "other": None}).columns


def test_refused_tick_counts_no_misfits() -> None:
    """A value that no column can hold counts only if its tick is accepted."""
    batch = read_ticks([{"symbol": "A", "price": 1, "x": [1], "time": "soon"}] * 3)
    assert (batch.count, batch.refused, batch.misfits) == (0, 3, {})
    batch = read_ticks({"symbol": "A", "price": 1, "x": [1], "time": 1})
    assert (batch.count, batch.refused, batch.misfits) == (1, 0, {"x": 1})


@pytest.mark.parametrize(
    ("values", "expected", "misfits"),
    [
        (
            [1, "2", "x", "nan", "inf", "1_0", "9" * 400],
            [1.0, 2.0, None, None, None, None, None],
            5,
        ),
        (["a", 2, 2.5, True, None], ["a", "2", "2.5", "true", None], 0),
    ],
)
def test_first_type_of_a_column_wins(
    values: list[object], expected: list[object], misfits: int
) -> None:
    """The first value makes a column one of numbers or of text; misfits are counted."""
    batch = read_ticks([{**FIRST, "x": value} for value in values])
    assert cells(batch, "x") == expected
    assert batch.misfits.get("x", 0) == misfits
    assert batch.count == len(values)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("levels", [[1, 2], [3, 4]]),
        ("book", {"bids": []}),
        ("", 1),
        ("x" * 65, 1),
        ("a\nb", 1),
        ("half\ud800", 1),
        ("raw", b"bytes"),
        ("range", range(10**12)),
        ("array", np.zeros(3)),
        ("date", date(2026, 1, 1)),
        ("span", np.timedelta64(1, "s")),
    ],
    ids=str,
)
def test_misfits_are_left_out_and_counted(field: str, value: object) -> None:
    """A nested value, or a name that cannot be a column's, is left out and counted."""
    batch = read_ticks([{**FIRST, field: value}, LAST])
    assert batch.count == 2
    assert batch.refused == 0
    assert batch.misfits == {field: 1}
    assert field not in batch.columns


def test_nesting_beyond_sixteen_is_refused() -> None:
    """A tick with a field that nests at most 16 deep, itself counted, is taken without it."""
    deep: list[object] = []
    for _ in range(14):
        deep = [deep]
    taken, refused = {**FIRST, "deep": deep}, {**FIRST, "deep": [deep]}
    batch = read_ticks([taken, refused, {**FIRST, "deep": {"a": [deep]}}])
    assert (batch.count, batch.refused, batch.misfits) == (1, 2, {"deep": 1})
    assert batch.errors[0].field == "deep"


def test_object_that_contains_itself_is_refused() -> None:
    """Python's lists may contain themselves, many times over: they are refused at once."""
    endless: list[object] = []
    endless += [endless] * 50
    batch = read_ticks([{**FIRST, "x": endless}, LAST])
    assert batch.count == 1
    assert batch.errors[0].problem == "is nested too deep"


# --- times ----------------------------------------------------------------------------------------

MOMENT = "2026-11-22T10:00:00.123456789Z"
TIMES = [
    (MOMENT, ns(MOMENT)),
    ("2026-11-22T10:00:00Z", ns("2026-11-22T10:00:00Z")),
    ("2026-11-22T10:00:00", ns("2026-11-22T10:00:00Z")),
    ("2026-11-22 10:00", ns("2026-11-22T10:00:00Z")),
    ("2026-11-22", ns("2026-11-22T00:00:00Z")),
    ("2026-11-22T10:00:00.1+02:00", ns("2026-11-22T08:00:00.1Z")),
    ("2026-11-22T10:00:00.123456789-05:30", ns("2026-11-22T15:30:00.123456789Z")),
    ("2026-11-22T10:00:00,123456789Z", ns(MOMENT)),
    ("2026-11-22T10:00:00.12345678912345Z", ns(MOMENT)),
    ("20261122T100000.5Z", ns("2026-11-22T10:00:00.5Z")),
    ("1969-12-31T23:59:59.999999999Z", -1),
    ("1700-01-01", ns("1700-01-01T00:00:00Z")),
    (1763805600, 1763805600 * NS),
    (1763805600.123, 1763805600123 * 10**6),
    (1763805600123, 1763805600123 * 10**6),
    (1763805600123.5, 1763805600123500000),
    (1763805600123456, 1763805600123456 * 10**3),
    (1763805600123456789, 1763805600123456789),
    (1.7638056e18, 1763805600 * NS),
    ("1763805600", 1763805600 * NS),
    ("1763805600.123456789", 1763805600123456789),
    ("1763805600123", 1763805600123 * 10**6),
    ("1763805600123456789", 1763805600123456789),
    ("1.7638056e9", 1763805600 * NS),
    (0, 0),
    (-1, -NS),
    ("1e-999999999", 0),
    (None, NO_TIME),
    (pd.NaT, NO_TIME),
    (np.datetime64("NaT", "ns"), NO_TIME),
    (pd.Timestamp(MOMENT), ns(MOMENT)),
    (pd.Timestamp("2026-11-22 10:00:00.123456789"), ns(MOMENT)),
    (pd.Timestamp("2026-11-22 05:00:00.123456789", tz="US/Eastern"), ns(MOMENT)),
    (pd.Timestamp("1700-01-01").as_unit("s"), ns("1700-01-01")),
    (pd.Timestamp.max, 2**63 - 1),
    (np.datetime64("2026-11-22T10:00:00.123456789"), ns(MOMENT)),
    (np.datetime64("2026-11-22"), ns("2026-11-22")),
    (np.datetime64("2026-11"), ns("2026-11-01")),
    (np.datetime64("2026-11-22T10", "h"), ns("2026-11-22T10:00:00")),
    (np.datetime64(3, "W"), ns("1970-01-22")),
    (np.datetime64(1500, "ps"), 1),
    (datetime(2026, 11, 22, 10), ns("2026-11-22T10:00:00Z")),
    (datetime(2026, 11, 22, 10, tzinfo=UTC), ns("2026-11-22T10:00:00Z")),
    (datetime(2026, 11, 22, 10, tzinfo=timezone(timedelta(hours=2))), ns("2026-11-22T08:00Z")),
    (np.int64(1763805600), 1763805600 * NS),
    (np.float64(1763805600.5), 1763805600500000000),
    (np.float32(1.5), 1500000000),
    (Decimal("1763805600.123456789"), 1763805600123456789),
    (Fraction(3, 2), 1500000000),
]


@pytest.mark.parametrize(("value", "expected"), TIMES, ids=format_value)
def test_time_is_read_to_the_nanosecond(value: object, expected: int) -> None:
    """A time in any accepted form is exact to the nanosecond; without a zone it is UTC."""
    assert time_of(value) == expected


def test_time_ignores_the_decimal_context() -> None:
    """A program that computes with three decimal digits still gets exact times."""
    with localcontext(Context(prec=3)):
        assert time_of("1763805600.123456789") == 1763805600123456789
        assert time_of(Decimal("1763805600.123456789")) == 1763805600123456789


@pytest.mark.parametrize(
    "value",
    [
        "yesterday",
        "",
        "10:00",
        "2026-13-01",
        "2026-11-22T25:00",
        "2026-11-22T10:00:60",
        "2026-11-22.05",
        "2026-11-22.5",
        "2026-11-22T10:00:00+99:00",
        "3000-01-01",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "1600-01-01",
        "1e999999999",
        "1e99999999999999999999",
        "-1e99999",
        "NaN",
        "Infinity",
        "1_000",
        "１７６３８０５６００",
        math.nan,
        math.inf,
        1e300,
        10**30,
        -(10**30),
        10**5000,
        2**63,
        True,
        False,
        np.True_,
        [],
        {},
        b"2026-11-22",
        date(2026, 11, 22),
        timedelta(1),
        1j,
        Decimal("NaN"),
        Decimal("sNaN"),
        Decimal("Infinity"),
        Decimal("1e999999"),
        Fraction(10**400),
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))),
        datetime(9999, 1, 1),
        pd.Timestamp("3000-01-01"),
        pd.Timestamp("0001-01-01"),
        np.datetime64("3000-01-01"),
        np.datetime64("3000-01-01T00:00:00"),
        np.datetime64("1600-01-01T00:00:00.000"),
        np.datetime64(10**6, "Y"),
        np.datetime64(2**62, "s"),
        np.timedelta64(1, "s"),
        np.timedelta64(1763805600, "s"),
    ],
    ids=format_value,
)
def test_invalid_time_is_refused(value: object) -> None:
    """A tick with an invalid time, or one outside 1677 to 2262, is refused by that field."""
    batch = read_ticks([FIRST, {"symbol": "A", "price": 1, "time": value}, LAST])
    assert cells(batch, "symbol") == ["FIRST", "LAST"]
    assert [error.field for error in batch.errors] == ["time"]


def test_invalid_time_zone_is_refused() -> None:
    """A datetime with an invalid zone is refused."""

    class TwoDaysAhead(tzinfo):
        def utcoffset(self, _: datetime | None) -> timedelta:
            return timedelta(days=2)

    batch = read_ticks(
        {"symbol": "A", "price": 1, "time": datetime(2026, 1, 1, tzinfo=TwoDaysAhead())}
    )
    assert [error.field for error in batch.errors] == ["time"]


# --- what is refused ------------------------------------------------------------------------------

NINES = "9" * 30
BAD_TICKS = [
    # Not objects.
    ("null", "message"),
    ("1", "message"),
    ("1.5", "message"),
    ("true", "message"),
    ("[]", "message"),
    ("[[]]", "message"),
    ('[{"symbol":"A","price":1}]', "message"),
    ('"text"', "message"),
    ('""', "message"),
    # Symbols.
    ("{}", "symbol"),
    ('{"price":1}', "symbol"),
    ('{"Symbol":"A","price":1}', "symbol"),
    ('{"symbol":null,"price":1}', "symbol"),
    ('{"symbol":"","price":1}', "symbol"),
    ('{"symbol":"  ","price":1}', "symbol"),
    ('{"symbol":"\\t","price":1}', "symbol"),
    ('{"symbol":5,"price":1}', "symbol"),
    ('{"symbol":1.5,"price":1}', "symbol"),
    ('{"symbol":true,"price":1}', "symbol"),
    ('{"symbol":["A"],"price":1}', "symbol"),
    ('{"symbol":{"a":1},"price":1}', "symbol"),
    (f'{{"symbol":"{"x" * 65}","price":1}}', "symbol"),
    ('{"symbol":"A\\n","price":1}', "symbol"),
    ('{"symbol":"A\\u0000","price":1}', "symbol"),
    ('{"symbol":"A\\u007f","price":1}', "symbol"),
    ('{"symbol":"A\\u009b","price":1}', "symbol"),
    ('{"symbol":"\\ud800","price":1}', "symbol"),
    ('{"symbol":"","s":"A","price":1}', "symbol"),
    # No price.
    ('{"symbol":"A"}', "price"),
    ('{"symbol":"A","price":null}', "price"),
    ('{"symbol":"A","size":1}', "price"),
    ('{"symbol":"A","price":null,"bid":null,"ask":null}', "price"),
    ('{"symbol":"A","bid_size":1,"ask_size":2}', "price"),
    ('{"symbol":"A","trade_id":7}', "price"),
    ('{"symbol":"A","seq":7}', "price"),
    ('{"symbol":"A","temperature":null}', "price"),
    ('{"symbol":"A","temperature":"21.5"}', "price"),
    ('{"symbol":"A","on":true}', "price"),
    # Numbers.
    ('{"symbol":"A","price":NaN}', "price"),
    ('{"symbol":"A","price":Infinity}', "price"),
    ('{"symbol":"A","price":-Infinity}', "price"),
    ('{"symbol":"A","price":1e999}', "price"),
    ('{"symbol":"A","price":-1e999}', "price"),
    ('{"symbol":"A","p":NaN}', "p"),
    ('{"symbol":"A","last":true}', "last"),
    ('{"symbol":"A","price":true}', "price"),
    ('{"symbol":"A","price":false}', "price"),
    ('{"symbol":"A","price":""}', "price"),
    ('{"symbol":"A","price":"abc"}', "price"),
    ('{"symbol":"A","price":"NaN"}', "price"),
    ('{"symbol":"A","price":"inf"}', "price"),
    ('{"symbol":"A","price":"1e999"}', "price"),
    ('{"symbol":"A","price":"1,5"}', "price"),
    ('{"symbol":"A","price":" 1"}', "price"),
    ('{"symbol":"A","price":"1 "}', "price"),
    ('{"symbol":"A","price":"1_000"}', "price"),
    ('{"symbol":"A","price":"0x10"}', "price"),
    ('{"symbol":"A","price":"$1"}', "price"),
    ('{"symbol":"A","price":"١"}', "price"),
    ('{"symbol":"A","price":"1e"}', "price"),
    ('{"symbol":"A","price":"."}', "price"),
    ('{"symbol":"A","price":[1]}', "price"),
    ('{"symbol":"A","price":{}}', "price"),
    ('{"symbol":"A","price":18446744073709551616}', "price"),
    ('{"symbol":"A","price":-9223372036854775809}', "price"),
    (f'{{"symbol":"A","price":{NINES}}}', "price"),
    (f'{{"symbol":"A","price":-{"9" * 5000}}}', "price"),
    ('{"symbol":"A","bid":"x"}', "bid"),
    ('{"symbol":"A","ask":NaN}', "ask"),
    ('{"symbol":"A","price":1,"bid":"x"}', "bid"),
    ('{"symbol":"A","price":1,"size":-1}', "size"),
    ('{"symbol":"A","price":1,"size":"-0.5"}', "size"),
    ('{"symbol":"A","price":1,"size":NaN}', "size"),
    ('{"symbol":"A","price":1,"size":true}', "size"),
    ('{"symbol":"A","price":1,"size":[]}', "size"),
    ('{"symbol":"A","bid":1,"bid_size":-1}', "bid_size"),
    ('{"symbol":"A","ask":1,"ask_size":-1}', "ask_size"),
    ('{"symbol":"A","price":1,"volume":"x"}', "volume"),
    ('{"symbol":"A","price":1,"volume":Infinity}', "volume"),
    # Further fields.
    ('{"symbol":"A","price":1,"x":NaN}', "x"),
    ('{"symbol":"A","price":1,"x":1e999}', "x"),
    (f'{{"symbol":"A","price":1,"x":{NINES}}}', "x"),
    (f'{{"symbol":"A","price":1,"x":{"9" * 5000}}}', "x"),
    (f'{{"symbol":"A","price":1,"x":{"[" * 17}{"]" * 17}}}', "x"),
    ('{"symbol":"A","price":1,"x":' + '{"a":' * 17 + "1" + "}" * 18, "x"),
    # Times.
    ('{"symbol":"A","price":1,"time":true}', "time"),
    ('{"symbol":"A","price":1,"time":"today"}', "time"),
    ('{"symbol":"A","price":1,"time":NaN}', "time"),
    ('{"symbol":"A","price":1,"time":1e30}', "time"),
    (f'{{"symbol":"A","price":1,"time":{NINES}}}', "time"),
    ('{"symbol":"A","price":1,"time":[]}', "time"),
    ('{"symbol":"A","price":1,"time":""}', "time"),
]


@pytest.mark.parametrize(("bad", "field"), BAD_TICKS, ids=format_value)
def test_invalid_tick_is_refused_alone(bad: str, field: str) -> None:
    """In an array only the invalid tick is refused, with field, value and fix."""
    batch = read_ticks(f"[{json.dumps(FIRST)}, {bad}, {json.dumps(LAST)}]")
    assert cells(batch, "symbol") == ["FIRST", "LAST"]
    assert cells(batch, "price") == [1.0, 2.0]
    assert batch.refused == 1
    [error] = batch.errors
    assert error.field == field
    assert error.fix
    assert str(error).startswith(f"{field} ")
    assert error.fix in str(error)
    assert str(error).isprintable()
    assert len(str(error)) < 400


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "hello",
        "{",
        "[",
        "{]",
        '{"symbol":"A","price":1',
        '{"symbol":"A","price":1,}',
        '[{"symbol":"A","price":1},]',
        '{"symbol":"A" "price":1}',
        "{'symbol':'A','price':1}",
        '{symbol:"A",price:1}',
        '{"symbol":"A","price":01}',
        '{"symbol":"A","price":+1}',
        '{"symbol":"A","price":.5}',
        '{"symbol":"A","price":0x10}',
        '{"symbol":"A","price":nan}',
        '{"symbol":"A","price":1} {"symbol":"B","price":1}',
        '{"symbol":"A\n","price":1}',
        '{"symbol":"\\x41","price":1}',
        '\ufeff{"symbol":"A","price":1}',
        "\ud800",
        "<html></html>",
        "[" * 100_000,
        "[" * 100_000 + "]" * 100_000,
        '{"a":' * 100_000,
        b"\xff\xfe",
        b'{"symbol":"\xff","price":1}',
        '{"symbol":"A","price":1}'.encode("utf-16"),
        "None",
        "true",
        "1",
        '"A"',
        b"null",
        None,
        5,
        1.5,
        True,
        object(),
        len,
        pd.DataFrame,
        np.float64(1),
    ],
    ids=steady_id,
)
def test_message_without_ticks_is_refused(text: object) -> None:
    """A message without ticks is one refusal, which says what to send."""
    batch = read_ticks(text)
    assert (batch.count, batch.refused) == (0, 1)
    [error] = batch.errors
    assert error.field == "message"
    assert error.fix
    assert len(str(error)) < 400


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ({"symbol": "A", "price": b"1"}, "price"),
        ({"symbol": "A", "price": np.True_}, "price"),
        ({"symbol": "A", "price": 1j}, "price"),
        ({"symbol": "A", "price": pd.NA}, "price"),
        ({"symbol": "A", "price": pd.NaT}, "price"),
        ({"symbol": "A", "price": np.nan}, "price"),
        ({"symbol": "A", "price": np.float32("inf")}, "price"),
        ({"symbol": "A", "price": Decimal("NaN")}, "price"),
        ({"symbol": "A", "price": Decimal("sNaN")}, "price"),
        ({"symbol": "A", "price": Fraction(10**400)}, "price"),
        ({"symbol": "A", "price": 10**5000}, "price"),
        ({"symbol": "A", "price": np.array([1.0])}, "price"),
        ({"symbol": "A", "price": np.timedelta64(1, "s")}, "price"),
        ({"symbol": b"A", "price": 1}, "symbol"),
        ({"symbol": "A\udc80", "price": 1}, "symbol"),
        ({"symbol": "A", "price": 1, "x": Decimal("sNaN")}, "x"),
        ({"symbol": "A", "price": 1, "x": np.float64("nan")}, "x"),
        ({1: 2}, "message"),
        ({("symbol",): "A"}, "message"),
        ("not JSON", "message"),
        (b"\xff", "message"),
        ("[1", "message"),
        (None, "message"),
        (7, "message"),
    ],
    ids=format_value,
)
def test_invalid_object_is_refused_alone(value: object, field: str) -> None:
    """In a list of Python objects, or of JSON texts, only the invalid one is refused."""
    batch = read_ticks([FIRST, value, json.dumps(LAST)])
    assert cells(batch, "symbol") == ["FIRST", "LAST"]
    assert [error.field for error in batch.errors] == [field]
    assert batch.refused == 1


def test_refused_tick_leaves_nothing_behind() -> None:
    """No field of a refused tick is taken, also those before the invalid one."""
    batch = read_ticks([{"symbol": "A", "price": 1, "side": "b", "size": 2, "time": "bad"}, LAST])
    assert only(batch) == {"symbol": "LAST", "price": 2.0, "size": None}


def test_all_refusals_are_counted_and_the_first_kept() -> None:
    """All refusals are counted, and the first ten kept."""
    batch = read_ticks([{"symbol": "A", "price": str(n) + "x"} for n in range(1000)])
    assert batch.refused == 1000
    assert [error.value for error in batch.errors] == [f"{n}x" for n in range(MAX_ERRORS)]


def test_ticks_before_an_exception_are_taken() -> None:
    """When an iterable raises, the ticks before are taken and the error is reported."""

    def source() -> Iterator[object]:
        yield FIRST
        raise ConnectionError("lost")

    batch = read_ticks(source())
    assert cells(batch, "symbol") == ["FIRST"]
    assert batch.refused == 1
    assert "ConnectionError('lost')" in str(batch.errors[0])


def test_objects_that_raise_are_refused() -> None:
    """An object whose own methods raise is refused like any other."""

    class Hostile(dict[str, object]):
        def __getitem__(self, key: str) -> object:
            raise RuntimeError("no")

        def __repr__(self) -> str:
            raise RuntimeError("no")

    class Looks:
        @property
        def iloc(self) -> object:
            raise RuntimeError("no")

    batch = read_ticks([Hostile(symbol="A", price=1), FIRST])
    assert cells(batch, "symbol") == ["FIRST"]
    assert batch.refused == 1
    assert read_ticks(Looks()).refused == 1


def test_plans_stay_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ticks with ever new field names don't fill the memory with plans."""
    monkeypatch.setattr(BatchBuilder, "_plans", {})
    for n in range(1500):
        read_ticks({"symbol": "A", "price": 1, f"field{n}": 1})
    read_ticks({"symbol": "A", "price": 1, "y" * 5000: 1})
    assert 0 < len(BatchBuilder._plans) <= 1000
    assert all(sum(map(len, keys)) < 5000 for keys in BatchBuilder._plans)
    assert read_ticks({"symbol": "A", "price": 1, "never_seen": 2}).columns["never_seen"] == [2.0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("5", True), ("-1.5e3", True), (".5", True), ("", False), ("nan", False), ("1 ", False)],
)
def test_is_number_accepts_the_notation_of_json(text: str, expected: bool) -> None:
    """Numeric text is what JSON or a venue writes, not all that `float` takes."""
    assert is_number(text) is expected


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_number_text_reads_back(value: float) -> None:
    """A number that becomes text in a text column reads back as the same number."""
    assert float(number_text(value)) == value
    assert is_number(number_text(value))


# --- batches --------------------------------------------------------------------------------------


def test_part_and_where_select_rows() -> None:
    """Parts of a batch keep every column; a slice shares the arrays."""
    batch = read_ticks([{"s": f"S{n}", "p": n, "time": n, "side": "ab"[n % 2]} for n in range(6)])
    part = batch.part(2, 5)
    assert (part.count, cells(part, "symbol")) == (3, ["S2", "S3", "S4"])
    assert part.time.tolist() == [2 * NS, 3 * NS, 4 * NS]
    price = part.columns["price"]
    assert isinstance(price, np.ndarray)
    assert np.shares_memory(price, np.asarray(batch.columns["price"]))
    some = batch.where(np.array([True, False, False, True, False, False]))
    assert (some.count, cells(some, "price"), cells(some, "side")) == (2, [0.0, 3.0], ["a", "b"])


def test_text_is_encoded_in_order_of_appearance() -> None:
    """The words of a column have the order in which they first came."""
    text = Text.of(["b", None, "a", "b"])
    assert text.words == ["b", "a"]
    assert text.codes.tolist() == [0, -1, 1, 0]


# --- frames ---------------------------------------------------------------------------------------


def frame(**columns: object) -> pd.DataFrame:
    """Return a frame of three valid ticks, with these columns added or replaced."""
    return pd.DataFrame({"symbol": ["A", "B", "C"], "price": [1.0, 2.0, 3.0], **columns})


def objects(*values: object) -> pd.Series[Any]:
    """Return a column that holds Python objects as they are."""
    return pd.Series(list(values), dtype=object)


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ([1, 2, 3], [1.0, 2.0, 3.0]),
        (np.array([1, 2, 3], dtype=np.uint8), [1.0, 2.0, 3.0]),
        (np.array([1, 2, 3], dtype=np.float32), [1.0, 2.0, 3.0]),
        ([1.5, np.nan, 3.0], [1.5, None, 3.0]),
        (pd.array([1, None, 3], dtype="Int64"), [1.0, None, 3.0]),
        (pd.array([1.5, None, 3], dtype="Float64"), [1.5, None, 3.0]),
        (pd.arrays.SparseArray([1.0, np.nan, 3.0]), [1.0, None, 3.0]),
        (["1.5", "2", None], [1.5, 2.0, None]),
        (objects(1, "2", None), [1.0, 2.0, None]),
        (objects(Decimal(1), pd.NA, np.float32(2)), [1.0, None, 2.0]),
        (pd.Categorical([1, None, 2]), [1.0, None, 2.0]),
        (pd.Categorical(["1", None, "2"]), [1.0, None, 2.0]),
    ],
    ids=format_value,
)
@pytest.mark.parametrize("name", ["price", "size", "bid", "ask", "ask_size", "volume"])
def test_frame_numbers_are_read_from_any_dtype(
    name: str, column: object, expected: list[object]
) -> None:
    """A column of numbers is read whatever its dtype; a missing value means none."""
    batch = read_ticks(frame(**{"last": 9.0, "bid": 9.0, name: column}))
    assert (batch.count, batch.refused) == (3, 0)
    assert cells(batch, name) == expected


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ([1, 2, 3], [1.0, 2.0, 3.0]),
        ([2**53, 2, 3], [2.0**53, 2.0, 3.0]),
        ([2**53 + 1, 2, 3], [2**53 + 1, 2, 3]),
        ([2**64 - 1, 2, 3], ["18446744073709551615", "2", "3"]),
        ([-(2**63), 2, 3], ["-9223372036854775808", "2", "3"]),
        (np.array([2**64 - 1, 0, 0], dtype=np.uint64), ["18446744073709551615", "0", "0"]),
        (pd.array([1, None, 3], dtype="Int64"), [1.0, None, 3.0]),
        (objects(1, None, 2.5), [1.0, None, 2.5]),
        ([True, False, True], ["true", "false", "true"]),
        (pd.array([True, None, False], dtype="boolean"), ["true", None, "false"]),
        (["a", None, "b"], ["a", None, "b"]),
        (pd.Categorical(["a", None, "b"]), ["a", None, "b"]),
        (pd.array(["a", None, "b"], dtype="string"), ["a", None, "b"]),
        (objects(1, "a", None), ["1", "a", None]),
        (objects("\ud800", "ä", None), ["?", "ä", None]),
        (
            pd.to_datetime(["2026-01-01", None, "2026-01-02"]),
            ["2026-01-01 00:00:00", None, "2026-01-02 00:00:00"],
        ),
        (pd.period_range("2026-01", periods=3, freq="M"), ["2026-01", "2026-02", "2026-03"]),
    ],
    ids=format_value,
)
def test_frame_further_columns_are_numbers_or_text(column: object, expected: list[object]) -> None:
    """A further column of numbers stays one unless they are too large; others become text."""
    batch = read_ticks(frame(x=column))
    assert (batch.count, batch.refused, batch.misfits) == (3, 0, {})
    assert cells(batch, "x") == expected


@pytest.mark.parametrize("column", [[None] * 3, [np.nan] * 3, pd.array([None] * 3, dtype="Int64")])
def test_frame_columns_without_a_value_are_left_out(column: object) -> None:
    """A column without a value is left out, since its type isn't known."""
    assert "x" not in read_ticks(frame(x=column)).columns


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("x", objects([1], [2], None)),
        ("x", objects({}, {}, None)),
        ("x" * 65, ["a", "b", None]),
        ("a\nb", [1, 2, None]),
        ("half\ud800", [1, 2, None]),
        ("", [1, 2, None]),
    ],
    ids=["lists", "dicts", "long", "control", "surrogate", "empty"],
)
def test_frame_misfits_are_counted(name: str, column: object) -> None:
    """A column of nested values, or with an impossible name, is left out and counted."""
    given_ = frame(x=column)
    given_.columns = pd.Index(["symbol", "price", name], dtype=object)
    batch = read_ticks(given_)
    assert (batch.count, batch.refused, batch.misfits) == (3, 0, {name: 2})


@pytest.mark.parametrize(
    ("columns", "bad_rows", "field"),
    [
        ({"symbol": ["A", "", "C"]}, [1], "symbol"),
        ({"symbol": ["A", None, "C"]}, [1], "symbol"),
        ({"symbol": ["A", "x" * 65, "\n"]}, [1, 2], "symbol"),
        ({"symbol": objects(1, "B", True)}, [0, 2], "symbol"),
        ({"symbol": objects(["A"], "B", {})}, [0, 2], "symbol"),
        ({"symbol": objects("\ud800", "B", "C")}, [0], "symbol"),
        ({"symbol": [1, 2, 3]}, [0, 1, 2], "symbol"),
        ({"symbol": pd.Categorical(["A", None, " "])}, [1, 2], "symbol"),
        ({"price": [1.0, np.inf, -np.inf]}, [1, 2], "price"),
        ({"price": [1.0, np.nan, 3.0]}, [1], "price"),
        ({"price": ["1", "x", None]}, [1, 2], "price"),
        ({"price": [True, False, True]}, [0, 1, 2], "price"),
        ({"price": objects(1, True, [2])}, [1, 2], "price"),
        ({"price": objects(1, 2**64, 10**400)}, [1, 2], "price"),
        ({"price": pd.to_timedelta([1, 2, 3])}, [0, 1, 2], "price"),
        ({"price": [1j, 2j, 3j]}, [0, 1, 2], "price"),
        ({"size": [1, -1, 0]}, [1], "size"),
        ({"bid_size": [np.nan, -0.5, 0]}, [1], "bid_size"),
        ({"size": ["1", "-1", "x"]}, [1, 2], "size"),
        ({"bid": [1.0, np.inf, np.nan]}, [1], "bid"),
        ({"x": [1.0, np.inf, np.nan]}, [1], "x"),
        ({"time": ["2026-01-01", "bad", None]}, [1], "time"),
        ({"time": objects(1, True, [])}, [1, 2], "time"),
        ({"time": [1e9, np.inf, np.nan]}, [1], "time"),
        ({"time": np.array(["2026", "3000", "NaT"], "datetime64[s]")}, [1], "time"),
        ({"time": pd.to_timedelta([1, 2, 3])}, [0, 1, 2], "time"),
        ({"time": pd.period_range("2026-01", periods=3)}, [0, 1, 2], "time"),
    ],
    ids=format_value,
)
def test_frame_errors_name_their_rows(
    columns: dict[str, object], bad_rows: list[int], field: str
) -> None:
    """Only the invalid rows of a frame are refused, each error with field, row and fix."""
    given_ = frame(**columns)
    batch = read_ticks(given_)
    good = [row for row in range(3) if row not in bad_rows]
    assert (batch.count, batch.refused) == (len(good), len(bad_rows))
    assert cells(batch, "symbol") == [given_["symbol"][row] for row in good]
    assert {error.field for error in batch.errors} == {field}
    named = [int(str(error).rpartition("row ")[2].split()[0]) for error in batch.errors]
    assert sorted(named) == bad_rows
    assert len(batch.time) == batch.count
    assert all(len(cells(batch, name)) == batch.count for name in batch.columns)


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pd.to_datetime([MOMENT, None, MOMENT]), [ns(MOMENT), NO_TIME, ns(MOMENT)]),
        (pd.to_datetime(["2026-01-01"] * 3), [ns("2026-01-01")] * 3),
        (
            pd.to_datetime(["2026-01-01"] * 3).tz_localize("US/Eastern"),
            [ns("2026-01-01T05:00Z")] * 3,
        ),
        (pd.to_datetime(["2026-01-01"] * 3).as_unit("s"), [ns("2026-01-01")] * 3),
        ([MOMENT, None, "1763805600"], [ns(MOMENT), NO_TIME, 1763805600 * NS]),
        ([1, 2, 3], [NS, 2 * NS, 3 * NS]),
        ([1.5, np.nan, 3], [1500000000, NO_TIME, 3 * NS]),
        (objects(pd.Timestamp(MOMENT), pd.NaT, 1), [ns(MOMENT), NO_TIME, NS]),
    ],
    ids=format_value,
)
def test_frame_times_are_read_from_any_dtype(column: object, expected: list[int]) -> None:
    """A frame's times may be datetimes of any unit and zone, text or epochs."""
    batch = read_ticks(frame(time=column))
    assert batch.refused == 0
    assert batch.time.tolist() == expected


def test_frame_columns_have_the_aliases_of_a_tick() -> None:
    """A frame's columns have the aliases of a tick; the log's own columns are left out."""
    given_ = pd.DataFrame({"sym": ["A"], "last": [1.0], "seq": 7, "epoch": "e", "received": 0})
    assert only(read_ticks(given_)) == {"symbol": "A", "price": 1.0, "size": None}


@pytest.mark.parametrize("name", ["Price", "temperature", "volume", "cpu %"])
def test_any_number_makes_a_tick(name: str) -> None:
    """A tick needs a symbol and one number of any name, in a frame as in JSON."""
    from_json = read_ticks([{"symbol": "A", name: 21.5}, {"symbol": "A", "size": 1}])
    given_ = pd.DataFrame({"symbol": ["A", "A"], name: [21.5, np.nan], "size": [np.nan, 1.0]})
    for batch in (from_json, read_ticks(given_)):
        assert cells(batch, name) == [21.5]
        assert cells(batch, "price") == [None]
        [error] = batch.errors
        assert (error.field, error.problem) == ("price", "is missing")
        assert error.fix.startswith("give a price, a bid, an ask, or another field")


def test_whole_numbers_beyond_a_float_make_a_tick_of_a_frame() -> None:
    """A frame's column of large integers holds the numbers of its ticks."""
    large = pd.array([2**60, None], dtype="Int64")
    batch = read_ticks(pd.DataFrame({"symbol": ["A", "A"], "count": large}))
    assert (batch.count, batch.refused) == (1, 1)


def test_frame_without_a_number_is_refused() -> None:
    """Text, sizes, ids and the log's own columns make no tick."""
    given_ = pd.DataFrame({"symbol": ["A"], "note": "x", "size": 1, "trade_id": 7, "seq": 7})
    batch = read_ticks(given_)
    assert (batch.count, [error.field for error in batch.errors]) == (0, ["price"])


def test_frame_of_quotes_needs_no_price() -> None:
    """A row is a tick if it has a price, a bid or an ask."""
    given_ = frame(price=[np.nan] * 3, bid=[1.0, np.nan, np.nan], ask=[np.nan, 2.0, np.nan])
    batch = read_ticks(given_)
    assert cells(batch, "symbol") == ["A", "B"]
    assert [error.field for error in batch.errors] == ["price"]


@pytest.mark.parametrize(
    "given_",
    [
        pd.DataFrame([[1, 2], [3, 4]]),
        pd.DataFrame({"price": [1.0, 2.0]}),
        pd.DataFrame(
            [["A", 1], ["B", 2]], columns=pd.MultiIndex.from_tuples([("symbol", 1), ("price", 1)])
        ),
    ],
    ids=["numbered", "no symbol", "two levels"],
)
def test_frame_without_symbols_is_refused(given_: pd.DataFrame) -> None:
    """A frame without a column of symbols is refused, with each row counted."""
    batch = read_ticks(given_)
    assert (batch.count, batch.refused) == (0, 2)
    assert batch.errors[0].field == "symbol"


def test_batch_of_a_frame_names_the_rows_that_were_kept() -> None:
    """`kept` holds the rows of the frame that the ticks are, None where none was refused."""
    assert read_ticks(frame()).kept is None
    kept = read_ticks(frame(price=[1.0, np.nan, 3.0])).kept
    assert kept is not None
    assert kept.tolist() == [0, 2]
    kept = read_ticks(pd.DataFrame({"price": [1.0, 2.0]})).kept
    assert kept is not None
    assert kept.tolist() == []


def test_last_of_two_equal_column_names_counts() -> None:
    """Of two columns with the same name the last counts, as in JSON."""
    given_ = pd.DataFrame([["A", 1, 2]], columns=["symbol", "price", "price"])
    assert only(read_ticks(given_))["price"] == 2.0


def test_frame_and_dicts_give_the_same_ticks() -> None:
    """The rows of a frame, given as dicts, are read as the same ticks."""
    given_ = frame(size=[1.0, 2.0, 3.0], side=["b", "s", "b"], x=[1, 2, 3], time=[MOMENT] * 3)
    one, other = read_ticks(given_), read_ticks(given_.to_dict("records"))
    assert one.time.tolist() == other.time.tolist()
    assert {n: cells(one, n) for n in one.columns} == {n: cells(other, n) for n in other.columns}


# --- whatever is given ----------------------------------------------------------------------------

NAMES = "symbol s sym ticker price p last bid ask size bid_size volume time seq received side x"
FIELDS = st.sampled_from([*NAMES.split(), ""])
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=70)
JSON_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | ANY_TEXT
    | st.sampled_from(["A", "AAPL", "1.5", "-1", "NaN", MOMENT, "1763805600"])
)
PYTHON_LEAVES = (
    JSON_LEAVES
    | st.binary(max_size=20)
    | st.decimals()
    | st.fractions()
    | st.complex_numbers()
    | st.datetimes(allow_imaginary=False)
    | st.dates()
    | st.timedeltas()
    | st.builds(np.float32, st.floats(width=32))
    | st.builds(np.int64, st.integers(-(2**63), 2**63 - 1))
    | st.builds(np.datetime64, st.integers(-(2**63) + 1, 2**63 - 1), st.sampled_from(["s", "ns"]))
    | st.builds(np.str_, ANY_TEXT)
    | st.sampled_from([pd.NA, pd.NaT, np.nan, np.True_, pd.Timestamp(MOMENT), object()])
    | st.builds(pow, st.just(10), st.just(5000))
)


def nested(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return a strategy of lists and dicts of leaves, many of which look like ticks."""
    return st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(FIELDS | ANY_TEXT, inner, max_size=6)
            | st.fixed_dictionaries(
                {"symbol": st.just("A") | inner, "price": st.just(1.5) | inner},
                optional={"size": inner, "time": inner, "bid": inner, "x": inner},
            )
        ),
        max_leaves=20,
    )


def check(batch: Batch) -> None:
    """Assert what holds for every batch: complete columns, valid values, refusals that help."""
    assert len(batch.time) == batch.count
    assert {"symbol", "price", "size"} <= set(batch.columns)
    for name, column in batch.columns.items():
        assert len(cells(batch, name)) == batch.count
        if isinstance(column, Text):
            assert all(type(word) is str for word in column.words)
            "".join(column.words).encode()
        else:
            assert column.dtype in (np.float64, np.int64)
            assert not np.isinf(column).any()
    assert all(symbol.strip() and len(symbol) <= 64 for symbol in cells(batch, "symbol"))
    values = [cells(batch, name) for name in batch.columns if may_be_value(name)]
    assert all(any(value is not None for value in row) for row in zip(*values, strict=True))
    assert not (np.asarray(batch.columns["size"]) < 0).any()
    assert min(batch.refused, 1) <= len(batch.errors) <= min(batch.refused, MAX_ERRORS)
    for error in batch.errors:
        assert error.field or error.field == ""
        assert error.fix
        assert str(error)


@settings(SETTINGS, max_examples=examples(300))
@given(nested(PYTHON_LEAVES))
def test_any_object_is_read_without_raising(value: object) -> None:
    """Any Python object is read as ticks, or refused."""
    check(read_ticks(value))
    check(read_ticks([value, FIRST]))


@settings(SETTINGS, max_examples=examples(300))
@given(nested(JSON_LEAVES))
def test_any_json_is_read_without_raising(value: object) -> None:
    """Any JSON, or what Python accepts as JSON, is read as ticks, or refused."""
    text = json.dumps(value)
    batch = read_ticks(text)
    check(batch)
    again = read_ticks(text.encode())
    assert (again.count, again.refused) == (batch.count, batch.refused)


@settings(SETTINGS, max_examples=examples(300))
@given(st.binary(max_size=200) | ANY_TEXT)
def test_any_bytes_are_read_without_raising(value: bytes | str) -> None:
    """Any bytes or text are read as ticks, or refused."""
    check(read_ticks(value))


@settings(SETTINGS, max_examples=examples(150))
@given(
    st.integers(0, 4).flatmap(
        lambda rows: st.dictionaries(
            FIELDS | st.text(max_size=70),
            st.lists(PYTHON_LEAVES | st.lists(st.none()), min_size=rows, max_size=rows),
            max_size=5,
        )
    ),
    st.booleans(),
)
def test_any_frame_is_read_without_raising(
    columns: dict[str, list[object]], with_symbols: bool
) -> None:
    """Any DataFrame of objects is read as ticks, or refused by row."""
    given_ = pd.DataFrame({name: objects(*values) for name, values in columns.items()})
    if with_symbols:
        given_["symbol"], given_["price"] = "A", 1.0
    batch = read_ticks(given_)
    check(batch)
    if batch.errors and batch.errors[0].field != "message":
        assert batch.count + batch.refused == len(given_)


# --- real markets ---------------------------------------------------------------------------------


def test_every_recorded_frame_is_read_or_refused_by_field(recorded: Path) -> None:
    """No recorded frame of any venue raises; every refusal names a field and a fix."""
    frames, taken = 0, Counter[str]()
    for path in recordings(recorded):
        for number, text in enumerate(wire_texts(path)):
            if number == 3000:
                break
            batch = read_ticks(text)
            frames += 1
            taken[path.name] += batch.count
            assert batch.count or batch.refused or text in ("[]", "{}")
            assert all(error.field and error.fix for error in batch.errors)
    assert frames > 10_000
    # Gemini's trades are the only ones that need no translation. Bitfinex's answers to requests
    # look like ticks: they have a symbol, and the channel's id as a number.
    assert +taken == {"gemini_v2-all.jsonl.gz": 16, "bitfinex_v2-all.jsonl.gz": 21}


def test_index_of_datetimes_is_the_time() -> None:
    """A frame indexed by time keeps its times, unless a column is named time."""
    index = pd.DatetimeIndex(["2024-03-01 10:00", "2024-03-01 10:01"], tz="America/New_York")
    frame = pd.DataFrame({"symbol": ["AAPL", "AAPL"], "price": [1.0, 2.0]}, index=index)
    assert read_ticks(frame).time.tolist() == index.as_unit("ns").asi8.tolist()
    assert read_ticks(frame.assign(time=[1, 2])).time.tolist() == [10**9, 2 * 10**9]
    assert "time" not in frame.columns


@pytest.mark.parametrize("text", ["{}x", "1.{}x", "1e{}x", "{}.{}.", "2026-11-22T10:00:00.{}x"])
def test_long_text_of_digits_is_read_in_linear_time(text: str) -> None:
    """Text that is almost a number is refused at once, however long it is."""
    digits = text.replace("{}", "1" * 100_000)
    batch = read_ticks(
        [{"s": "A", "p": digits}, {"s": "A", "p": 1, "time": digits}, {"s": "A", "p": 1}]
    )
    assert (batch.count, batch.refused) == (1, 2)
