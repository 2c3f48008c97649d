"""Limits: what lies beyond a bound is held exactly, or refused by name, counted and reported."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tickerkit as tk
from tickerkit import limits
from tickerkit.cli import main
from tickerkit.feed import Feed
from tickerkit.limits import (
    MAX_COLUMNS,
    MAX_EXACT_INT,
    MAX_FIELDS,
    MAX_NAME_LENGTH,
    MAX_NESTING,
    MAX_SEGMENT_BYTES,
    MAX_SYMBOLS,
    MAX_TEXT_LENGTH,
    MAX_TICK_TEXT_LENGTH,
    MAX_WORDS,
)
from tickerkit.log import columns as columns_module
from tickerkit.protocol.codec import encode_columns, encode_objects
from tickerkit.storage import load
from tickerkit.storage.verify import verify

Until = Callable[..., None]


def nested(levels: int) -> object:
    """Return lists within lists."""
    return [nested(levels - 1)] if levels > 1 else []


def symbol_frame(prefix: str, count: int) -> pd.DataFrame:
    """Return a tick of each of `count` symbols."""
    names = [f"{prefix}{number}" for number in range(count)]
    return pd.DataFrame({"symbol": names, "price": range(1, count + 1)})


@pytest.mark.parametrize("process", [False, True])
def test_server_refuses_symbols_beyond_the_limit(process: bool) -> None:
    """`publish` raises an error that names the limit; the ticks take no seq and are counted."""
    with tk.serve(None, port=0, process=process) as server:
        server.publish(symbol_frame("S", MAX_SYMBOLS))
        with pytest.raises(tk.BadTick, match="65,536") as refused:
            server.publish([{"symbol": name, "price": 1} for name in ("S0", "new", "newer", "S1")])
        assert (refused.value.field, refused.value.value) == ("symbol", "new")
        stats = server.stats
        assert (stats["refused"], stats["ticks"]) == (2, MAX_SYMBOLS + 2)
        assert "new" in stats["last_error"]
        assert server.log.frame(last=2)["seq"].tolist() == [MAX_SYMBOLS + 1, MAX_SYMBOLS + 2]


def test_feed_lists_ticks_of_symbols_beyond_the_limit_as_gaps(until: Until) -> None:
    """A feed that lives through two servers' symbols has each tick, or a gap where it was."""
    half = MAX_SYMBOLS * 5 // 8
    with tk.serve(None, port=0) as server:
        port = server.port
        feed = tk.connect(server.url, history=None)
        server.publish(symbol_frame("S", half))
        until(lambda: feed.log.stop == half, 30)
    with tk.serve(None, port=port) as server:
        server.publish(symbol_frame("T", half))
        server.publish({"symbol": "T0", "price": 2})
        until(lambda: feed.log.last_seq == half + 1, 30)
        gaps = feed.gaps[feed.gaps["epoch"] == server.log.epoch]
        missing = 2 * half - MAX_SYMBOLS
        assert gaps[["from", "to"]].values.tolist() == [[half - missing + 1, half]]
        assert "65,536" in gaps["reason"].iloc[0]
        assert "65,536" in feed.stats["last_error"]
        assert feed.log.stop == MAX_SYMBOLS + 1


BIG = MAX_EXACT_INT + 1


@pytest.mark.parametrize("file", ["t.csv", "t.csv.zst", "t.parquet"])
def test_integers_are_exact_from_json_to_the_file(file: str, tmp_path: Path, until: Until) -> None:
    """Integers beyond 2**53 come out of wire and file as they went in, after small ones, too."""
    given = [
        {"symbol": "A", "price": 1, "temperature": 21},
        {"symbol": "A", "price": 1, "id": 7, "trade_id": 2**63 - 1, "temperature": 21.5},
        {"symbol": "B", "price": 1, "bid": 2, "id": BIG},
        {"symbol": "A", "price": 1, "id": BIG + 2, "trade_id": BIG},
    ]
    with tk.serve(None, port=0) as server, tk.connect(server.url) as feed:
        until(lambda: feed.status == "live")
        plain = tk.connect(server.url + "ticks")
        until(lambda: plain.status == "live")
        recorder = feed.record(tmp_path / file, flush_s=0)
        for tick in given:
            server.publish(json.dumps(tick))
            until(lambda: recorder.stats["written"] == server.log.stop)
        until(lambda: plain.log.stop == len(given))
        recorder.stop()
        for frame in (server.log.frame(), feed.frame(), plain.frame()):
            assert frame["id"].tolist() == [0, 7, BIG, BIG + 2]
            assert frame["trade_id"].tolist() == [0, 2**63 - 1, 0, BIG]
            assert frame["trade_id"].dtype == frame["id"].dtype == np.int64
            assert frame["temperature"].dtype == np.float64
        assert feed.latest().loc["B", "id"] == BIG
        assert feed.latest().loc["A", "trade_id"] == BIG
        read = tk.read_csv if ".csv" in file else tk.read_parquet
        recorded = read(tmp_path / file)
        assert recorded["trade_id"].dtype == np.int64
        assert recorded["trade_id"].tolist() == [0, 2**63 - 1, 0, BIG]
        assert recorded["id"].fillna(0).tolist() == [0, 7, BIG, BIG + 2]
        assert feed.stats["misfits"] == server.stats["misfits"] == {}


def test_replayed_integers_are_exact(tmp_path: Path, until: Until) -> None:
    """A recording with int64 columns, and 0 for none, replays as it is."""
    ids = np.array([BIG, 0, 5], dtype=np.int64)
    frame = pd.DataFrame({"symbol": "A", "price": 1.0, "id": ids, "trade_id": ids})
    source = tk.replay(frame, speed=float("inf"), wait_for=1)
    with tk.serve(source, port=0) as server, tk.connect(server.url, history=None) as feed:
        feed.wait(3)
        assert feed.frame()["id"].tolist() == feed.frame()["trade_id"].tolist() == ids.tolist()
        assert feed.frame()["id"].dtype == np.int64


def test_columns_up_to_the_limit_are_kept_and_others_counted(tmp_path: Path) -> None:
    """A source may have 256 columns of its own; values of further ones are counted by name."""
    names = [f"c{number:03}" for number in range(MAX_COLUMNS + 2)]
    tick = {"symbol": "A", "price": 1, **{name: number for number, name in enumerate(names)}}
    with tk.serve(None, port=0) as server, tk.connect(server.url) as feed:
        feed.record(tmp_path / "t.csv", flush_s=0)
        server.publish(tick)
        feed.wait(1)
        assert server.stats["misfits"] == dict.fromkeys(names[MAX_COLUMNS:], 1)
    recorded = tk.read_csv(tmp_path / "t.csv")
    assert recorded[names[:MAX_COLUMNS]].iloc[0].tolist() == list(range(MAX_COLUMNS))


@pytest.fixture
def record(monkeypatch: pytest.MonkeyPatch, until: Until) -> Callable[[Path, list[object]], int]:
    """Return a function that records a tick for each value of the field `note`.

    It runs `tickerkit record` against a server elsewhere, so that the recorder knows only from the
    wire what was left out, and returns the exit code.
    """

    def run(path: Path, values: list[object]) -> int:
        start = Feed.start
        with tk.serve(None, port=0) as server:

            def start_and_publish(feed: Feed) -> None:
                start(feed)
                until(lambda: any(each.row is not None for each in server._list_sessions()))  # type: ignore[attr-defined]
                for value in values:
                    server.publish({"symbol": "A", "price": 1, "note": value})

            monkeypatch.setattr(Feed, "start", start_and_publish)
            code = main(["record", server.url, "-o", str(path), "--ticks", str(len(values))])
        monkeypatch.setattr(Feed, "start", start)
        return code

    return run


@pytest.mark.parametrize("file", ["t.csv", "t.parquet"])
def test_values_left_out_are_reported_everywhere(
    file: str,
    record: Callable[[Path, list[object]], int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A value that a server left out is in the recording's sidecar, `verify` and the exit code."""
    path = tmp_path / file
    assert record(path, [7.5, "seven", 8, BIG]) == 1
    out, err = capsys.readouterr()
    assert "2 values left out" in out
    assert "note (2)" in err
    report = verify(path)
    assert not report.ok
    assert [(p.kind, p.count) for p in report.problems] == [("left out", 1)]
    assert main(["verify", str(path), "--gaps-ok"]) == 1
    assert "2 values of 'note' left out" in capsys.readouterr().out
    # Converted and joined, the recording still says so.
    assert main(["convert", str(path), str(tmp_path / "u.jsonl")]) == 0
    assert main(["convert", str(path), str(tmp_path / "u.jsonl"), str(tmp_path / "v.csv")]) == 0
    assert dict(load(tmp_path / "v.csv").misfits) == {"note": 4}


def test_recording_without_losses_is_ok(
    record: Callable[[Path, list[object]], int], tmp_path: Path
) -> None:
    """Where each value is exact, the exit code is 0 and `verify` finds nothing."""
    path = tmp_path / "t.csv"
    assert record(path, [7, BIG, 2**63 - 1]) == 0
    assert verify(path).ok
    assert tk.read_csv(path)["note"].tolist() == [7, BIG, 2**63 - 1]


def test_feed_counts_what_its_server_left_out(until: Until) -> None:
    """A feed counts values left out since it connected, over reconnects and restarts."""
    with tk.serve(None, port=0) as server:
        port = server.port
        for value in (1.5, "x"):
            server.publish({"symbol": "A", "price": 1, "note": value})
        feed = tk.connect(server.url)
        until(lambda: feed.status == "live")
        assert feed.stats["misfits"] == {}
        for value in ("x", "y", 2.5):
            server.publish({"symbol": "A", "price": 1, "note": value})
        until(lambda: feed.log.last_seq == 5)
        assert feed.stats["misfits"] == {"note": 2}
    with tk.serve(None, port=port) as server:
        for value in (1.5, "x"):
            server.publish({"symbol": "A", "price": 1, "note": value})
        until(lambda: feed.log.epoch == server.log.epoch and feed.log.last_seq == 2)
        assert feed.stats["misfits"] == {"note": 3}


def test_text_beyond_any_dictionary_is_exact_in_feed_and_file(tmp_path: Path, until: Until) -> None:
    """A column of 70,000 order ids is whole in the log, the feed and the recording."""
    count = MAX_WORDS + 5_000
    ids = [f"{number:08x}-order-{number * 7:x}" for number in range(count)]
    frame = pd.DataFrame({"symbol": "A", "price": 1.0, "id": ids})
    with tk.serve(None, port=0) as server, tk.connect(server.url) as feed:
        recorder = feed.record(tmp_path / "t.csv", flush_s=0)
        until(lambda: feed.status == "live")
        for start in range(0, count, 5_000):
            server.publish(frame.iloc[start : start + 5_000])
        feed.wait(count, timeout=60)
        late = tk.connect(server.url, history=None)
        late.wait(count, timeout=60)
        for log in (server.log, feed.log, late.log):
            assert log.frame()["id"].tolist() == ids
        recorder.stop()
        assert feed.stats["misfits"] == late.stats["misfits"] == server.stats["misfits"] == {}
    assert tk.read_csv(tmp_path / "t.csv")["id"].tolist() == ids
    assert verify(tmp_path / "t.csv").ok


@pytest.mark.parametrize("length", [MAX_TEXT_LENGTH, MAX_TEXT_LENGTH + 1])
def test_long_texts_are_kept_or_counted_and_stop_no_client(length: int, until: Until) -> None:
    """A text has up to 4,096 characters; a client of any kind goes on after a longer one."""
    text = "\x01" * length
    with tk.serve(None, port=0) as server:
        feeds = [tk.connect(server.url), tk.connect(server.url + "ticks")]
        for feed in feeds:
            until(lambda feed=feed: feed.status == "live")
        server.publish({"symbol": "A", "price": 1, "note": text})
        server.publish({"symbol": "A", "price": 2, "note": "short"})
        for feed in feeds:
            feed.wait(2)
            known = feed.frame()["note"].dropna().tolist()
            assert known == (["short"] if length > MAX_TEXT_LENGTH else [text, "short"])
        assert server.stats["misfits"] == ({"note": 1} if length > MAX_TEXT_LENGTH else {})


@pytest.mark.parametrize("given", ["json", "frame"])
def test_texts_of_a_tick_are_bounded_together(given: str) -> None:
    """The texts of a tick have at most 65,536 characters in all: no message is too large."""
    names = [f"c{number:02}" for number in range(MAX_TICK_TEXT_LENGTH // MAX_TEXT_LENGTH + 2)]
    tick = {"symbol": "A", "price": 1, **dict.fromkeys(names, "\x01" * MAX_TEXT_LENGTH)}
    with tk.serve(None, port=0) as server, tk.connect(server.url + "ticks") as feed:
        server.publish(tick if given == "json" else pd.DataFrame([tick]))
        assert server.stats["misfits"] == dict.fromkeys(names[-2:], 1)
        assert len(encode_objects(server.log.rows(), None) or b"") < MAX_SEGMENT_BYTES
        assert len(encode_columns(server.log.rows(), None) or b"") < MAX_SEGMENT_BYTES
        assert feed.status != "failed"


# --- every bound has a test -----------------------------------------------------------------------

# Each bound of `tickerkit.limits`, and the test that drives it over its edge.
TESTS = {
    "MAX_EPOCH_LENGTH": "test_resume_in_an_epoch_that_is_too_long_is_refused_by_name",
    "MAX_COLUMNS": "test_columns_up_to_the_limit_are_kept_and_others_counted",
    "MAX_DICTIONARIES_BYTES": "test_dictionaries_are_bounded_together",
    "MAX_DICTIONARY_BYTES": "test_column_with_too_long_a_dictionary_holds_the_text_of_each_tick",
    "MAX_EXACT_INT": "test_integers_are_exact_from_json_to_the_file",
    "MAX_FIELDS": "test_values_beyond_their_bound_are_refused_or_counted",
    "MAX_FREE_TEXT_BYTES": "test_memory_of_free_text_is_bounded_and_freed",
    "MAX_INT64": "test_values_beyond_their_bound_are_refused_or_counted",
    "MAX_LEVELS": "test_levels_beyond_the_limit_are_counted",
    "MAX_LEVELS_HELD": "test_levels_of_all_books_are_bounded",
    "MAX_MISFIT_NAMES": "test_names_of_misfits_are_bounded",
    "MAX_NAME_LENGTH": "test_values_beyond_their_bound_are_refused_or_counted",
    "MAX_NESTING": "test_values_beyond_their_bound_are_refused_or_counted",
    "MAX_SEGMENT_BYTES": "test_no_message_is_large_however_many_words_there_are",
    "MAX_SYMBOLS": "test_feed_lists_ticks_of_symbols_beyond_the_limit_as_gaps",
    "MAX_TEXT_LENGTH": "test_long_texts_are_kept_or_counted_and_stop_no_client",
    "MAX_TICK_TEXT_LENGTH": "test_texts_of_a_tick_are_bounded_together",
    "MAX_UNIT_LENGTH": "test_invalid_unit_is_refused",
    "MAX_WORDS": "test_text_beyond_any_dictionary_is_exact_in_feed_and_file",
}

# Bounds that one module alone relies on: of caches, of what an error names, of work done at once.
# None of them decides which value of a tick is kept.
LOCAL = {
    "ticks/builder.py": {"MAX_ERRORS", "MAX_PLANS", "MAX_PLAN_CHARACTERS"},
    "log/compaction.py": {"MAX_DOUBLED_ROWS"},
    "log/position.py": {"MAX_SEQ"},
    "log/tick_log.py": {"MAX_FIRST_SEQS"},  # which epochs are remembered, not which ticks
    "log/gaps.py": {"MAX_REASON_LENGTH"},
    "log/books.py": {"MAX_EARLIER"},  # books are no ticks
    "log/newest_time.py": {"MAX_AHEAD_NS"},  # what `last=` counts back from, not which ticks
    "ticks/pieces.py": {"MAX_TICK_BYTES"},  # of a plain server's message: its ticks are refused
    "bars/partial.py": {"MAX_SEARCHED_CODES"},
    "bars/ohlcv.py": {"MAX_KEPT_BARS"},
    "bars/log_bars.py": {"MAX_KEPT"},
    "bars/series.py": {"MAX_DROPPED", "MAX_INDICATORS"},
    "bars/indicators/catalogue.py": {"MAX_PERIOD", "MAX_WIDTH"},  # refused as arguments
}


@pytest.mark.parametrize(
    ("tick", "kept", "misfits", "refused"),
    [
        ({"id": BIG, "more": 1}, {"id": BIG, "more": 1}, {}, 0),
        ({"id": 2**63 - 1}, {"id": 2**63 - 1}, {}, 0),
        ({"id": 2**63}, {"id": str(2**63)}, {}, 0),
        ({"trade_id": 2**63}, {}, {"trade_id": 1}, 0),
        ({"id": 2**64}, {}, {}, 1),
        ({"x" * MAX_NAME_LENGTH: 1}, {"x" * MAX_NAME_LENGTH: 1}, {}, 0),
        ({"x" * (MAX_NAME_LENGTH + 1): 1}, {}, {"x" * MAX_NAME_LENGTH: 1}, 0),
        ({"symbol": "S" * MAX_NAME_LENGTH}, {"symbol": "S" * MAX_NAME_LENGTH}, {}, 0),
        ({"symbol": "S" * (MAX_NAME_LENGTH + 1)}, {}, {}, 1),
        ({"deep": nested(MAX_NESTING - 1)}, {}, {"deep": 1}, 0),
        ({"deep": nested(MAX_NESTING)}, {}, {}, 1),
        (dict.fromkeys(map(str, range(MAX_FIELDS - 1))), {}, {}, 1),
        (dict.fromkeys(map(str, range(MAX_FIELDS - 2))), {}, {}, 0),
    ],
)
def test_values_beyond_their_bound_are_refused_or_counted(
    tick: dict[str, object], kept: dict[str, object], misfits: dict[str, int], refused: int
) -> None:
    """A value on the edge reaches the feed; one beyond it is refused or counted."""
    with tk.serve(None, port=0) as server, tk.connect(server.url, history=None) as feed:
        given = json.dumps({"symbol": "A", "price": 1, **tick})
        if refused:
            with pytest.raises(tk.BadTick):
                server.publish(given)
        else:
            server.publish(given)
            row = feed.wait(1).frame().iloc[0].to_dict()
            assert row | kept == row
        assert (server.stats["refused"], server.stats["misfits"]) == (refused, misfits)


def test_dictionaries_are_bounded_together(monkeypatch: pytest.MonkeyPatch, until: Until) -> None:
    """Columns whose words are too long together give up their dictionaries; no text is lost."""
    monkeypatch.setattr(columns_module, "MAX_DICTIONARIES_BYTES", 1000)
    words = [f"{number:02}" * 10 for number in range(100)]
    with tk.serve(None, port=0) as server, tk.connect(server.url, history=None) as feed:
        server.publish([{"symbol": "A", "price": 1, "a": w, "b": w, "c": "x"} for w in words])
        feed.wait(100)
        for name in ("a", "b"):
            assert feed.frame()[name].tolist() == words
        assert set(server.log.dictionaries) < {"symbol", "epoch", "a", "b", "c"}
        assert feed.stats["misfits"] == {}


def test_every_bound_of_data_has_a_test() -> None:
    """A new bound needs a row above, and a test that drives it over its edge."""
    assert set(limits.__all__) == set(TESTS)
    texts = [path.read_text(encoding="utf-8") for path in Path(__file__).parent.rglob("test_*.py")]
    for test in TESTS.values():
        assert any(f"def {test}(" in text for text in texts), test


@pytest.mark.parametrize("room", ["ticks", "log", "bars"])
def test_no_room_of_data_has_a_bound_of_its_own(room: str) -> None:
    """A bound that decides which values of ticks are kept is in `tickerkit.limits`."""
    root = Path(tk.__file__).parent
    found: dict[str, set[str]] = {}
    for path in (root / room).rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if names := set(re.findall(r"^(MAX_\w+)(?:: \w+)? = ", text, re.MULTILINE)):
            found[path.relative_to(root).as_posix()] = names
    assert found == {name: names for name, names in LOCAL.items() if name.startswith(f"{room}/")}
