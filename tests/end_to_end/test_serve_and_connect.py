"""End to end, without a browser: a recorded day, served and received."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from peers import Wire, dial, receive

import tickerkit as tk

Until = Callable[..., None]

TRADES = 250_601
RECORDED = ["time", "price", "size", "exchange", "condition", "suspicious"]


@pytest.fixture(scope="module")
def day(recorded: Path) -> pd.DataFrame:
    """Return the recorded SPY day as ticks."""
    names = ["ms", "price", "size", "exchange", "condition", "suspicious"]
    types = {"price": "float64", "size": "float64", "exchange": "str", "condition": "str"}
    path = recorded / "ticks" / "lean-spy-20131007-trade.csv.gz"
    raw = pd.read_csv(path, names=names, dtype=types)
    assert len(raw) == TRADES
    midnight = pd.Timestamp("2013-10-07", tz="America/New_York").tz_convert("UTC")
    time = (midnight + pd.to_timedelta(raw["ms"], unit="ms")).astype("datetime64[ns, UTC]")
    return pd.DataFrame(
        {
            "time": time,
            "symbol": "SPY",
            "price": raw["price"] / 10_000,
            "size": raw["size"],
            "exchange": raw["exchange"],
            "condition": raw["condition"],
            "suspicious": raw["suspicious"].astype("float64"),
        }
    )


def assert_is_the_day(frame: pd.DataFrame, day: pd.DataFrame) -> None:
    """Check that a frame holds the recorded day: every column, in order, numbered from 1."""
    assert frame["seq"].tolist() == list(range(1, TRADES + 1))
    assert (frame["symbol"] == "SPY").all()
    assert frame["epoch"].nunique() == 1
    found = frame[RECORDED].astype({"exchange": "str", "condition": "str"})
    pd.testing.assert_frame_equal(found, day[RECORDED])


def test_a_recorded_day_arrives_whole(day: pd.DataFrame) -> None:
    """A feed that was there before and one that joins after the end hold all of it."""
    source = tk.replay(day, speed=float("inf"), wait_for=1)
    with tk.serve(source, port=0, history=300_000) as server:
        early = tk.connect(server.url, history=None)
        assert early.wait(TRADES, timeout=60).stats["received"] == TRADES
        late = tk.connect(server.url, history=None)
        assert late.wait(TRADES, timeout=60).stats["received"] == TRADES
        for feed in (early, late):
            feed.wait(TRADES, timeout=10)
            assert feed.status == "ended"
            assert_is_the_day(feed.frame(), day)
            assert len(feed.gaps) == 0
            assert feed.stats["duplicates"] == feed.stats["refused"] == 0
            assert feed.stats["misfits"] == {}
        assert server.status == "ended"
        assert server.stats["ticks"] == TRADES
        assert server.stats["refused"] == 0


def test_a_recorded_day_arrives_whole_over_a_wire_that_is_cut(
    day: pd.DataFrame, until: Until
) -> None:
    """Broken off in the middle of it, a feed resumes, and in the end holds all of it, once."""
    source = tk.replay(day, speed=float("inf"), wait_for=1)
    with (
        tk.serve(source, port=0, history=300_000) as server,
        Wire(server.port) as wire,
        tk.connect(wire.url, history=None) as feed,
    ):
        while feed.status != "ended":
            had = feed.stats["received"]
            until(lambda had=had: feed.stats["received"] > had or feed.status == "ended")
            wire.cut()
        feed.wait(TRADES + 1, timeout=60)
        assert feed.status == "ended"
        assert_is_the_day(feed.frame(), day)
        assert len(feed.gaps) == 0
        assert feed.stats["reconnects"] >= 2


def test_a_recorded_day_goes_to_a_file_and_is_served_from_it(
    day: pd.DataFrame, tmp_path: Path
) -> None:
    """Saved by one feed and replayed to another, the ticks are the same."""
    some = day[:20_000].drop(columns="condition")
    fast = float("inf")
    with tk.serve(tk.replay(some, speed=fast, wait_for=1), port=0) as server:
        feed = tk.connect(server.url, history=None).wait(20_000)
        path = feed.to_csv(tmp_path / "day.csv")
        saved = feed.frame()
    pd.testing.assert_frame_equal(tk.read_csv(path), saved)
    with tk.serve(tk.replay(path, speed=fast, wait_for=1), port=0) as server:
        again = tk.connect(server.url, history=None).wait(20_000).frame()
    columns = ["seq", "time", "symbol", "price", "size", "exchange", "suspicious"]
    pd.testing.assert_frame_equal(again[columns], saved[columns])


def test_the_tutorial_runs() -> None:
    """The function of the tutorial is polled, and its page's messages are arrays of prices."""

    def fetch_stock_prices() -> list[dict[str, object]]:
        return [{"symbol": "AAPL", "price": 187.25}, {"symbol": "MSFT", "price": 411.5}]

    with tk.serve(fetch_stock_prices, port=0) as server, dial(server.url) as page:
        shown = [f"{stock['symbol']}: ${stock['price']}" for stock in receive(page)]
        assert shown == ["AAPL: $187.25", "MSFT: $411.5"]


class Gappy(tk.Source):
    """Three stretches of ticks, with a gap that was counted and one that was not."""

    def __init__(self) -> None:
        self.go = threading.Event()

    async def run(self, out: tk.Outlet) -> None:
        """Send the last stretch once it may."""
        await out.wait_for_readers(1)
        await out.send([{"symbol": "A", "price": n} for n in range(3)])
        await out.gap(2, "counted")
        self.go.wait()
        await out.send([{"symbol": "B", "price": n} for n in range(2)])
        await out.gap(None, "not counted")
        await out.send({"symbol": "A", "price": 9})


def test_what_a_source_misses_every_reader_is_told(until: Until) -> None:
    """A feed that is cut off meanwhile, one of some symbols, one that joins late, a plain peer."""
    source = Gappy()
    with (
        tk.serve(source, port=0) as server,
        Wire(server.port) as wire,
        dial(server.url + "ticks") as plain,
        tk.connect(wire.url, history=None) as feed,
    ):
        until(lambda: len(feed.gaps) == 1)
        wire.cut()
        source.go.set()
        until(lambda: feed.status == "ended")
        late = tk.connect(server.url, history=None)
        filtered = tk.connect(server.url, history=None, symbols="A")
        until(lambda: late.status == filtered.status == "ended")
        assert server.gaps["reason"].tolist() == ["counted", "not counted"]
        told = ["epoch", "from", "to", "reason"]
        for each in (feed, late, filtered):
            pd.testing.assert_frame_equal(each.gaps[told], server.gaps[told])
        for each in (feed, late):
            assert each.frame()["seq"].tolist() == [1, 2, 3, 6, 7, 1]
            assert each.stats["duplicates"] == 0
        assert filtered.frame()["seq"].tolist() == [1, 2, 3, 1]
        pd.testing.assert_frame_equal(late.gaps, server.gaps)
        heard = [receive(plain) for _ in range(5)]
        gaps = [each for each in heard if isinstance(each, dict)]
        assert [(gap["from"], gap["to"]) for gap in gaps] == [(4, 5), (8, None)]


def test_feeds_that_join_while_ticks_pour_in_have_no_hole(until: Until) -> None:
    """History first, then live: fifty that join at full rate have no hole and no double."""
    done = threading.Event()
    with tk.serve(None, port=0) as server:

        def pour() -> None:
            while not done.is_set():
                server.publish([{"symbol": "AB"[n % 2], "price": n} for n in range(10)])

        thread = threading.Thread(target=pour)
        thread.start()
        feeds = []
        try:
            until(lambda: server.log.stop > 1000)
            for n in range(50):
                history, symbols = (0, 100, None, 100)[n % 4], ["B"] if n % 4 == 3 else None
                before = server.log.last_seq
                feed = tk.connect(server.url, history=history, symbols=symbols).wait(1)
                feeds.append((feed, history, symbols, before, server.log.last_seq))
        finally:
            done.set()
            thread.join()
        whole = server.log.frame()
        assert whole["seq"].iloc[0] == 1
        for feed, history, symbols, before, after in feeds:
            expected = whole if symbols is None else server.log.frame(symbol=symbols)
            last = expected["seq"].iloc[-1]
            until(lambda feed=feed, last=last: feed.log.last_seq == last, timeout_s=30)
            frame = feed.frame()
            first = frame["seq"].iloc[0]
            if history is None:
                assert first == 1
            else:
                asked = history * (1 if symbols is None else 2)
                assert before < first + asked <= after + 2
            pd.testing.assert_series_equal(
                frame["seq"], expected["seq"][expected["seq"] >= first].reset_index(drop=True)
            )
            assert frame["price"].tolist() == expected["price"].tolist()[-len(frame) :]
            assert len(feed.gaps) == feed.stats["duplicates"] == 0


def test_many_feeds_of_one_server_get_the_same() -> None:
    """Thirty readers of a busy server hold the very same ticks, and it stops at once."""
    with tk.serve(tk.simulate(["AAPL", "MSFT"], rate=500, seed=1), port=0) as server:
        feeds = [tk.connect(server.url, history=None) for _ in range(30)]
        for feed in feeds:
            feed.wait(1000, timeout=30)
        server.stop()
        whole = server.log.frame()
        for feed in feeds:
            frame = feed.frame()
            assert len(frame) >= 1000
            columns = [name for name in frame.columns if name not in ("received", "symbol")]
            pd.testing.assert_frame_equal(frame[columns], whole[columns][: len(frame)])
        began = time.monotonic()
    assert time.monotonic() - began < 2


def test_gaps_side_by_side_keep_their_reasons(until: Until) -> None:
    """Each may name other ticks; those that follow come, also on a plain connection."""

    class Holes(tk.Source):
        async def run(self, out: tk.Outlet) -> None:
            await out.wait_for_readers(1)
            await out.send({"symbol": "A", "price": 1})
            for count, reason in ((2, "A 2 to 3"), (3, "B 7 to 9"), (1, "B 7 to 9")):
                await out.gap(count, reason)
            await out.send({"symbol": "A", "price": 2})

    with tk.serve(Holes(), port=0) as server, tk.connect(server.url) as feed:
        feed.wait(2)
        late = tk.connect(server.url, history=None)
        late.wait(2)
        for each in (server, feed, late):
            gaps = each.gaps
            assert gaps["reason"].tolist() == ["A 2 to 3", "B 7 to 9"]
            assert gaps[["from", "to"]].to_numpy().tolist() == [[2, 3], [4, 7]]
        assert late.frame()["seq"].tolist() == feed.frame()["seq"].tolist() == [1, 8]
