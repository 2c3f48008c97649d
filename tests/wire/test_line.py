"""Line: bytes that pass at once, later, one by one, or no more."""

from __future__ import annotations

import pytest

from tickerkit.wire import Fault, Line

MS = 10**6


class Sent:
    """A line, and what it has sent.

    Attributes:
        data: what was sent, as it was sent.
        noted: the kinds of the faults that have occurred.
    """

    def __init__(self, *faults: Fault) -> None:
        self.data: list[bytes] = []
        self.noted: list[str] = []
        self.line = Line(self.data.append, self.noted.append, faults)

    def run(self, now_ns: int, until_ns: int) -> None:
        """Advance the line whenever it is due."""
        for _ in range(2000):
            self.line.advance(now_ns)
            due = self.line.due_ns
            if due is None or due > until_ns:
                break
            now_ns = max(now_ns, due)


def test_line_sends_the_object_that_it_was_given() -> None:
    """Nothing is copied or delayed."""
    sent, data = Sent(), bytes(100)
    sent.line.feed(data, 0)
    assert sent.data[0] is data
    assert sent.line.due_ns is None


@pytest.mark.parametrize("kind", ["reset", "truncate"])
def test_fault_ends_after_its_bytes(kind: str) -> None:
    """Nothing is sent after it."""
    sent = Sent(Fault(kind, after=5))  # type: ignore[arg-type]
    sent.line.feed(b"123", 0)
    sent.line.feed(b"4567", 0)
    sent.line.feed(b"8", 0)
    assert sent.data == [b"123", b"45"]
    assert sent.noted == [kind]
    assert sent.line.has_ended


def test_close_ends_after_a_read() -> None:
    """What was read with its byte is sent."""
    sent = Sent(Fault("close", after=2))
    sent.line.feed(b"12345", 0)
    assert (sent.data, sent.noted) == ([b"12345"], ["close"])


def test_stall_ends_after_its_time() -> None:
    """Nothing passes meanwhile, and nothing after."""
    sent = Sent(Fault("stall", after=2, duration_s=0.01))
    sent.line.feed(b"1234", 0)
    assert sent.line.due_ns == 10 * MS
    sent.run(0, 9 * MS)
    assert sent.noted == []
    sent.run(10 * MS, 10 * MS)
    assert (sent.data, sent.noted) == ([b"12"], ["stall"])
    endless = Sent(Fault("stall"))
    endless.line.feed(b"1", 0)
    assert endless.line.due_ns is None


def test_delay_fault_holds_everything_for_a_while() -> None:
    """All bytes come after it, in order."""
    sent = Sent(Fault("delay", after=2, duration_s=0.01))
    sent.line.feed(b"1234", 0)
    sent.line.feed(b"56", 5 * MS)
    assert b"".join(sent.data) == b"12"
    sent.run(10 * MS, 10 * MS)
    assert (b"".join(sent.data), sent.noted) == (b"123456", ["delay"])


def test_delay_passes_everything_later_in_order() -> None:
    """Each read by the delay and a part of the jitter; the bytes that wait are bounded."""
    sent = Sent()
    sent.line.delay(0.2, 0.1)
    for number in range(9):
        sent.line.feed(bytes([number]), number * MS)
    sent.run(0, 199 * MS)
    assert sent.data == []
    sent.run(199 * MS, 320 * MS)
    assert sent.data == [bytes([number]) for number in range(9)]
    sent.line.feed(bytes(65_536), 400 * MS)
    assert sent.line.is_full
    sent.line.delay(0)
    sent.run(800 * MS, 800 * MS)
    sent.line.feed(b"now", 900 * MS)
    assert sent.data[-1] == b"now"


def test_trickle_sends_one_by_one() -> None:
    """With a pause after each, or with one call of `advance` for each."""
    sent = Sent()
    sent.line.trickle(3, gap_s=0.001)
    sent.line.feed(b"12", 0)
    sent.line.feed(b"3456", 0)
    assert sent.data == [b"1"]
    assert sent.line.due_ns == MS
    sent.run(MS, 10 * MS)
    assert sent.data == [b"1", b"2", b"3", b"456"]
    fault = Sent(Fault("trickle", after=1))
    fault.line.feed(b"1234", 0)
    assert fault.data == [b"1"] or fault.data == [b"1", b"2"]
    fault.run(0, 0)
    assert fault.data == [b"1", b"2", b"3", b"4"]
    assert fault.noted == ["trickle"]


def test_faults_occur_in_the_order_of_their_bytes() -> None:
    """The order in which they are given doesn't matter."""
    sent = Sent(Fault("truncate", 9), Fault("trickle", 2), Fault("delay", 4, duration_s=0.001))
    sent.line.feed(b"x" * 20, 0)
    sent.run(0, 10 * MS)
    assert b"".join(sent.data) == b"x" * 9
    assert sent.noted == ["trickle", "delay", "truncate"]


def test_stall_by_hand_holds_until_it_is_over() -> None:
    """Then everything passes."""
    sent = Sent()
    sent.line.stall()
    sent.line.feed(b"1", 0)
    assert (sent.data, sent.line.due_ns) == ([], None)
    sent.line.stall(False)
    sent.line.advance(0)
    sent.line.stall_until(5)
    sent.line.feed(b"2", 0)
    assert sent.data == [b"1"]
    sent.line.advance(5)
    assert sent.data == [b"1", b"2"]
