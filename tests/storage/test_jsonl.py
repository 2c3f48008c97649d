"""JSON lines: one object for each tick, for any program, and back without a loss."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numbered import gaps, ticks

import tickerkit as tk
from tickerkit.log import Gap, gap_frame
from tickerkit.storage import load, write_csv, write_jsonl
from tickerkit.storage.sidecar import sidecar_path
from tickerkit.storage.verify import verify


def test_each_line_is_the_object_of_a_tick(tmp_path: Path) -> None:
    """Numbers are numbers, times ISO-8601 text, missing values null."""
    frame = ticks(1, 2).assign(size=[5.0, np.nan], note=pd.Categorical(['q"\n', None]))
    path = write_jsonl(frame, tmp_path / "t.jsonl")
    first, second = map(json.loads, path.read_text().splitlines())
    assert first == {
        "seq": 1,
        "time": "2025-11-24T10:00:00.001000000Z",
        "symbol": "S1",
        "price": 0.5,
        "epoch": "e1",
        "size": 5,
        "note": 'q"\n',
    }
    assert (second["size"], second["note"]) == (None, None)


def test_recording_converted_to_json_lines_and_back_is_identical(tmp_path: Path) -> None:
    """The CSV is the same to the byte, and so are the gaps."""
    time = pd.to_datetime([10**18 + n for n in range(6)], utc=True)
    frame = pd.DataFrame(
        {
            "seq": [1, 2, 5, 6, 1, 2],
            "time": time,
            "symbol": pd.Categorical(["A", "=1+1", 'q"', "é,", "A", "NA"]),
            "price": [0.1, float("nan"), 1e-9, -0.0, 12345678901234567890.0, 3.0],
            "size": [1.0, float("nan"), 2.5, 0.0, 1.0, 1.0],
            "received": pd.to_datetime([1, 1, 1, 2, 3, 3], utc=True).astype("datetime64[ns, UTC]"),
            "epoch": pd.Categorical(["x", "x", "x", "x", "y", "y"]),
            "bid": [float("nan"), 2.0, *[float("nan")] * 4],
            "venue": pd.Categorical([None, "V", None, "W", None, None]),
        }
    )
    gaps = gap_frame(
        [
            Gap("x", 3, 4, "one", 10**18 + 1, 10**18 + 2),
            Gap("x", 7, None, "two", 10**18 + 3, 10**18 + 4),
            Gap("y", 3, 9, "three", 10**18 + 5, None),
        ]
    )
    write_csv(frame, tmp_path / "a.csv", gaps=gaps)
    first = load(tmp_path / "a.csv")
    write_jsonl(first.frame, tmp_path / "a.jsonl.zst", gaps=first.gaps, symbols=["A"])
    second = load(tmp_path / "a.jsonl.zst")
    assert second.symbols == ["A"]
    write_csv(second.frame, tmp_path / "b.csv", gaps=second.gaps)
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    pd.testing.assert_frame_equal(second.gaps, first.gaps)
    with pytest.raises(tk.RecordingExists):
        write_jsonl(first.frame, tmp_path / "a.jsonl.zst")


def test_frame_of_any_types_comes_back(tmp_path: Path) -> None:
    """Infinities, large integers, booleans, empty frames and missing values are kept."""
    frame = ticks(1, 2).assign(
        price=[np.inf, -np.inf],
        trade=pd.array([2**63 - 1, None], dtype="Int64"),
        is_maker=[True, False],
        code=pd.Categorical(["7", ""]),
    )
    for index, each in enumerate((frame, frame.iloc[:0])):
        path = write_jsonl(each, tmp_path / f"{index}.jsonl.gz")
        pd.testing.assert_frame_equal(load(path).frame.astype(each.dtypes), each)
        assert load(path).warning is None


def test_lines_of_another_program_are_read(tmp_path: Path) -> None:
    """Keys may differ from line to line; columns get types as in another program's CSV."""
    path = tmp_path / "t.jsonl"
    path.write_text('{"s":"A","p":1,"t":5}\n\n{"s":"B","p":"2.5","note":"x"}\n')
    frame = load(path).frame
    assert frame["s"].tolist() == ["A", "B"]
    assert frame["p"].tolist() == [1.0, 2.5]
    assert frame["t"].isna().tolist() == [False, True]
    path.write_text('{"s":"A","p":1}\n{"s":"B","p":"much"}\n')
    with pytest.raises(tk.RecordingError, match="p in row 2 is 'much'"):
        load(path)


def test_damaged_lines_are_left_out_and_named(tmp_path: Path) -> None:
    """All others are read, and `verify` finds the seq that is missing."""
    path = write_jsonl(ticks(1, 2, 3, 4), tmp_path / "t.jsonl", gaps=gaps((9, 9)))
    text = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([text[0], b"?" + text[1], text[2], text[3][:-9]]))
    report = verify(path)
    assert report.rows == 2
    assert {each.kind for each in report.problems} == {"damaged", "torn", "unlisted gap"}
    sidecar_path(path).unlink()
    assert load(path).frame["seq"].tolist() == [1, 3]


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    """As in CSV: the second value would replace the first one, and no file is made."""
    frame = ticks(1, 2)
    frame.columns = pd.Index([*frame.columns[:-1], "price"])
    with pytest.raises(ValueError, match="Two columns are named 'price'"):
        write_jsonl(frame, tmp_path / "t.jsonl")
    assert list(tmp_path.iterdir()) == []


def test_json_lines_are_not_appended_to(tmp_path: Path) -> None:
    """The error names the accepted modes."""
    with pytest.raises(ValueError, match="mode='append'"):
        write_jsonl(ticks(1), tmp_path / "t.jsonl", mode="append")
