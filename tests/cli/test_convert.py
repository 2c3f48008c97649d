"""`tickerkit convert`: recordings in another format, combined, or in part."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from numbered import gaps, ticks

import tickerkit as tk
from tickerkit.cli import main
from tickerkit.cli.interrupt import interrupt
from tickerkit.storage import convert, load, write_csv, write_parquet
from tickerkit.storage.scan import Scan
from tickerkit.storage.verify import verify

FORMATS = ["o.csv", "o.csv.gz", "o.csv.zst", "o.parquet"]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Return a recording with a gap, a source and symbols."""
    about = {"gaps": gaps((4, 9)), "source": "ws://here", "symbols": ["S0", "S1", "S2"]}
    return write_csv(ticks(1, 2, 3, 10, 11, 12), tmp_path / "ticks.csv", **about)  # type: ignore[arg-type]


def run(*arguments: object) -> int:
    """Run the command."""
    return main(["convert", *map(str, arguments)])


@pytest.mark.parametrize("name", FORMATS)
def test_conversion_loses_nothing(recording: Path, tmp_path: Path, name: str) -> None:
    """Ticks, gaps, source and symbols are the same in every format, there and back."""
    assert run(recording, tmp_path / name) == 0
    assert run(tmp_path / name, tmp_path / "back.csv") == 0
    before = load(recording)
    for path in (tmp_path / name, tmp_path / "back.csv"):
        after = load(path)
        pd.testing.assert_frame_equal(after.frame, before.frame)
        pd.testing.assert_frame_equal(after.gaps, before.gaps)
        assert (after.source, after.symbols) == (before.source, before.symbols)


def test_lines_of_json_convert_back_to_the_same_ticks(recording: Path, tmp_path: Path) -> None:
    """Ticks and gaps survive the way to lines of JSON and back."""
    assert run(recording, tmp_path / "o.jsonl.gz") == 0
    assert run(tmp_path / "o.jsonl.gz", tmp_path / "back.csv") == 0
    before, after = load(recording), load(tmp_path / "back.csv")
    for name in ("seq", "time", "symbol", "price", "epoch"):
        assert after.frame[name].tolist() == before.frame[name].tolist(), name
    for name in ("epoch", "from", "to", "reason"):
        assert after.gaps[name].tolist() == before.gaps[name].tolist(), name


def test_result_is_one_line(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line has the counts of ticks, symbols and gaps, and the size."""
    out = tmp_path / "new" / "o.parquet"
    assert run(recording, out) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"wrote {out}: 6 ticks of 3 symbols, 1 gap, ")
    assert printed.count("\n") == 1


def test_several_recordings_are_combined_in_order(recording: Path, tmp_path: Path) -> None:
    """Every name but the last is read, also a folder."""
    folder = tmp_path / "more"
    write_parquet(ticks(1, 2, epoch="e2"), folder / "1.parquet")
    write_csv(ticks(3, 4, epoch="e2"), folder / "2.csv")
    assert run(recording, folder, tmp_path / "o.csv") == 0
    frame = load(tmp_path / "o.csv").frame
    assert frame["seq"].tolist() == [1, 2, 3, 10, 11, 12, 1, 2, 3, 4]
    assert frame["epoch"].tolist() == ["e1"] * 6 + ["e2"] * 4
    assert len(load(tmp_path / "o.csv").gaps) == 1


def test_ticks_that_are_missing_between_files_become_a_gap(tmp_path: Path) -> None:
    """Whatever their names and their order; in a recording of some symbols that isn't known."""
    one = write_csv(ticks(1, 2), tmp_path / "one.csv")
    two = write_parquet(ticks(8, 9), tmp_path / "two.parquet", gaps=gaps((3, 4)))
    other = write_csv(ticks(1, 2, epoch="e2"), tmp_path / "other.csv")
    assert run(two, other, one, tmp_path / "o.csv") == 0
    found = load(tmp_path / "o.csv").gaps
    assert list(zip(found["from"], found["to"], strict=True)) == [(5, 7), (3, 4)]
    assert found["reason"].tolist() == ["missing between two files of the recording", "lost"]
    assert not [each for each in verify(tmp_path / "o.csv").problems if each.kind != "order"]
    some = write_csv(ticks(20, 21), tmp_path / "some.csv", symbols=["S0", "S2"])
    assert run(one, some, tmp_path / "o.csv", "--overwrite") == 0
    assert len(load(tmp_path / "o.csv").gaps) == 0


def test_symbols_and_times_select_a_part(recording: Path, tmp_path: Path) -> None:
    """A time without a date is on the first recorded day."""
    out = tmp_path / "o.csv"
    assert run(recording, out, "--symbols", "S0, S1") == 0
    assert load(out).frame["seq"].tolist() == [1, 3, 10, 12]
    assert load(out).symbols == ["S0", "S1"]
    for start, end in [
        ("2025-11-24 10:00:00.002", "2025-11-24T11:00:00.011+01:00"),
        ("10:00:00.002", "10:00:00.011"),
    ]:
        assert run(recording, out, "--overwrite", "--from", start, "--to", end) == 0
        assert load(out).frame["seq"].tolist() == [2, 3, 10]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize(
    ("chosen", "options"),
    [
        ({"last": "15min"}, ["--from", "2026-11-24T10:35"]),
        ({"start": "2026-11-24T10:35"}, ["--from", "2026-11-24T10:35"]),
        ({"end": "2026-11-24T10:25"}, ["--to", "2026-11-24T10:25"]),
        (
            {"start": "2026-11-24T10:10", "end": "2026-11-24T10:45"},
            ["--from", "2026-11-24T10:10", "--to", "2026-11-24T10:45"],
        ),
    ],
    ids=["last", "start", "end", "both"],
)
def test_part_is_that_of_an_export(
    tmp_path: Path, suffix: str, chosen: dict[str, str], options: list[str]
) -> None:
    """`feed.to_csv` and the command select by one rule, and list late ticks that they leave out."""
    server = tk.serve(port=0)
    for minute in (0, 10, 20, 30, 5, 40, 22, 50):
        server.publish({"symbol": "A", "price": 1, "time": f"2026-11-24T10:{minute:02}:00Z"})
    with tk.connect(server.url) as feed:
        feed.wait(8)
    write = feed.to_csv if suffix == ".csv" else feed.to_parquet
    exported = write(tmp_path / f"part{suffix}", **chosen)  # type: ignore[operator]
    whole = feed.to_csv(tmp_path / "whole.csv")
    assert run(whole, tmp_path / f"converted{suffix}", *options) == 0
    one, other = load(exported), load(tmp_path / f"converted{suffix}")
    pd.testing.assert_frame_equal(one.frame, other.frame, check_categorical=False)
    pd.testing.assert_frame_equal(one.gaps, other.gaps)
    assert len(one.gaps)
    assert main(["verify", str(exported)]) == 1
    assert main(["verify", str(exported), "--gaps-ok"]) == 0


def test_empty_part_is_reported(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A part without ticks is most likely a mistake, so stderr names the options."""
    assert run(recording, tmp_path / "o.csv", "--from", "2030-01-01") == 0
    assert "--from selects none of 6 ticks" in capsys.readouterr().err
    assert len(load(tmp_path / "o.csv").frame) == 0


def test_existing_file_needs_overwrite_or_append(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An existing file is an error without --overwrite or --append."""
    out = write_csv(ticks(1), tmp_path / "o.csv")
    assert run(recording, out) == 1
    assert "exists; pass --overwrite or --append" in capsys.readouterr().err
    assert len(load(out).frame) == 1
    assert run(recording, out, "--append") == 0
    assert load(out).frame["seq"].tolist() == [1, 1, 2, 3, 10, 11, 12]
    assert run(recording, out, "--overwrite") == 0
    assert len(load(out).frame) == 6


def test_damage_is_reported_and_the_rest_converted(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The warning is on stderr, and the exit code is 1."""
    recording.write_bytes(recording.read_bytes().replace(b"2,2025", b"x,2025", 1))
    assert run(recording, tmp_path / "o.parquet") == 1
    assert "line 3: unreadable" in capsys.readouterr().err
    assert load(tmp_path / "o.parquet").frame["seq"].tolist() == [1, 3, 10, 11, 12]


def test_escape_formulas_writes_a_csv_for_spreadsheets(tmp_path: Path) -> None:
    """No symbol runs as a formula; reading the file removes the escapes."""
    frame = ticks(1).assign(symbol=pd.Categorical(["=1+1"]))
    write_parquet(frame, tmp_path / "t.parquet")
    assert run(tmp_path / "t.parquet", tmp_path / "o.csv", "--escape-formulas") == 0
    assert b",'=1+1," in (tmp_path / "o.csv").read_bytes()
    assert load(tmp_path / "o.csv").frame["symbol"].tolist() == ["=1+1"]


BAD = {
    "overwritten and appended": (["o.csv", "--overwrite", "--append"], "contradict"),
    "read and written": (["ticks.csv", "--overwrite"], "at once"),
    "no form": (["o.xlsx"], ".parquet .csv"),
    "safe, and appended": (["o.csv", "--escape-formulas", "--append"], "--escape-formulas"),
    "lines of JSON, appended": (["o.jsonl", "--append"], "--append is for CSV and Parquet"),
    "no time": (["o.csv", "--from", "noonish"], "noonish"),
    "no symbols": (["o.csv", "--symbols", ","], "--symbols"),
    "a folder": (["."], "folder"),
}


@pytest.mark.parametrize(("arguments", "named"), BAD.values(), ids=list(BAD))
def test_wrong_usage_is_one_line_and_writes_nothing(
    recording: Path,
    arguments: list[str],
    named: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Wrong usage is found before anything is written; exit code 2."""
    monkeypatch.chdir(recording.parent)
    there = sorted(Path().iterdir())
    assert run("ticks.csv", *arguments) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert named in err
    assert sorted(Path().iterdir()) == there


def test_file_without_times_refuses_a_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A foreign CSV may have no times to select by."""
    (tmp_path / "f.csv").write_text("symbol,price\nA,1\n")
    assert run(tmp_path / "f.csv", tmp_path / "o.csv", "--from", "10:00") == 2
    assert "no times" in capsys.readouterr().err


def test_two_recordings_of_one_server_become_one(tmp_path: Path) -> None:
    """Each fills the other's gaps; what neither has is the only gap, and the whole is in order."""
    one = ticks(1, 2, 3, 10, 11, 12, 20)
    other = ticks(2, 3, 4, 5, 6, 9, 10, 12, 13)
    lost = [gaps((4, 9), (13, 19)), gaps((7, 8), (11, 11), (14, None))]
    for name, frame, listed in (("a.csv", one, lost[0]), ("b.parquet", other, lost[1])):
        write = write_parquet if name.endswith("parquet") else write_csv
        write(frame, tmp_path / name, gaps=listed, source="ws://here")
    out = tmp_path / "o.csv"
    assert run(tmp_path / "a.csv", tmp_path / "b.parquet", out, "--dedupe") == 0
    found = load(out)
    assert found.frame["seq"].tolist() == [1, 2, 3, 4, 5, 6, 9, 10, 11, 12, 13, 20]
    known = [
        (first, None if pd.isna(last) else last)
        for first, last in found.gaps[["from", "to"]].to_numpy()
    ]
    assert known == [(7, 8), (14, 19), (21, None)]
    assert not verify(out).problems
    assert found.source == "ws://here"


def test_parts_by_symbol_are_sorted_into_the_recording(recording: Path, tmp_path: Path) -> None:
    """The order of arrival is that of the recording; nothing is missing."""
    for symbol in ("S2", "S0", "S1"):
        assert run(recording, tmp_path / f"{symbol}.csv", "--symbols", symbol) == 0
    parts = [tmp_path / f"{symbol}.csv" for symbol in ("S2", "S0", "S1")]
    assert run(*parts, tmp_path / "o.parquet", "--sort") == 0
    before, after = load(recording), load(tmp_path / "o.parquet")
    pd.testing.assert_frame_equal(after.frame, before.frame, check_categorical=False)
    pd.testing.assert_frame_equal(after.gaps, before.gaps)


def test_files_without_an_order_are_not_sorted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without seq and without time there is nothing to sort by."""
    (tmp_path / "f.csv").write_text("symbol,price\nA,1\n")
    assert run(tmp_path / "f.csv", tmp_path / "o.csv", "--sort") == 1
    assert "f.csv" in capsys.readouterr().err
    assert not (tmp_path / "o.csv").exists()


@pytest.mark.parametrize("name", [*FORMATS, "o.jsonl"])
def test_pieces_of_a_large_recording_are_one_whole(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What only one piece has fits the whole: missing integers, infinity, new words."""
    monkeypatch.setattr(Scan.__init__, "__defaults__", (None, 1_000, None))
    monkeypatch.setattr(convert, "ROWS_AT_ONCE", 1_000)
    rows = 2_005
    frame = ticks(*range(1, rows + 1)).assign(
        count=pd.array([*[7] * (rows - 1), None], dtype="Int64"),
        note=pd.Categorical(["", *["x"] * (rows - 2), "new"]),
    )
    frame.loc[rows - 2, "price"] = float("inf")
    write_parquet(frame, tmp_path / "t.parquet")
    assert run(tmp_path / "t.parquet", tmp_path / name) == 0
    pd.testing.assert_frame_equal(load(tmp_path / name).frame, frame)
    assert verify(tmp_path / name).ok
    if name == "o.jsonl":
        lines = (tmp_path / name).read_bytes().splitlines()
        assert isinstance(json.loads(lines[0])["price"], str)


@pytest.mark.parametrize("name", ["o.csv", "o.csv.gz", "o.parquet", "new.csv"])
@pytest.mark.parametrize("option", ["--overwrite", "--append"])
def test_stopped_conversion_leaves_all_as_it_was(
    recording: Path, tmp_path: Path, name: str, option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C is heeded between two pieces; no file is half-written."""
    for made in ("o.csv", "o.csv.gz", "o.parquet"):
        assert run(recording, tmp_path / made) == 0
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    shares: list[float] = []

    @contextlib.contextmanager
    def stop_at_the_end(text: str) -> Iterator[Callable[[float], None]]:
        def update(share: float) -> None:
            shares.append(share)
            interrupt.requested = share == 1

        yield update

    monkeypatch.setattr("tickerkit.cli.convert.show_share", stop_at_the_end)
    assert run(recording, tmp_path / name, option) == 1
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert shares[-1] == 1


@pytest.mark.parametrize("out", ["o.parquet", "o/day={date}/o.parquet"])
def test_file_of_another_program_is_not_read_again_once_the_result_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str
) -> None:
    """Ctrl-C at that moment comes too late: nothing says that nothing was written."""
    for day in (1, 2):
        lines = f"symbol,time,price\nA,2026-01-0{day}T10:00:00Z,1.5\n"
        (tmp_path / f"{day}.csv").write_text(lines)

    @contextlib.contextmanager
    def stop_once_written(what: str) -> Iterator[Callable[[float], None]]:
        def update(share: float) -> None:
            assert not any(tmp_path.rglob("o.parquet")) or any(tmp_path.glob(".o.*"))

        yield update

    monkeypatch.setattr("tickerkit.cli.convert.show_share", stop_once_written)
    assert run(tmp_path / "1.csv", tmp_path / "2.csv", tmp_path / out) == 0
    assert len(tk.read(tmp_path / "o" if "/" in out else tmp_path / out)) == 2


def test_append_continues_a_recording_of_other_columns(recording: Path, tmp_path: Path) -> None:
    """Parquet gets the columns of both; a column that one lacks is empty there."""
    out = write_parquet(ticks(1).assign(bid=1.5), tmp_path / "o.parquet")
    assert run(recording, out, "--append") == 0
    frame = load(out).frame
    assert frame["seq"].tolist() == [1, 1, 2, 3, 10, 11, 12]
    assert frame["bid"].isna().tolist() == [False, *[True] * 6]
    assert load(out).source == "ws://here"


def test_frames_that_are_no_ticks_are_not_converted_in_silence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file is written, and it is said that it is empty."""
    line = json.dumps({"t": 1, "frame": {"e": "trade", "p": "1.5"}})
    (tmp_path / "frames.jsonl").write_text(f"{line}\n" * 10)
    assert main(["convert", str(tmp_path / "frames.jsonl"), str(tmp_path / "ticks.csv")]) == 0
    assert len(capsys.readouterr().err.splitlines()) == 1
