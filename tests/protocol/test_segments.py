"""Segments: one encoding for all readers, in ranges that drifting readers share."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from soaks import examples

from tickerkit.limits import MAX_SEGMENT_BYTES
from tickerkit.log import Rows, TickLog
from tickerkit.protocol import Segments
from tickerkit.protocol import segments as segments_module
from tickerkit.protocol.segments import MAX_CUTS, MAX_FRONT_ENTRIES, MAX_ROWS
from tickerkit.protocol.symbols import SymbolFilter, Symbols
from tickerkit.ticks import Batch, Text

# However slow the machine is.
SETTINGS = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def batch(count: int) -> Batch:
    """Return so many ticks, all alike."""
    columns = {
        "symbol": Text(np.zeros(count, dtype=np.int32), ["A"]),
        "price": np.ones(count),
        "size": np.ones(count),
    }
    return Batch(count, np.zeros(count, dtype=np.int64), dict(columns))


class Encoder:
    """Encodes rows as their numbers, and counts how often and how much."""

    def __init__(self, size: int = 0) -> None:
        self.calls = 0
        self.rows = 0
        self.size = size

    def __call__(self, rows: Rows, symbols: Symbols) -> bytes | None:
        assert 0 < len(rows) <= MAX_ROWS
        self.calls += 1
        self.rows += len(rows)
        return f"{rows.start}-{rows.stop}".encode().ljust(self.size)


def read_all(segments: Segments, row: int, symbols: Symbols = None) -> Iterator[tuple[int, int]]:
    """Yield the segments that a reader at `row` is given, up to the end of the log."""
    while row < segments.log.stop:
        stop, message, *_ = segments.next_segment(row, symbols)
        assert message is not None
        assert message.rstrip() == f"{row}-{stop}".encode()
        yield row, stop
        row = stop


def test_reader_at_the_front_gets_all_there_is() -> None:
    """A reader at the front gets one tick when idle, and all of a burst when busy."""
    log = TickLog()
    segments = Segments(log, Encoder())
    row = 0
    for count in (1, 1, 5, 300, 1, MAX_ROWS):
        log.append(batch(count), received=0)
        assert list(read_all(segments, row)) == [(row, row + count)]
        row += count


def test_readers_at_the_front_share_every_encoding() -> None:
    """However many readers follow the log, each tick is encoded once."""
    log, encode = TickLog(), Encoder()
    segments = Segments(log, encode)
    positions = [0] * 50
    for n in range(200):
        log.append(batch(n % 7 + 1), received=0)
        for reader, row in enumerate(positions):
            *_, (_, positions[reader]) = read_all(segments, row)
    assert encode.calls == 200
    assert encode.rows == log.stop


def test_readers_that_drift_share_nearly_every_encoding() -> None:
    """Readers of different speeds share; a cache by range alone would encode many times as much."""
    chance = random.Random(1)
    log, encode = TickLog(), Encoder()
    segments = Segments(log, encode)
    positions = [0] * 40
    delivered = naive = 0
    seen: set[tuple[int, int]] = set()
    for _ in range(1500):
        log.append(batch(chance.randint(1, 30)), received=0)
        for reader, row in enumerate(positions):
            if chance.random() < 1 / (1 + reader):  # each slower than the one before
                # What caching each reader's whole backlog by its range would encode.
                if (row, log.stop) not in seen:
                    seen.add((row, log.stop))
                    naive += log.stop - row
                for start, stop in read_all(segments, row):
                    delivered += stop - start
                positions[reader] = log.stop
    assert delivered > 30 * log.stop
    assert encode.rows < naive / 4


def test_readers_far_behind_meet_at_common_boundaries() -> None:
    """Readers that start anywhere get the same segments after their first few."""
    log, encode = TickLog(), Encoder()
    segments = Segments(log, encode)
    for _ in range(100):
        log.append(batch(997), received=0)
    first = list(read_all(segments, 0))
    assert len(first) <= log.stop // MAX_ROWS + 10
    for start in range(1, 60_000, 1234):
        assert len(set(read_all(segments, start)) - set(first)) <= 3
    assert encode.rows < 3 * log.stop


def test_messages_stay_small_enough_for_any_client() -> None:
    """Rows that would make too large a message come in several, which readers share."""
    calls = []

    def encode(rows: Rows, symbols: Symbols) -> bytes:
        calls.append((rows.start, rows.stop))
        return b"x" * 1000 * len(rows)

    log = TickLog()
    segments = Segments(log, encode)
    log.append(batch(10_000), received=0)
    for _ in range(3):
        row = 0
        while row < log.stop:
            stop, message, *_ = segments.next_segment(row, None)
            assert message == b"x" * 1000 * (stop - row)
            assert len(message) <= MAX_SEGMENT_BYTES < 2**20
            row = stop
    assert len(calls) == len(set(calls))


def test_tick_larger_than_a_message_is_sent_alone() -> None:
    """A single tick is never cut."""
    log = TickLog()
    segments = Segments(log, Encoder(size=2 * MAX_SEGMENT_BYTES))
    log.append(batch(3), received=0)
    assert list(read_all(segments, 0)) == [(0, 1), (1, 2), (2, 3)]


def test_filtered_readers_share_by_their_symbols() -> None:
    """Readers of the same symbols share encodings, readers of other symbols don't."""
    log, encode = TickLog(), Encoder()
    segments = Segments(log, encode)
    log.append(batch(100), received=0)
    for symbols in (None, SymbolFilter("A"), SymbolFilter("B"), SymbolFilter("A"), None):
        assert list(read_all(segments, 0, symbols)) == [(0, 100)]
    assert encode.calls == 3


def test_empty_segments_are_cached() -> None:
    """Rows without a message are not encoded again."""
    calls = []

    def encode(rows: Rows, symbols: Symbols) -> bytes | None:
        calls.append(rows)

    log = TickLog()
    segments = Segments(log, encode)
    log.append(batch(3), received=0)
    for _ in range(2):
        assert segments.next_segment(0, None)[:2] == (3, None)
    assert len(calls) == 1


@pytest.mark.parametrize("early", [True, False])
def test_segments_end_where_an_epoch_ends(early: bool) -> None:
    """No segment holds ticks of two epochs, wherever a reader starts."""
    log = TickLog()
    segments = Segments(log, Encoder())
    starts = []
    for n, count in enumerate((1, 63, 64, 65, 4096, 5000, 1, 1, 700)):
        starts.append(log.stop)
        log.append(batch(count), received=0, epoch=f"e{n}")
    if not early:
        segments = Segments(log, Encoder())
    for row in (*starts, *range(0, log.stop, 97)):
        for start, stop in read_all(segments, row):
            assert not any(start < boundary < stop for boundary in starts)


@settings(SETTINGS, max_examples=examples(200))
@given(
    st.lists(
        st.one_of(
            st.integers(1, 6000).map(lambda count: ("append", count)),
            st.just(("epoch", 1)),
            st.tuples(st.just("read"), st.integers(0, 5)),
            st.tuples(st.just("step"), st.integers(0, 5)),
            st.tuples(st.just("jump"), st.integers(0, 20_000)),
        ),
        max_size=40,
    ),
    st.sampled_from([20, 300, 100_000]),
)
def test_segments_are_contiguous_from_any_row(acts: list[tuple[str, int]], keep: int) -> None:
    """From any row segments follow each other without a hole, and stay within an epoch."""
    log = TickLog(keep)
    segments = Segments(log, Encoder())
    positions = [0] * 6
    for act, number in acts:
        if act in ("append", "epoch"):
            epoch = f"e{log.stop}" if act == "epoch" else None
            log.append(batch(number), received=0, epoch=epoch)
        elif act == "jump":
            positions[number % 6] = min(number, log.stop)
        else:
            row = max(positions[number], log.start)
            for start, stop in read_all(segments, row):
                assert start < stop <= log.stop
                _, next_run = log.run_at(start)
                assert next_run is None or stop <= next_run
                row = stop
                if act == "step":
                    break
            positions[number] = row


def test_cache_and_cuts_stay_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the number of cached segments nor their bytes grow without bound."""
    monkeypatch.setattr(segments_module, "MAX_CACHE_BYTES", 50_000)
    log = TickLog(1000)
    segments = Segments(log, Encoder(size=100))
    for n in range(3 * MAX_CUTS):
        log.append(batch(1), received=0)
        for symbols in (None, SymbolFilter([str(n)])):
            segments.next_segment(log.stop - 1, symbols)
        assert len(segments._cache) <= MAX_CUTS
        assert segments._cached_bytes <= 50_000
        assert len(segments._front) <= MAX_FRONT_ENTRIES + 1
        assert len(segments._cuts) <= 2 * MAX_CUTS + 2
    assert segments._cached_bytes == sum(
        segments_module.cached_bytes(segment.message, symbols)
        for (*_, symbols), segment in segments._cache.items()
    )


def test_message_larger_than_the_cache_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A segment that is too large to be cached is encoded again after the next append."""
    monkeypatch.setattr(segments_module, "MAX_CACHE_BYTES", 50)
    log, encode = TickLog(), Encoder(size=100)
    segments = Segments(log, encode)
    log.append(batch(1), received=0)
    first = segments.next_segment(0, None)
    assert segments.next_segment(0, None) is first
    log.append(batch(1), received=0)
    assert segments.next_segment(0, None) == first
    assert encode.calls == 2
    assert segments._cached_bytes == 0


# --- rounds -----------------------------------------------------------------------------------


def test_readers_of_a_round_get_the_same_segment_whatever_comes_meanwhile() -> None:
    """Rows that are appended in a round come in the next one, in one segment for all."""
    log, encoder = TickLog(100_000), Encoder()
    segments = Segments(log, encoder)
    for _ in range(3):
        before = segments.stop
        log.append(batch(7), received=0)
        segments.hold(log.stop)
        stop, given = log.stop, set()
        for _ in range(5):
            given.add(segments.next_segment(before, None)[:2])
            log.append(batch(3), received=0)
        assert given == {(stop, f"{before}-{stop}".encode())}
        assert segments.stop == stop
    assert encoder.calls == 3
    segments.hold(None)
    assert segments.stop == log.stop


def test_large_round_comes_in_segments_of_the_largest_size() -> None:
    """A reader at the front gets as few messages as without rounds."""
    log, encoder = TickLog(100_000), Encoder()
    segments = Segments(log, encoder)
    log.append(batch(100), received=0)
    segments.hold(log.stop)
    log.append(batch(3 * MAX_ROWS), received=0)
    segments.hold(log.stop)
    assert len(list(read_all(segments, 100))) == 3


def test_log_that_holds_less_than_a_round_holds_no_reader_back() -> None:
    """Its oldest row is newer than what the round may send."""
    log = TickLog(10)
    segments = Segments(log, Encoder())
    log.append(batch(5), received=0)
    segments.hold(log.stop)
    log.append(batch(1000), received=0)
    assert segments.stop == log.stop
    assert next(read_all(segments, log.start))[1] == log.stop
