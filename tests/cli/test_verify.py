"""`tickerkit verify`: its report on recordings, and its exit codes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from commands import Command, on_posix
from numbered import gaps, ticks

import tickerkit as tk
from tickerkit.cli import main
from tickerkit.cli.interrupt import interrupt
from tickerkit.storage import write_csv, write_parquet
from tickerkit.storage.sidecar import sidecar_path
from tickerkit.storage.verify import Verification

SPAN = "2025-11-24 10:00:00 to 10:00:00 UTC"


def test_complete_recording_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The line has what the recording contains, and ends with ok; exit code 0."""
    path = write_csv(ticks(*range(1, 1235)), tmp_path / "ticks.csv")
    assert main(["verify", str(path)]) == 0
    report = "1,234 ticks of 3 symbols, 2025-11-24 10:00:00 to 10:00:01 UTC, 1 epoch: ok"
    assert capsys.readouterr() == (f"{path}: {report}\n", "")


def test_problem_is_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The first twenty of a kind are printed, and the number of others; exit code 1."""
    path = write_csv(ticks(*range(1, 61, 2), 59), tmp_path / "ticks.csv")
    assert main(["verify", str(path)]) == 1
    first, *lines = capsys.readouterr().out.splitlines()
    assert first.endswith(f"31 ticks of 3 symbols, {SPAN}, 1 epoch: 30 problems")
    assert lines[0] == "  duplicates: line 32: there before, with the same seq"
    about = "missing, and not among the gaps listed"
    assert lines[1] == f"  unlisted gap: seq 2: {about}"
    assert lines[20:] == [f"  unlisted gap: seq 40: {about}", "  unlisted gap: and 9 more"]


def test_listed_gap_is_exit_code_1_without_gaps_ok(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ticks are missing, also if the recording says so."""
    listed = gaps((2, 4), (6, None))
    path = write_parquet(ticks(1, 5), tmp_path / "t.parquet", gaps=listed, symbols=["S1"])
    assert main(["verify", str(path)]) == 1
    first, *lines = capsys.readouterr().out.splitlines()
    assert first.endswith("1 epoch: 2 gaps")
    assert lines == [
        "  gap: seqs 2 to 4 (3 ticks) of epoch e1: lost",
        "  gap: every tick from seq 6 of epoch e1: lost",
        "  note: a recording of S1 only: other gaps can't be detected",
    ]
    assert main(["verify", str(path), "--gaps-ok"]) == 0
    assert capsys.readouterr().out.splitlines()[0].endswith("2 gaps (accepted by --gaps-ok)")


def test_json_option_prints_a_line_per_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A program reads the same report, also for a file that isn't a recording."""
    write_csv(ticks(1, 3), tmp_path / "a.csv", gaps=gaps((4, None)))
    (tmp_path / "b.csv").write_text("It was a dark and stormy night.\n")
    assert main(["verify", "--json", str(tmp_path)]) == 1
    one, other, whole = map(json.loads, capsys.readouterr().out.splitlines())
    assert (one["ok"], one["ticks"], one["symbols"], one["epochs"]) == (False, 2, 2, 1)
    assert one["start"] == "2025-11-24T10:00:00.001000+00:00"
    assert one["gaps"] == [{"epoch": "e1", "from": 4, "to": None, "reason": "lost"}]
    [problem] = one["problems"]
    assert (problem["kind"], problem["unit"], problem["count"]) == ("unlisted gap", "seq", 1)
    assert problem["places"][0][:2] == [2, 2]
    assert other["file"].endswith("b.csv")
    assert (other["ok"], "header" in other["error"]) == (False, True)
    assert (whole["ok"], whole["files"], whole["ticks"]) == (False, 2, 2)
    assert (whole["gaps"], whole["problems"], whole["unreadable"]) == (1, 1, 1)


def test_folder_means_its_recordings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each has its line, in the order of the names; an unreadable file stops nothing."""
    write_csv(ticks(1, 2), tmp_path / "c.csv")
    write_parquet(ticks(1, 2), tmp_path / "a.parquet")
    (tmp_path / "b.csv").write_text("nothing\nof the kind\n")
    assert main(["verify", str(tmp_path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.rsplit(": ", 1)[-1] for line in (lines[0], lines[2])] == ["ok", "ok"]
    assert "b.csv: can't be read as ticks: its first line is 'nothing'" in lines[1]
    (tmp_path / "empty").mkdir()
    assert main(["verify", str(tmp_path / "empty")]) == 2
    assert "has no recordings" in capsys.readouterr().err


def test_missing_file_of_a_recording_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each file is complete, but not their folder; exit code 1."""
    for day, seqs in ((1, (1, 2)), (3, (5, 6))):
        write_csv(ticks(*seqs), tmp_path / f"t-2026010{day}T000000Z.csv")
    assert main(["verify", str(tmp_path)]) == 1
    *_, summary, problem, whole = capsys.readouterr().out.splitlines()
    assert summary == f"{tmp_path / 't.csv'}: between its 2 files: 1 problem"
    assert problem.startswith("  unlisted gap: seqs 3 to 4: ")
    assert whole == f"{tmp_path}: 2 files, 4 ticks of 3 symbols, {SPAN}, 1 epoch: 1 problem"
    assert main(["verify", "--json", str(tmp_path)]) == 1
    last = json.loads(capsys.readouterr().out.splitlines()[-2])
    assert (last["ok"], last["files"]) == (False, 2)


def test_text_of_a_file_is_escaped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file's text has no effect as markup, and direction marks are escaped."""
    reason = gaps((2, 2)).assign(reason="[red]\u202eA")
    path = write_csv(ticks(1, 3), tmp_path / "t.csv", gaps=reason)
    main(["verify", str(path)])
    assert r"[red]\u202eA" in capsys.readouterr().out


@on_posix
def test_spinner_is_gone_after_the_report(tmp_path: Path) -> None:
    """A terminal shows which file is read."""
    path = write_csv(ticks(1, 2), tmp_path / "t.csv")
    with Command("verify", str(path), cwd=tmp_path, terminal=24) as command:
        assert command.wait() == 0
    assert "epoch: ok" in command.text
    assert command.out.count("\x1b[?25l") == command.out.count("\x1b[?25h")
    assert command.err == ""


def test_quick_check_reads_no_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says so; a file that has changed its size is found; a row that has changed is not."""
    path = write_csv(ticks(1, 2, 3), tmp_path / "t.csv")
    path.write_bytes(path.read_bytes().replace(b"0.5", b"0.x"))
    assert main(["verify", "--quick", str(path)]) == 0
    report = f"3 ticks of 3 symbols, {SPAN}, 1 epoch: ok (rows not read)"
    assert capsys.readouterr().out == f"{path}: {report}\n"
    path.write_bytes(path.read_bytes()[:-9])
    assert main(["verify", "--quick", str(path)]) == 1
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{path}: not known without its rows: it has ")
    assert second.startswith("  changed: it has ")
    assert main(["verify", "--quick", "--json", str(path)]) == 1
    assert json.loads(capsys.readouterr().out)["ok"] is False


def test_quick_check_of_a_folder_compares_its_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is missing between them is found; a file that isn't finished is not known."""
    for day, seqs in ((1, (1, 2)), (3, (5, 6))):
        write_csv(ticks(*seqs), tmp_path / f"t-2026010{day}T000000Z.csv")
    open_file = tmp_path / "t-20260104T000000Z.csv"
    write_csv(ticks(7, 8), open_file)
    sidecar_path(open_file).unlink()
    assert main(["verify", "--quick", str(tmp_path)]) == 1
    *_, last, between, missing, whole = capsys.readouterr().out.splitlines()
    assert last == f"{open_file}: not known without its rows: it has no sidecar"
    assert between.endswith("between its 2 files: 1 problem")
    assert missing.startswith("  unlisted gap: seqs 3 to 4: ")
    counts = f"3 files, 4 ticks of 3 symbols, {SPAN}, 1 epoch"
    assert whole == f"{tmp_path}: {counts}: 1 problem; 1 file not known"


def test_quick_check_that_knows_nothing_does_not_say_that_all_is_well(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Files that weren't finished, as after a crash, have unknown ticks, not none."""
    for name in ("a.csv", "b.csv"):
        sidecar_path(write_csv(ticks(1), tmp_path / name)).unlink()
    assert main(["verify", "--quick", str(tmp_path)]) == 0
    whole = capsys.readouterr().out.splitlines()[-1]
    assert whole == f"{tmp_path}: 2 files, no rows read: not checked; 2 files not known"


def test_interrupt_is_heeded_between_pieces(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C ends the check of a large file; the command says what was not checked."""

    def steps(verification: Verification) -> Iterator[float]:
        yield 0.1
        interrupt.requested = True
        yield 0.2
        pytest.fail("the next piece was read")

    monkeypatch.setattr(Verification, "steps", steps)
    for name in ("a.csv", "b.csv"):
        write_csv(ticks(1), tmp_path / name)
    assert main(["verify", str(tmp_path)]) == 1
    assert capsys.readouterr() == ("", "tickerkit: stopped; 2 files not read\n")


@pytest.mark.parametrize("options", [[], ["--quick"]])
def test_ticks_that_are_late_at_midnight_are_neither_missing_nor_there_twice(
    tmp_path: Path, options: list[str]
) -> None:
    """In a recording split by day they are in the file of another day, or of none."""
    frame = ticks(*range(1, 31))
    times = pd.date_range("2026-11-28T23:59:50Z", periods=30, freq="s").to_series(index=range(30))
    times[12], times[5], times[20], times[29] = times[2], pd.NaT, pd.NaT, pd.NaT
    frame["time"] = times.astype("datetime64[ns, UTC]")
    path = write_csv(frame, tmp_path / "ticks.csv")
    out = tmp_path / "out"
    assert main(["convert", str(path), str(out), "--split", "day"]) == 0
    assert main(["verify", str(out), *options]) == 0
    assert not len(tk.read_gaps(out))
    assert main(["convert", str(out), str(tmp_path / "one.csv"), "--sort"]) == 0
    assert main(["verify", str(tmp_path / "one.csv")]) == 0
    next(out.glob("day=2026-11-28/ticks.parquet")).unlink()
    assert main(["verify", str(out), *options]) == 1
