"""`tickerkit record`: writes every tick of a websocket or source once, and resumes."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from broker import Broker, encode_publish
from commands import InProcess, on_posix
from event_server import Stream, serve_events
from numbered import ticks
from peers import free_port
from soaks import share_of
from websockets.sync.server import ServerConnection, serve

import tickerkit as tk
from tickerkit.cli import main
from tickerkit.cli.record_progress import _format_state
from tickerkit.feed import Feed
from tickerkit.log import gaps_from_frame
from tickerkit.storage import CsvFile, load, write_csv
from tickerkit.storage.paths import naming_from_path, recordings_in
from tickerkit.storage.recording import combine


class Recorder:
    """A stand-in for a feed's recorder, which writes every tick when it is stopped.

    Args:
        feed: the feed.
        path: the file.
        lost: number of ticks that it reports as lost.
        **how: how to write.
    """

    def __init__(self, feed: Feed, path: str, lost: int = 0, **how: Any) -> None:
        self.how, self.status, self.has_reader = how, "recording", True
        self._feed, self._reader = feed, feed.log.reader()
        self._file = CsvFile(path, mode=how["mode"], source=feed.url, symbols=feed.symbols)
        self.path = self._file.path
        error = "the disk is full" if lost else ""
        self.stats = {"written": 0, "bytes": 0, "gaps": 0, "files": 1, "lost": lost, "removed": 0}
        self.stats |= {"behind": 0, "misfits": {}}  # type: ignore[dict-item]
        self.stats |= {"errors": lost, "last_error": error}  # type: ignore[dict-item]

    def stop(self) -> None:
        """Write what the feed has brought."""
        if self.status == "stopped":
            return
        self.status = "stopped"
        rows = self._reader.read()
        self._file.append(rows.frame())
        self._file.note_gaps(gaps_from_frame(self._feed.gaps))
        self._file.close()
        self.stats |= {"written": len(rows), "gaps": len(self._feed.gaps)}
        self.stats["bytes"] = self._file.size


@pytest.fixture
def server() -> Iterator[tk.TickServer]:
    """Return a server that holds ten ticks."""
    with tk.serve(None, port=0, history=10) as server:
        server.publish([{"symbol": f"S{seq % 2}", "price": seq} for seq in range(1, 11)])
        yield server


def run(*arguments: object) -> int:
    """Run the command."""
    return main(["record", *map(str, arguments)])


def test_source_is_recorded_to_its_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All ticks of a replay are in the file, and the output describes it."""
    source = write_csv(ticks(*range(1, 101)), tmp_path / "source.csv")
    out = tmp_path / "new" / "ticks.csv"
    assert run(source, "-o", out) == 0
    frame = load(out).frame
    columns = ["time", "symbol", "price"]
    assert frame["seq"].tolist() == list(range(1, 101))
    wanted = ticks(*range(1, 101))[columns].astype({"symbol": "str"})
    pd.testing.assert_frame_equal(frame[columns].astype({"symbol": "str"}), wanted)
    begin, end = capsys.readouterr().out.splitlines()
    assert begin == f"recording {source} to {out}; Ctrl-C ends it"
    assert re.fullmatch(
        r"100 ticks of 3 symbols in \d+\.\d s, [\d.]+ kB, no gaps", end[len(f"{out}: ") :]
    )


def test_partition_option_lays_files_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The folder is a data set by symbol; its files together are the recording."""
    source = write_csv(ticks(*range(1, 101)), tmp_path / "source.csv")
    out = tmp_path / "captures"
    assert run(source, "-o", out, "--partition", "symbol") == 0
    assert f" to {out};" in capsys.readouterr().out
    assert sorted(path.name for path in out.iterdir()) == [f"symbol=S{n}" for n in range(3)]
    (path,) = recordings_in(out)
    assert load(path).frame["seq"].tolist() == list(range(1, 101))
    assert run(source, "-o", out, "--partition", "symbol", "--raw") == 2
    assert "Invalid --raw" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("out", "options", "names"),
    [
        ("c/day={date}/symbol={symbol}/ticks.parquet", [], 3),
        ("c/symbol={symbol}/t.parquet", ["--rotate", "hour"], 3),
        ("c", ["--format", "parquet"], 1),
    ],
)
def test_layout_of_a_folder_is_chosen_in_a_shell(
    tmp_path: Path, out: str, options: list[str], names: int
) -> None:
    """By a template of folders, or by a format; each file is Parquet."""
    source = write_csv(ticks(*range(1, 101)), tmp_path / "source.csv")
    assert run(source, "-o", tmp_path / out, *options) == 0
    assert len(list((tmp_path / "c").rglob("*.parquet"))) == names
    frame = tk.read(tmp_path / "c")
    assert frame["seq"].tolist() == list(range(1, 101))


def test_ticks_option_limits_the_recording_exactly(tmp_path: Path) -> None:
    """The file has exactly --ticks ticks, also when they come in batches."""
    assert run("sim:A,B", "-o", tmp_path / "a.csv", "--ticks", 3) == 0
    assert load(tmp_path / "a.csv").frame["seq"].tolist() == [1, 2, 3]
    source = write_csv(ticks(*range(1, 101)), tmp_path / "source.csv")
    assert run(source, "-o", tmp_path / "b.csv", "--ticks", 42) == 0
    assert load(tmp_path / "b.csv").frame["seq"].tolist() == list(range(1, 43))


def test_server_sent_events_are_recorded(tmp_path: Path) -> None:
    """Their address is that of a source, and not of a websocket."""

    def serve(stream: Stream) -> None:
        stream.begin()
        stream.send('data: {"symbol": "A", "price": 1.5}\n\n' * 3)
        stream.idle()

    path = tmp_path / "ticks.csv"
    with serve_events(serve) as server:
        assert run(f"events:{server.url}", "-o", path, "--ticks", 3) == 0
    assert tk.read_csv(path)["price"].tolist() == [1.5] * 3


def test_for_option_ends_the_recording(server: tk.TickServer, tmp_path: Path) -> None:
    """With --for it ends by itself, also when no tick comes."""
    assert run(server.url, "-o", tmp_path / "t.csv", "--for", "0.1s") == 0
    assert len(load(tmp_path / "t.csv").frame) == 0


def test_recording_is_resumed_after_its_last_tick(
    server: tk.TickServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ticks since the last one are fetched: none is missing, none is there twice."""
    out = write_csv(server.log.frame().iloc[:4], tmp_path / "t.csv")
    assert run(server.url, "-o", out, "--ticks", 6) == 0
    found = load(out)
    assert found.frame["seq"].tolist() == list(range(1, 11))
    assert len(found.gaps) == 0
    assert "6 ticks of 2 symbols" in (printed := capsys.readouterr().out)
    assert printed.endswith("no gaps, after the 4 ticks that it had\n")
    assert main(["verify", str(out)]) == 0


def test_recording_is_resumed_at_another_of_several_addresses(
    server: tk.TickServer, tmp_path: Path
) -> None:
    """Each run takes the first address that works; what follows in the file is the same."""
    out = write_csv(server.log.frame().iloc[:4], tmp_path / "t.csv")
    nobody = f"ws://127.0.0.1:{free_port()}/"
    assert run(f"{server.url},{nobody}", "-o", out, "--ticks", 2) == 0
    assert run(f"{nobody},{server.url}", "-o", out, "--ticks", 4) == 0
    found = load(out)
    assert found.frame["seq"].tolist() == list(range(1, 11))
    assert len(found.gaps) == 0


@pytest.mark.parametrize(
    "options",
    [
        ["es.mini.csv", "--rotate", "day"],
        ["es.csv.gz", "--rotate", "1MB"],
        ["es.parquet", "--rotate", "hour"],
        ["folder"],
        ["folder.of.es/", "--compression", "zstd"],
    ],
    ids=" ".join,
)
def test_recording_of_several_files_is_resumed(tmp_path: Path, options: list[str]) -> None:
    """A second run resumes after the newest file, and begins a file of its own."""
    out, *more = options
    folder = (tmp_path / out).parent if "--rotate" in more else tmp_path / out

    is_recorded = threading.Event()

    def publish() -> None:
        while not is_recorded.wait(0.01):
            server.publish({"symbol": "S0", "price": 1})

    with tk.serve(None, port=0) as server:
        thread = threading.Thread(target=publish)
        thread.start()
        try:
            assert run(server.url, "-o", f"{tmp_path}/{out}", *more, "--ticks", 4) == 0
        finally:
            is_recorded.set()
            thread.join()
        # Another recording in the same folder, whose name has the same beginning.
        write_csv(ticks(90), folder / f"{out.partition('.')[0]}-new-20991231T000000Z.csv")
        server.publish([{"symbol": "S0", "price": price} for price in range(3)])
        assert run(server.url, "-o", f"{tmp_path}/{out}", *more, "--ticks", 3) == 0
    files = naming_from_path(f"{tmp_path}/{out}", rotates=True).files()
    assert len(files) == 2
    found = combine(map(load, files))
    seqs = found.frame["seq"].tolist()
    assert seqs == list(range(seqs[0], seqs[0] + 7))
    assert len(found.gaps) == 0


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("count", "keep"),
    [
        (60_000, 10_000),
        pytest.param(share_of(1000) * 10_000, None, marks=pytest.mark.soak, id="soak"),
    ],
)
def test_recorder_that_was_away_catches_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, keep: int | None
) -> None:
    """It reads no faster than it writes, so all that the server still holds is in the file."""
    if keep is not None:
        monkeypatch.setattr("tickerkit.cli.record.KEEP", keep)
    with tk.serve(None, port=0, history=count) as server:
        part = pd.DataFrame({"symbol": ["A", "B"] * 5000, "price": range(10_000)})
        server.publish(part)
        out = write_csv(server.log.frame().iloc[:10], tmp_path / "t.csv")
        for _ in range(count // len(part) - 1):
            server.publish(part)
        assert run(server.url, "-o", out, "--ticks", count - 10, "--flush", 5) == 0
    found = load(out)
    assert found.frame["seq"].tolist() == list(range(1, count + 1))
    assert len(found.gaps) == 0


def test_ticks_that_the_server_dropped_are_a_gap(server: tk.TickServer, tmp_path: Path) -> None:
    """The file lists the range between its last tick and the server's oldest."""
    out = write_csv(server.log.frame().iloc[:2], tmp_path / "t.csv")
    epoch = server.log.epoch
    server.publish([{"symbol": "S0", "price": seq} for seq in range(11, 16)])
    first = server.log.frame()["seq"].iloc[0]
    assert run(server.url, "-o", out, "--ticks", 16 - first) == 0
    found = load(out)
    assert found.frame["seq"].tolist() == [1, 2, *range(first, 16)]
    assert found.gaps[["epoch", "from", "to"]].to_numpy().tolist() == [[epoch, 3, first - 1]]
    assert main(["verify", str(out)]) == 1
    assert main(["verify", str(out), "--gaps-ok"]) == 0


def test_restarted_server_is_a_new_epoch(server: tk.TickServer, tmp_path: Path) -> None:
    """The end of the former epoch is unknown, and listed as such."""
    out = write_csv(ticks(1, 2), tmp_path / "t.csv")
    assert run(server.url, "-o", out, "--ticks", 10) == 0
    found = load(out)
    assert found.frame["epoch"].tolist() == ["e1"] * 2 + [server.log.epoch] * 10
    [gap] = found.gaps.to_dict("records")
    assert (gap["epoch"], gap["from"], pd.isna(gap["to"])) == ("e1", 3, True)


def test_symbols_option_is_noted_in_the_file(tmp_path: Path) -> None:
    """A recording of some symbols says which."""
    assert run("sim:A,B", "-o", tmp_path / "t.csv", "--symbols", "B", "--ticks", 2) == 0
    found = load(tmp_path / "t.csv")
    assert found.frame["symbol"].tolist() == ["B", "B"]
    assert found.symbols == ["B"]
    assert main(["verify", str(tmp_path / "t.csv")]) == 0


def test_existing_file_is_refused_or_replaced(
    server: tk.TickServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """--new refuses an existing file, --overwrite replaces it."""
    out = write_csv(ticks(1, 2), tmp_path / "t.csv")
    assert run(server.url, "-o", out, "--new", "--ticks", 1) == 1
    assert "leave out --new" in capsys.readouterr().err
    assert len(load(out).frame) == 2
    assert run("sim:A", "-o", out, "--overwrite", "--ticks", 1) == 0
    assert len(load(out).frame) == 1


def test_foreign_file_is_left_unchanged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that can't be appended to is an error that names the fix."""
    out = tmp_path / "t.csv"
    out.write_text("symbol,price\nA,1\n")
    assert run("sim:A", "-o", out, "--ticks", 1) == 1
    assert "record to another file" in capsys.readouterr().err
    assert out.read_text() == "symbol,price\nA,1\n"


def test_refused_feed_is_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The error has the reason, and the file is valid."""
    with tk.serve(None, port=0, token="secret") as server:
        url = server.url.partition("?")[0]
        assert run(url, "-o", tmp_path / "t.csv") == 1
    out, err = capsys.readouterr()
    assert "0 ticks of 0 symbols" in out
    assert err.splitlines()[-1].startswith("tickerkit: the feed from ")
    assert "token" in err
    assert len(load(tmp_path / "t.csv").frame) == 0


def test_record_takes_the_token_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """TICKERKIT_TOKEN keeps it out of the arguments."""
    monkeypatch.setenv("TICKERKIT_TOKEN", "secret")
    with tk.serve([{"symbol": "A", "price": 1}], port=0, token="secret") as server:
        address = server.url.partition("?")[0]
        assert run(address, "-o", tmp_path / "t.csv") == 0
    assert "secret" not in "".join(capsys.readouterr())


def test_record_sends_the_environments_token_to_no_other_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server refuses a recording at an address that isn't one of this machine alone."""
    monkeypatch.setenv("TICKERKIT_TOKEN", "secret")
    with tk.serve([{"symbol": "A", "price": 1}], "0.0.0.0", 0, token="secret") as server:
        address = f"ws://0.0.0.0:{server.port}/"
        assert run(address, "-o", tmp_path / "t.csv") == 1
        assert run(address, "-o", tmp_path / "t.csv", "--token", "secret") == 0


def test_feed_that_fails_after_ticks_is_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], until: Callable[..., None]
) -> None:
    """An outage in mid-recording is reported, though ticks have arrived before it."""
    out = tmp_path / "t.csv"
    with tk.serve(None, port=0) as server:
        command = InProcess(capsys, "record", server.url, "-o", str(out), "--flush", "0.05")

        def has_rows() -> bool:
            server.publish({"symbol": "A", "price": 1})
            return out.exists() and out.read_bytes().count(b"\n") > 1

        until(has_rows, what="ticks in the file")
        port = server.port
    with tk.serve(None, port=port, token="secret"):
        assert command.wait() == 1
    assert command.err.splitlines()[-1].startswith("tickerkit: the feed from ")
    assert "token" in command.err
    assert len(load(out).frame)


def test_unreachable_server_is_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error names the address when the time is up."""
    with tk.serve(None, port=0) as server:
        url = server.url
    assert run(url, "-o", tmp_path / "t.csv", "--for", "0.3") == 1
    assert f"could not connect to {url}: " in capsys.readouterr().err


def test_source_that_fails_before_any_tick_is_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A recording of nothing is no success; the error says why nothing came."""
    source = f"events:http://127.0.0.1:{free_port()}/"
    assert run(source, "-o", tmp_path / "t.csv", "--for", "0.5") == 1
    assert "no tick came: " in capsys.readouterr().err


def test_unwritten_ticks_are_exit_code_1(
    server: tk.TickServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each error of the recorder is on stderr once."""

    def record(feed: Feed, path: str, **how: Any) -> Recorder:
        return Recorder(feed, path, lost=3, **how)

    monkeypatch.setattr(Feed, "record", record, raising=False)
    assert run(server.url, "-o", tmp_path / "t.csv", "--for", "0.1") == 1
    first, last = capsys.readouterr().err.splitlines()
    assert first == "tickerkit: the disk is full"
    assert last == "tickerkit: 3 ticks could not be written: the disk is full"


def test_options_are_passed_to_the_recorder(
    server: tk.TickServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each option is an argument of `feed.record`; a refused value is wrong usage."""
    made: list[Recorder] = []

    def record(feed: Feed, path: str, **how: Any) -> Recorder:
        if how["max_disk"] == "much":
            raise tk.InvalidArgument("max_disk", "much", "a size")
        made.append(Recorder(feed, path, **how))
        return made[0]

    monkeypatch.setattr(Feed, "record", record, raising=False)
    options = [
        "--rotate",
        "100MB",
        "--compression",
        "zstd",
        "--max-disk",
        "10GB",
        "--flush",
        "2",
        "--fsync",
        "--raw",
    ]
    assert run(server.url, "-o", tmp_path / "t.csv.zst", "--for", "0.01", *options) == 0
    assert made[0].how == {
        "mode": "append",
        "flush_s": 2.0,
        "fsync": True,
        "rotate": "100MB",
        "compression": "zstd",
        "format": None,
        "partition": None,
        "max_disk": "10GB",
        "raw": True,
    }
    assert run(server.url, "-o", tmp_path / "t.csv", "--max-disk", "much") == 2
    assert (
        "Invalid --max-disk 'much'; expected a size; see tickerkit record --help"
        in capsys.readouterr().err
    )


def test_messages_that_are_no_ticks_are_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A recording of nothing from a server that sent a lot is no success."""

    def send(websocket: ServerConnection) -> None:
        for price in range(30):
            websocket.send(f'{{"e": "trade", "p": "{price}"}}')
        websocket.recv()

    with serve(send, "127.0.0.1", 0) as peer:
        thread = threading.Thread(target=peer.serve_forever)
        thread.start()
        url = f"ws://127.0.0.1:{peer.socket.getsockname()[1]}/"
        command = InProcess(capsys, "record", url, "-o", str(tmp_path / "t.csv"))
        command.until("symbol is missing", stream="err")
        assert command.end() == 1
        peer.shutdown()
        thread.join()
    assert "30 messages were no ticks" in command.out
    assert command.err.splitlines()[-1].startswith("tickerkit: no tick came: ")


def test_symbols_that_the_server_lacks_are_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error says which it has."""
    source = write_csv(ticks(*range(1, 10)), tmp_path / "source.csv")
    assert run(source, "-o", tmp_path / "t.csv", "--symbols", "NOPE") == 1
    assert "S0" in capsys.readouterr().err.splitlines()[-1]


def test_line_is_about_what_is_written(server: tk.TickServer, tmp_path: Path) -> None:
    """While the disk is full, ticks wait; when it has room again, the error is over."""
    with tk.connect(server.url) as feed, feed.wait(10).record(tmp_path / "t.csv") as recorder:
        stats = {**recorder.stats, "written": 3, "behind": 7, "last_error": "the disk is full"}
        state = SimpleNamespace(stats=stats | {"errors": 55}, status="failing")
        line = _format_state(feed, state)
        assert "3 ticks" in line
        assert "7 waiting" in line
        assert "disk is full" in line
        state.status = "recording"
        assert "disk is full" not in _format_state(feed, state)


@on_posix
def test_interrupt_leaves_a_valid_file(
    server: tk.TickServer,
    tmp_path: Path,
    until: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The file has the ticks until then; exit code 0."""
    out = write_csv(server.log.frame().iloc[:9], tmp_path / "t.csv")

    def interrupt() -> None:
        until(lambda: len(server.clients) and server.clients["behind"].max() == 0)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    assert run(server.url, "-o", out) == 0
    thread.join()
    assert "no gaps, after the 9 ticks that it had" in capsys.readouterr().out
    assert len(load(out).frame) in (9, 10)
    assert main(["verify", str(out)]) == 0


@pytest.mark.parametrize("more", [["--for", "90"], ["--ticks", "9"], []])
def test_progress_is_drawn_on_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: list[str]
) -> None:
    """A bar for a time or a count, else a spinner, with ticks, rate, size and errors."""
    import io

    from rich.console import Console

    from tickerkit.cli import record_progress

    screen = Console(file=io.StringIO(), force_terminal=True, width=100)
    monkeypatch.setattr(record_progress, "console", screen)
    monkeypatch.setattr(record_progress, "is_live", lambda: True)
    source = write_csv(ticks(*range(1, 10)), tmp_path / "source.csv")
    assert run(source, "-o", tmp_path / "t.csv", *more) == 0
    drawn = screen.file.getvalue()  # type: ignore[attr-defined]
    assert re.search(r"\d+ ticks?  [\d,]+/s  \d+", drawn)
    assert ("━" in drawn) is bool(more)


def test_password_is_in_no_recording(start: Callable[..., InProcess], tmp_path: Path) -> None:
    """A command that records a broker's messages names its address without it."""
    pytest.importorskip("aiomqtt")
    with Broker() as broker:
        broker.retained.append(encode_publish("home/garden", b'{"temperature": 8}', retain=True))
        source = f"mqtt://me:secret@127.0.0.1:{broker.port}/home/#"
        with start("record", source, "-o", str(tmp_path / "t.csv"), "--ticks", "1") as command:
            assert command.wait() == 0
    texts = [path.read_text() for path in tmp_path.iterdir()]
    assert any("home/#" in text for text in texts)
    assert "secret" not in "".join([*texts, command.out, command.err])
