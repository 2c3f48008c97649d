"""Raw truth: the raw frames of a source, read again, give the ticks, gaps and statuses of live."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from event_server import Stream, serve_events
from recordings import wire_texts
from soaks import soak
from venue_truth import account
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import Server, ServerConnection, serve

import tickerkit as tk
from tickerkit.cli import main
from tickerkit.feed.frame_buffer import Dropped, FrameBuffer
from tickerkit.fieldmaps.guess import guesser
from tickerkit.log import TickLog
from tickerkit.presets import Fallback, Venue, lives, mute, trades
from tickerkit.presets.files import load_preset
from tickerkit.presets.preset import Step
from tickerkit.sources import delays
from tickerkit.sources.raw_events import RawEvents
from tickerkit.sources.venue import VenueSource
from tickerkit.storage import load
from tickerkit.storage.raw_lines import RawFile, dropped_line, event_line
from tickerkit.testing import FakeVenue
from tickerkit.ticks import Batch

Until = Callable[..., None]

# The function `venue` hides the module.
venue_module = sys.modules[VenueSource.__module__]
COUNTS = ["symbol", "channel", "status", "rows", "gaps", "missing", "repaired", "refusal"]
KEY, TOKEN = "s3cr3t-k3y-0815", "t0k3n-of-4-f33d"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten what tests would wait for."""
    monkeypatch.setattr(delays, "FIRST_DELAY_S", 0.02)
    monkeypatch.setattr(venue_module, "AGAIN_S", 0.02)
    monkeypatch.setattr(venue_module, "STEP_S", 0.02)
    monkeypatch.setattr(trades, "FETCH_S", 0.4)
    monkeypatch.setattr(trades, "RETRY_S", 0.1)


def values(frame: pd.DataFrame) -> pd.DataFrame:
    """Return ticks without what their log has made of them."""
    names = sorted(set(frame) - {"seq", "epoch", "received"})
    texts = {name: str for name in names if frame[name].dtype == "category"}
    return frame[names].astype(texts).reset_index(drop=True)


def assert_same_ticks(raw: pd.DataFrame, live: pd.DataFrame) -> None:
    """Check that two frames have the same ticks, in the same order."""
    assert len(live) > 0
    pd.testing.assert_frame_equal(values(raw), values(live))


def gaps_of(gaps: pd.DataFrame) -> list[tuple[Any, ...]]:
    """Return what is missing where: sizes, the times of the ticks after the gaps, and reasons."""
    sizes = (gaps["to"] - gaps["from"]).astype(object).where(gaps["to"].notna(), None)
    return list(zip(sizes, gaps["first_after"].astype(str), gaps["reason"], strict=True))


def lines_of(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a file of raw frames."""
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def is_subscribed(fake: FakeVenue, count: int = 2) -> bool:
    """Return whether the newest connection has all its subscriptions."""
    return bool(fake.subscribed) and len(fake.subscribed[-1]) == count


@contextmanager
def receiving(source: VenueSource) -> Iterator[tk.Feed]:
    """Serve a source, and receive its ticks."""
    with tk.serve(source, port=0) as server, tk.connect(server.url, history=None) as feed:
        yield feed


def break_often(fake: FakeVenue, symbol: str, disconnects: int, until: Until) -> None:
    """Trade, and disconnect the client in several ways."""
    rng = random.Random(disconnects)
    for number in range(disconnects):
        for _ in range(4):
            fake.trade(symbol, rng.randint(1, 5), None)
        match number % 3:
            case 0:
                fake.cut()
            case 1:
                fake.close()
            case 2:
                fake.trade(symbol, 3, "half")
        # Beyond what REST has, too.
        fake.trade(symbol, 60 if number % 4 == 0 else 3)
        until(lambda: is_subscribed(fake), 30)
    fake.trade(symbol, 2)


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("kraken", "first"),
        ("dense", "later"),
        ("dense", "in a break"),
        ("unique", "in a break"),
        ("random", "in a break"),
    ],
)
@pytest.mark.parametrize("disconnects", [4, soak(200)])
def test_raw_frames_of_a_venue_give_the_ticks_gaps_and_statuses_of_live(
    name: str, begins: str, disconnects: int, until: Until, tmp_path: Path
) -> None:
    """Over breaks, holes, past trades that are there or not; from any moment on."""
    symbol = "BTC/USD" if name == "kraken" else "AAA"
    fake = FakeVenue(
        name,
        [symbol],
        seed=5,
        trades_per_s=0,
        connects_per_minute=None,
        requests_per_s=None,
        rest_reach=40,
        rest_failures=0.1,
        faults={"skipped": 0.05, "doubled": 0.05, "shuffled": 0.05},
    )
    with fake:
        source = fake.source([symbol], connects_per_minute=None)
        if begins == "first":
            source.raw_events.hold()
        with receiving(source) as feed:
            until(lambda: is_subscribed(fake))
            fake.trade(symbol, 5)
            feed.wait(5)
            if begins == "in a break":
                fake.change(rest_failures=1.0)
                fake.cut()
                fake.trade(symbol, 3)
                until(lambda: is_subscribed(fake))
                fake.change(rest_failures=0.1)
            with feed.record(tmp_path / "ticks.csv", raw=True, flush_s=0.01):
                break_often(fake, symbol, disconnects, until)
                newest_ms = fake.trades[symbol][-1].time_ns // 10**6
                until(lambda: newest_ms in feed.frame()["time"].astype("int64").to_numpy() // 10**6)
                until(lambda: not source.venue.streams[symbol].is_holding)
                if name in ("kraken", "dense"):
                    until(lambda: account(fake, feed.frame(), feed.gaps).is_exact)
            freshness = source.freshness()
    raw, live = load(tmp_path / "ticks.raw.jsonl"), load(tmp_path / "ticks.csv")
    assert raw.warning is None
    first = len(raw.frame) - len(live.frame)
    assert begins != "first" or first >= 0
    assert_same_ticks(raw.frame.iloc[max(first, 0) :], live.frame)
    # A gap before the first tick of a file is between this tick and one of an earlier file.
    begin = str(live.frame["time"].iloc[0])
    wanted = [each for each in gaps_of(live.gaps) if each[1] != begin]
    assert [each for each in gaps_of(raw.gaps) if each[1] != begin][-len(wanted) :] == wanted
    assert wanted
    last = pd.DataFrame([row for _, row in raw.states[-len(freshness) :]])
    pd.testing.assert_frame_equal(last[COUNTS], freshness[COUNTS])


def test_each_raw_file_of_a_recording_is_readable_by_itself(until: Until, tmp_path: Path) -> None:
    """Its head has what was known: the files together have each tick once, over breaks too."""
    with FakeVenue("random", trades_per_s=400) as fake:
        source = fake.source(connects_per_minute=None)
        source.raw_events.hold()
        with receiving(source) as feed:
            recorder = feed.record(tmp_path, raw=True, flush_s=0.01, rotate="10KB")
            for number in range(3):
                until(lambda number=number: recorder.stats["files"] > number + 1)
                fake.cut()
            until(lambda: recorder.stats["files"] > 4)
            recorder.stop()
            live = feed.frame()
    files = sorted(tmp_path.glob("*.raw.jsonl"))
    parts = [load(path) for path in files]
    assert len(files) > 4
    assert all(part.warning is None for part in parts)
    again = pd.concat([part.frame for part in parts if len(part.frame)], ignore_index=True)
    columns = ["time", "price", "bid", "origin"]
    count = min(len(again), len(live))
    assert count > 100
    for column in columns:
        assert (
            again[column][:count].astype(str).tolist() == live[column][:count].astype(str).tolist()
        )


def test_events_that_do_not_fit_in_the_buffer_are_a_gap(tmp_path: Path) -> None:
    """The machine continues after them, and says that ticks are missing."""
    source = tk.websocket("wss://host/", fields=FIELDS)
    buffer, path = FrameBuffer(max_bytes=2000), tmp_path / "x.raw.jsonl"
    source.raw_events.add(buffer)
    source.raw_events.note_open(0.0, "")
    source.machine.start_connection(0.0)
    file = RawFile(path, "new")
    for number in range(1, 61):
        source.raw_events.note(float(number), 1, row(number), number)
        source.machine.receive([row(number)], float(number))
        if number % 20 == 0:
            file.append(b"".join(encode_entry(each) for each in buffer.drain(number)))
    file.close()
    found = load(path)
    prices = found.frame["price"].tolist()
    assert {1, 21, 41} <= set(prices)
    assert buffer.dropped > 10
    assert len(prices) == len(set(prices)) == 60 - buffer.dropped
    assert list(found.gaps["reason"]) == ["not among the raw frames"] * 2


def encode_entry(entry: Any) -> bytes:
    """Return the line of what a buffer has kept."""
    return dropped_line(*entry) if isinstance(entry, Dropped) else event_line(*entry)


def test_quote_without_a_time_has_that_of_its_message() -> None:
    """And not that at which a log took it: a replay would have another one."""
    venue = Venue(load_preset("binance"), ["BTCUSDT"])
    link, _ = venue.open(venue.sockets()[0], 0.0)
    data = {"u": 1, "s": "BTCUSDT", "b": "1.5", "B": "1", "a": "2.5", "A": "1"}
    text = json.dumps({"stream": "btcusdt@bookTicker", "data": data})
    [batch] = venue.receive(link, [text], 1.0, 1723161255342000000)
    assert isinstance(batch, Batch)
    assert batch.time.tolist() == [1723161255342000000]


def test_each_kind_of_event_is_kept(until: Until, tmp_path: Path) -> None:
    """What was sent, REST answers, connects and closes with their codes, and when."""
    with FakeVenue("kraken", ["BTC/USD"], trades_per_s=0, connects_per_minute=None) as fake:
        source = fake.source(["BTC/USD"], connects_per_minute=None)
        source.raw_events.hold()
        with receiving(source) as feed, feed.record(tmp_path / "ticks.csv.zst", raw=True):
            until(lambda: is_subscribed(fake))
            fake.trade("BTC/USD", 3)
            feed.wait(3)
            fake.close()
            fake.trade("BTC/USD", 4)
            until(lambda: account(fake, feed.frame(), feed.gaps).is_exact)
            until(lambda: fake.requests and not source.venue.streams["BTC/USD"].is_holding)
        sent = [each for each in fake.received if '"subscribe"' in str(each)]
        requests = list(fake.requests)
    import zstandard

    with zstandard.open(tmp_path / "ticks.raw.jsonl.zst", "rt") as file:
        lines = [json.loads(line) for line in file]
    assert all(each["t"] > 1e18 and each["now"] > 0 for each in lines)
    head = lines[0]["source"]
    assert (head["name"], head["symbols"]) == ("kraken", ["BTC/USD"])
    assert head["preset"]["socket"][0]["reads"][0]["fields"]["price"] == "price"
    assert [each["sent"] for each in lines if '"subscribe"' in each.get("sent", "")] == sent
    assert [each["on"] for each in lines if "opened" in each] == [1, 2]
    [first, *_] = [each for each in lines if "closed" in each]
    assert (first["on"], first["closed"], first["by_venue"]) == (1, 1001, True)
    asked = [each for each in lines if each.get("request")]
    assert [each["request"].removeprefix(f"GET {fake.rest}") for each in asked] == requests
    assert all(each["status"] == 200 and each["frame"]["result"] for each in asked)


def test_replay_runs_the_machine_again(until: Until, tmp_path: Path) -> None:
    """`tk.replay` of raw frames sends the ticks and gaps, and knows the statuses at its place."""
    with FakeVenue("dense", trades_per_s=0, rest_reach=5) as fake:
        source = fake.source(connects_per_minute=None)
        source.raw_events.hold()
        with receiving(source) as feed:
            with feed.record(tmp_path / "ticks.csv", raw=True):
                until(lambda: is_subscribed(fake))
                fake.trade("AAA", 3)
                feed.wait(3)
                fake.cut()
                fake.trade("AAA", 20)
                until(lambda: account(fake, feed.frame(), feed.gaps).is_exact)
            live, live_gaps, freshness = feed.frame(), feed.gaps, source.freshness()
    again = tk.replay(tmp_path / "ticks.raw.jsonl", speed=float("inf"), wait_for=1)
    assert len(again.freshness()) == 0
    with tk.serve(again, port=0) as server, tk.connect(server.url, history=None) as feed:
        feed.own(server)
        until(lambda: feed.status == "ended")
        assert_same_ticks(feed.frame(), live)
        assert gaps_of(feed.gaps) == gaps_of(live_gaps)
        assert len(feed.gaps) == 1
        pd.testing.assert_frame_equal(feed.freshness[COUNTS], freshness[COUNTS])
        assert feed.freshness["last"].max() <= live["received"].max() + pd.Timedelta("1s")


def test_command_records_a_venue_from_its_first_connection_on(
    until: Until, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`tickerkit record --raw`: the source connects before there is a recorder."""
    with FakeVenue("dense", trades_per_s=100) as fake:
        monkeypatch.setattr("tickerkit.cli.record.load_source", lambda *_: fake.source())
        out = tmp_path / "t.csv"
        assert main(["record", "madeup:AAA", "-o", str(out), "--raw", "--ticks", "50"]) == 0
    raw, live = load(tmp_path / "t.raw.jsonl").frame, load(tmp_path / "t.csv").frame
    assert_same_ticks(raw.iloc[: len(live)], live)
    lines = lines_of(tmp_path / "t.raw.jsonl")
    assert ["source" in each or "opened" in each for each in lines[:2]] == [True, True]


def test_source_in_another_process_keeps_frames_of_its_server(until: Until, tmp_path: Path) -> None:
    """What happens there can't be recorded here: the messages that the feed receives are."""
    with FakeVenue("dense", trades_per_s=100) as fake:
        source = fake.source()
        source.on_sent_to_process()
        with receiving(source) as feed, feed.record(tmp_path / "ticks.csv", raw=True):
            feed.wait(20)
    assert lines_of(tmp_path / "ticks.raw.jsonl")[0]["protocol"] == "tickerkit.v1"


# Recorded frames, and the preset that reads them; None where none does, for a map to be guessed.
RECORDED = [
    ("binance_spot-btcusdt-trade_bookticker", "binance"),
    ("binance_usdm-btcusdt-all", "binance-usdm"),
    ("coinbase_exchange-ticker_match", "coinbase"),
    ("coinbase_advanced-btcusd-ticker_trades", "coinbase-advanced"),
    ("bybit_v5-linear-tickers_trade", "bybit-linear"),
    ("bitstamp-all", "bitstamp"),
    ("bitfinex_v2-all", "bitfinex"),
    ("finnhub-tsla_aapl-sample", "finnhub"),
    ("kraken_v1-trade", None),
    ("gemini_v2-all", None),
    ("kucoin-ticker_match", None),
]
MAX_FRAMES = 1500


@pytest.mark.parametrize(("name", "preset"), RECORDED)
def test_recorded_frames_are_played_through(
    recorded: Path, tmp_path: Path, name: str, preset: str | None
) -> None:
    """Frames of a real venue, written as raw frames and read again, give the ticks of its map."""
    [frames] = (recorded / "frames").glob(f"{name}.jsonl*")
    messages = [text.encode() for text in islice(wire_texts(frames), MAX_FRAMES)]
    buffer, log = FrameBuffer(), TickLog()
    if preset is None:
        source: Any = tk.websocket("wss://host/", {"op": "on"})
        machine = source.machine
        start, read = machine.start_connection, machine.receive
    else:
        source = VenueSource(Venue(load_preset(preset), ["A", "B"]))
    events = source.raw_events
    events.add(buffer)
    links: list[Any] = []
    for number, socket in enumerate(source.venue.sockets() if preset else [None], 1):
        events.note(0.0, number, opened="wss://host/", socket=number - 1)
        links.append(start(0.0) if socket is None else source.venue.open(socket, 0.0)[0])
    for at, message in enumerate(messages, 1):
        for number, link in enumerate(links, 1):
            events.note(float(at), number, message, at)
            if preset is None:
                found = read([message], float(at)).batches
            else:
                found = source.venue.receive(link, [message], float(at), at) + link.tick(float(at))
            for batch in found:
                if isinstance(batch, Batch) and batch.count:
                    log.append(batch, received=at)
    path = tmp_path / "x.raw.jsonl.zst"
    file = RawFile(path, "new")
    file.append(b"".join(event_line(*each) for each in buffer.drain(0)))
    file.close()
    found = load(path)
    assert found.warning is None
    assert_same_ticks(found.frame, log.frame())
    assert found.frame["received"].astype("int64").tolist() == (
        log.frame()["received"].astype("int64").tolist()
    )


def test_replay_finds_the_same_subscription_mute(
    until: Until, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It decides by the recorded clock, and by the recorded answers of REST."""
    monkeypatch.setattr(lives, "MIN_QUIET_S", 0.3)
    monkeypatch.setattr(lives, "QUIET_INTERVALS", 0.0)
    monkeypatch.setattr(mute, "CONFIRM_S", 0.2)
    monkeypatch.setattr(mute, "CHECK_EVERY_S", 0.3)
    monkeypatch.setattr("tickerkit.storage.raw_source.LOOK_EVERY_S", 0.0)
    with FakeVenue("dense", trades_per_s=0) as fake:
        source = fake.source(connects_per_minute=None)
        source.raw_events.hold()
        with receiving(source) as feed, feed.record(tmp_path / "ticks.csv", raw=True):
            until(lambda: is_subscribed(fake))
            fake.trade("AAA", 3)
            feed.wait(3)
            fake.mute("AAA")
            fake.trades_per_s = 50
            until(lambda: fake.accepted == 2, 20, "the connection is replaced")
            until(lambda: is_subscribed(fake))
            fake.trades_per_s = 0
            fake.trade("AAA", 2)
            until(lambda: account(fake, feed.frame(), feed.gaps).is_exact)
    raw, live = load(tmp_path / "ticks.raw.jsonl"), load(tmp_path / "ticks.csv")
    assert_same_ticks(raw.frame, live.frame)
    statuses = [row["status"] for _, row in raw.states if row["channel"] == "trades"]
    assert {"live", "mute"} <= set(statuses)


def test_replay_changes_to_the_fallback_preset_as_live(
    until: Until, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trades of the first preset are proved not to come; the gap is the same."""
    row = {"s": "BTCUSDT", "p": "1.5", "q": "1", "T": 1723161255342, "m": True}
    rounds: list[str] = []
    may_trade = threading.Event()

    async def run(source: VenueSource, out: Any) -> Fallback:
        now, number = asyncio.get_running_loop().time(), len(rounds) + 1
        rounds.append(source.venue.preset.name)
        kind = {1: ("trade", "t"), 2: ("aggTrade", "a")}[number]
        data = {**row, "e": kind[0], kind[1]: 7, **({"f": 7, "l": 7} if number == 2 else {})}
        text = json.dumps({"stream": f"btcusdt@{kind[0]}", "data": data})
        await asyncio.to_thread(may_trade.wait)
        source.raw_events.note(now, number, opened="wss://host/", socket=0)
        [socket] = source.venue.sockets()
        link, _ = source.venue.open(socket, now)
        source.raw_events.note(now, number, text, 1)
        for each in source.venue.receive(link, [text], now, 1):
            if isinstance(each, Batch):
                await out.send(each)
        if number == 2:
            await asyncio.Event().wait()
        return Fallback("binance-usdm-agg", "BTCUSDT", "are mute")

    monkeypatch.setattr(VenueSource, "_run", run)
    source = tk.venue("binance-usdm", "BTCUSDT", "trades")
    with receiving(source) as feed, feed.record(tmp_path / "ticks.csv", raw=True):
        may_trade.set()
        feed.wait(2)
    raw, live = load(tmp_path / "ticks.raw.jsonl"), load(tmp_path / "ticks.csv")
    assert rounds == ["binance-usdm", "binance-usdm-agg"]
    assert_same_ticks(raw.frame, live.frame)
    assert gaps_of(raw.gaps) == gaps_of(live.gaps)
    assert len(raw.gaps) == 1


def test_file_that_is_cut_off_is_read_up_to_the_cut(until: Until, tmp_path: Path) -> None:
    """After a crash: the ticks before it, and a warning about the torn line."""
    path = tmp_path / "ticks.raw.jsonl"
    with FakeVenue("kraken", ["BTC/USD"], trades_per_s=0, connects_per_minute=None) as fake:
        source = fake.source(["BTC/USD"], connects_per_minute=None)
        source.raw_events.hold()
        with receiving(source) as feed, feed.record(tmp_path / "ticks.csv", raw=True):
            until(lambda: is_subscribed(fake))
            break_often(fake, "BTC/USD", 3, until)
            until(lambda: account(fake, feed.frame(), feed.gaps).is_exact)
    whole = load(path).frame
    data = path.read_bytes()
    counts = []
    for share in (0.3, 0.6, 0.9):
        cut = tmp_path / f"{share}.raw.jsonl"
        cut.write_bytes(data[: int(len(data) * share)])
        found = load(cut)
        counts.append(len(found.frame))
        # What was held back when the file was cut off is not among the ticks.
        pd.testing.assert_frame_equal(values(found.frame), values(whole.iloc[: counts[-1]]))
    assert counts == sorted(counts)
    assert counts[-1] > 0


def test_line_that_is_damaged_is_a_gap(until: Until, tmp_path: Path) -> None:
    """What it would have brought is not known: never a silent hole."""
    path = tmp_path / "ticks.raw.jsonl"
    with FakeVenue("unique", trades_per_s=0) as fake:
        source = fake.source(connects_per_minute=None)
        source.raw_events.hold()
        with receiving(source) as feed, feed.record(tmp_path / "ticks.csv", raw=True):
            until(lambda: is_subscribed(fake))
            for number in range(3):
                fake.trade("AAA", 2)
                feed.wait(2)
                until(lambda number=number: len(feed.frame().query("price > 0")) == 2 * number + 2)
    lines = path.read_bytes().splitlines(keepends=True)
    trade_lines = [i for i, line in enumerate(lines) if b'"trade' in line and b'"frame"' in line]
    middle = trade_lines[len(trade_lines) // 2]
    lines[middle] = b"{damaged\n"
    path.write_bytes(b"".join(lines))
    found = load(path)
    assert found.warning is not None
    assert list(found.gaps["reason"]) == ["not among the raw frames"]
    # Without its head, nothing in it is read by a guess.
    path.write_bytes(b"".join([b"{damaged\n", *lines[1:]]))
    found = load(path)
    assert len(found.frame) == 0
    assert found.warning is not None


def test_damage_of_any_kind_is_an_error_by_name(until: Until, tmp_path: Path) -> None:
    """Bits that flip, and texts that are cut or doubled, in what was known and in what came."""
    with FakeVenue("random", trades_per_s=200) as fake:
        source = fake.source(connects_per_minute=None)
        with receiving(source) as feed:
            feed.wait(20)
            fake.cut()
            until(lambda: fake.accepted > 1)
            with feed.record(tmp_path / "ticks.csv", raw=True):
                feed.wait(20)
                fake.cut()
                feed.wait(20)
    data = b"".join((tmp_path / "ticks.raw.jsonl").read_bytes().splitlines(keepends=True)[:60])
    path, rng, refused = tmp_path / "x.raw.jsonl", random.Random(1), 0
    for _ in range(60):
        damaged = bytearray(data)
        for _ in range(rng.choice([1, 4])):
            # Half of the damage is in the head.
            at = rng.randrange(len(data) if rng.random() < 0.5 else data.index(b"\n"))
            match rng.randrange(3):
                case 0:
                    damaged[at] = rng.randrange(32, 127)
                case 1:
                    del damaged[at : at + rng.randrange(1, 40)]
                case 2:
                    damaged[at:at] = damaged[at : at + rng.randrange(1, 90)]
        path.write_bytes(damaged)
        try:
            load(path)
        except tk.RecordingError:
            refused += 1
    assert refused < 60


def test_file_of_a_source_that_can_not_be_made_is_refused(tmp_path: Path) -> None:
    """With the line, and not with an error of the parser."""
    path = tmp_path / "x.raw.jsonl"
    for source in ('{"kind":"venue"}', '{"kind":"?"}', '{"kind":"venue","preset":{"a":1}}', "{}"):
        path.write_text(f'{{"t":1,"now":1.0,"source":{source}}}\n')
        with pytest.raises(tk.RecordingError, match="line 1 names a source"):
            load(path)


# --- a websocket by a field map -------------------------------------------------------------------

FIELDS = {"rows": "data[]", "symbol": "s", "price": "p", "size": "v", "time": "T:ms"}


@contextmanager
def foreign(handle: Callable[[ServerConnection], None]) -> Iterator[str]:
    """Run a websocket of somebody's; yields its address, which has a key."""
    with serve(handle, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"ws://me:{TOKEN}@127.0.0.1:{_port(server)}/stream?key={KEY}"
        finally:
            server.shutdown()
            thread.join()


def _port(server: Server) -> int:
    return int(server.socket.getsockname()[1])


def row(price: float) -> str:
    """Return a message with a row."""
    return json.dumps({"data": [{"s": "BTC", "p": price, "v": 1, "T": 1723161255342}]})


@pytest.mark.parametrize("fields", [FIELDS, None])
def test_raw_frames_of_a_mapped_websocket_give_the_ticks_of_live(
    fields: Any, until: Until, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a map, or with one that is guessed again; and each break is the same gap."""
    monkeypatch.setattr(guesser, "WAIT_S", 0.2)
    connections: list[ServerConnection] = []
    is_recording = threading.Event()

    def handle(connection: ServerConnection) -> None:
        connections.append(connection)
        first, _ = connection.recv(), connection.recv()
        assert TOKEN in str(first)
        is_recording.wait(30)
        connection.send(json.dumps({"event": "welcome", "echo": TOKEN}))
        for number in range(5):
            connection.send(row(100 * len(connections) + number))
        if len(connections) < 3:
            connection.close(4000, f"bye {KEY}")
        with contextlib.suppress(ConnectionClosed):
            for _ in connection:
                pass

    login = {"op": "login", "args": [{"apiKey": "api-key-4711", "sign": TOKEN}]}
    with foreign(handle) as url:
        feed = tk.connect(
            url, subscribe=[login, {"op": "on"}], fields=fields, headers={"X-Api-Key": KEY}
        )
        until(lambda: len(connections) == 1)
        with feed, feed.record(tmp_path / "ticks.csv", raw=True, flush_s=0.01):
            is_recording.set()
            until(lambda: len(feed.frame()) == 15)
            live, live_gaps = feed.frame(), feed.gaps
    found = load(tmp_path / "ticks.raw.jsonl")
    assert_same_ticks(found.frame, live)
    assert found.frame["price"].tolist() == [100.0 * c + n for c in (1, 2, 3) for n in range(5)]
    reasons = [each.replace(KEY, "…") for each in live_gaps["reason"]]
    assert list(found.gaps["reason"]) == reasons
    # A break before the first map was guessed is before the first tick: no gap.
    assert len(reasons) == 2 or fields is None
    lines = lines_of(tmp_path / "ticks.raw.jsonl")
    closes = [(each["closed"], each["reason"]) for each in lines if each.get("closed")]
    assert closes == [(4000, "bye …")] * 2
    sent = [each["sent"] for each in lines if "sent" in each]
    # Those of the first connection may have been sent before the recording began.
    assert sent[-2:] == ['{"op":"login","args":[{"apiKey":"…","sign":"…"}]}', '{"op":"on"}']
    text = (tmp_path / "ticks.raw.jsonl").read_text()
    for secret in (KEY, TOKEN, "api-key-4711"):
        assert secret not in text
    assert '"echo": "…"' in text


def test_raw_frames_that_begin_later_know_the_rows_to_merge(until: Until, tmp_path: Path) -> None:
    """A message has only what changed: the rest was said before the recording began.

    It has no time, either: the tick has that at which the message came.
    """
    may_change = threading.Event()

    def handle(connection: ServerConnection) -> None:
        connection.send('{"s": "BTC", "bid": 1.5, "ask": 2.5}')
        may_change.wait(10)
        connection.send('{"s": "BTC", "ask": 3.5}')
        with contextlib.suppress(ConnectionClosed):
            for _ in connection:
                pass

    fields = {"symbol": "s", "bid": "bid", "ask": "ask", "merge": True}
    with foreign(handle) as url, tk.connect(url, fields=fields) as feed:
        feed.wait(1)
        with feed.record(tmp_path / "ticks.csv", raw=True):
            may_change.set()
            feed.wait(1)
    found = load(tmp_path / "ticks.raw.jsonl").frame
    assert_same_ticks(found, load(tmp_path / "ticks.csv").frame)
    assert found[["bid", "ask"]].to_numpy().tolist() == [[1.5, 3.5]]


def test_keys_are_not_in_raw_frames_that_begin_later(until: Until, tmp_path: Path) -> None:
    """The first frame may repeat a key that the connection was opened with."""
    may_send = threading.Event()

    def handle(connection: ServerConnection) -> None:
        connection.recv()
        connection.send(row(1))
        may_send.wait(30)
        echo = {"echo": [KEY, TOKEN, "api-key-4711", "header-0815"]}
        connection.send(json.dumps(echo))
        connection.send(row(2))
        with contextlib.suppress(ConnectionClosed):
            for _ in connection:
                pass

    login = {"op": "login", "args": [{"apiKey": "api-key-4711"}]}
    headers = {"Authorization": "Bearer header-0815"}
    with (
        foreign(handle) as url,
        tk.connect(url, subscribe=[login], fields=FIELDS, headers=headers) as feed,
    ):
        feed.wait(1)
        with feed.record(tmp_path / "ticks.csv", raw=True):
            may_send.set()
            feed.wait(1)
    text = (tmp_path / "ticks.raw.jsonl").read_text()
    assert '"echo"' in text
    for secret in (KEY, TOKEN, "api-key-4711", "header-0815"):
        assert secret not in text


def test_raw_frames_of_an_event_stream_give_the_ticks_and_gaps_of_live(
    until: Until, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Server-Sent Events have a machine as websockets have; here without times of their own."""
    monkeypatch.setattr(delays, "FIRST_DELAY_S", 0.0)

    def handle(stream: Stream) -> None:
        stream.begin()
        stream.send(f'id: {stream.number}\ndata: {{"s": "BTC", "p": {stream.number}}}\n\n')
        if stream.number == 2:
            stream.idle()

    with serve_events(handle) as there:
        source = tk.events(there.url, {"symbol": "s", "price": "p"}, headers={"X-Api-Key": KEY})
        source.raw_events.hold()
        with tk.serve(source, port=0) as server, tk.connect(server.url, history=None) as feed:
            with feed.record(tmp_path / "ticks.csv", raw=True):
                feed.wait(3)
            live, live_gaps = server.log.frame(), server.gaps
    found = load(tmp_path / "ticks.raw.jsonl")
    assert_same_ticks(found.frame, live)
    assert list(found.gaps["reason"]) == list(live_gaps["reason"])
    assert len(live_gaps) == 2
    text = (tmp_path / "ticks.raw.jsonl").read_text()
    assert "sesame" not in text
    assert '"failed":"the stream ended"' in text


def test_keys_of_a_venue_are_not_in_its_raw_frames(until: Until, tmp_path: Path) -> None:
    """Messages, addresses, requests of REST, and what the venue repeats have none."""
    with FakeVenue("dense", trades_per_s=0) as fake:
        base = fake.preset
        socket = replace(
            base.sockets[0],
            begin=(Step({"action": "auth", "key": "{key}"}, None), *base.sockets[0].begin),
            connects_per_minute=None,
        )
        assert base.backfill is not None
        backfill = replace(base.backfill, get=f"{base.backfill.get}&pass={{key}}")
        preset = replace(base, sockets=(socket,), backfill=backfill, keys={"key": "FAKE_KEY"})
        venue = Venue(preset, ["AAA"], ["trades"], {"key": KEY})
        source = VenueSource(venue, [f"{fake.url}?key={{key}}"], fake.rest)
        source.raw_events.hold()
        with receiving(source) as feed, feed.record(tmp_path / "ticks.csv", raw=True):
            until(lambda: is_subscribed(fake, 1))
            fake.trade("AAA", 3)
            feed.wait(3)
            fake.cut()
            fake.trade("AAA", 3)
            until(lambda: account(fake, feed.frame(), feed.gaps).is_exact and fake.requests)
        assert any(KEY in str(each) for each in fake.received)
        assert any(KEY in each for each in fake.requests)
    text = (tmp_path / "ticks.raw.jsonl").read_text()
    assert KEY not in text
    assert '"request":"GET ' in text
    assert '\\"action\\":\\"auth\\"' in text
    assert_same_ticks(load(tmp_path / "ticks.raw.jsonl").frame, load(tmp_path / "ticks.csv").frame)


def test_nothing_is_noted_while_nobody_records(
    until: Until, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source whose recorder has stopped makes no events."""
    noted: list[Any] = []
    note = RawEvents.note
    monkeypatch.setattr(
        RawEvents, "note", lambda *args, **facts: noted.append(facts) or note(*args, **facts)
    )
    with FakeVenue("dense", trades_per_s=0) as fake:
        source = fake.source()
        with receiving(source) as feed:
            until(lambda: is_subscribed(fake))
            fake.trade("AAA", 3)
            feed.wait(3)
            assert noted == []
            with feed.record(tmp_path / "ticks.csv", raw=True):
                fake.trade("AAA", 3)
                feed.wait(3)
                until(lambda: len(noted) > 0)
            assert not source.raw_events.is_wanted
            count = len(noted)
            fake.trade("AAA", 3)
            feed.wait(3)
            assert len(noted) == count
