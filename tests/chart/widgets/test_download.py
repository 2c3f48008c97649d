"""Download: a file in parts, from the kernel to a page."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tickerkit.chart.widgets import transfer
from tickerkit.chart.widgets.download import Download, make_safe_name
from tickerkit.chart.widgets.transfer import DownloadFile

Until = Callable[..., None]
TEXT = b"".join(b"%d,AAPL,187.25\n" % n for n in range(400_000))  # 8 parts


class Page:
    """Stands in for a page: it collects parts, and confirms or requests them as a test asks."""

    def __init__(self, widget: Download) -> None:
        self.widget = widget
        self.sent: list[tuple[dict[str, Any], list[bytes]]] = []
        widget.send = lambda content, buffers=None: self.sent.append((content, buffers or []))

    def send(self, kind: str, job: str = "job 1", **more: Any) -> None:
        """Send a message to the kernel."""
        self.widget._handle_message(self.widget, {"kind": kind, "job": job, **more}, [])

    def numbers(self) -> list[int]:
        """Return the numbers of the parts received."""
        return [content["number"] for content, _ in self.sent if "number" in content]

    def failures(self) -> list[str]:
        """Return the texts of the failures received."""
        return [content["reason"] for content, _ in self.sent if content["kind"] == "failed"]

    def take_all(self, until: Until) -> tuple[str, bytes]:
        """Confirm each part as it arrives; return the file's name and bytes."""
        content = b""
        for number in range(10_000):
            until(lambda number=number: number in self.numbers() or self.failures())
            assert not self.failures()
            assert self.numbers()[-1] <= number + 1, "more than two unconfirmed"
            message, buffers = self.sent[self.numbers().index(number)]
            self.send("next", number=number + 1)
            if message["kind"] == "end":
                assert message["bytes"] == len(content)
                return message["name"], content
            (part,) = buffers
            assert len(part) <= 1_000_000
            content += zlib.decompress(part) if message["compressed"] else part
        raise AssertionError("no end")


@pytest.fixture(autouse=True)
def no_thread_left(until: Until) -> Iterator[None]:
    """Assert that the test leaves no thread of a transfer."""
    yield
    until(lambda: not any("download" in each.name for each in threading.enumerate()))


def open_page(make: Callable[[], Any]) -> Page:
    """Return a page that shows a Download."""
    return Page(Download(make))


@pytest.mark.parametrize("compressed", [True, False])
def test_file_arrives_complete_in_parts(compressed: bool, until: Until) -> None:
    """Blocks of any size become parts of 1 MB, compressed if the page can decompress them."""
    blocks = [TEXT[:10], b"", TEXT[10:3_500_000], TEXT[3_500_000:]]
    page = open_page(lambda: ("ticks.csv", iter(blocks)))
    page.send("want", compressed=compressed)
    assert page.widget._job == "job 1"
    assert page.take_all(until) == ("ticks.csv", TEXT)
    assert len(page.sent) == 9
    until(lambda: page.widget._job == "")


def test_parts_report_progress_in_lines(until: Until) -> None:
    """Each part has the number of lines sent so far, and about how many there will be."""
    page = open_page(lambda: DownloadFile("a.csv", [TEXT], 400_000))
    page.send("want", compressed=True)
    page.take_all(until)
    parts = [content for content, _ in page.sent if content["kind"] == "part"]
    assert {part["total_lines"] for part in parts} == {400_000}
    assert parts[-1]["lines"] == 400_000
    assert parts[0]["lines"] == TEXT[:1_000_000].count(b"\n")


def test_empty_file_arrives(until: Until) -> None:
    """A file without bytes has a name and an end."""
    page = open_page(lambda: ("a.csv", []))
    page.send("want", compressed=True)
    assert page.take_all(until) == ("a.csv", b"")


def test_at_most_two_parts_are_unconfirmed(until: Until) -> None:
    """While the page is silent nothing more is sent, and no more blocks are read than needed."""
    taken: list[int] = []

    def blocks() -> Iterator[bytes]:
        for n in range(100):
            taken.append(n)
            yield bytes(1_000_000)

    page = open_page(lambda: ("a.csv", blocks()))
    page.send("want", compressed=True)
    until(lambda: len(taken) == 3)
    page.send("next", number=0)
    assert page.numbers() == [0, 1]
    page.send("next", number=1)
    until(lambda: page.numbers() == [0, 1, 2])
    page.send("cancel")
    until(lambda: page.widget._job == "")
    assert len(taken) <= 4


def test_lost_part_is_sent_again(until: Until) -> None:
    """A page that asks again receives every part that it has not confirmed."""
    page = open_page(lambda: ("a.csv", [TEXT]))
    page.send("want", compressed=True)
    until(lambda: page.numbers() == [0, 1])
    page.sent.clear()
    page.send("next", number=0, again=True)
    assert page.numbers() == [0, 1]
    assert page.take_all(until) == ("a.csv", TEXT)


def test_error_of_the_file_is_reported(until: Until) -> None:
    """The page receives an exception from making the file or from reading its blocks."""

    def breaks() -> Iterator[bytes]:
        yield TEXT
        raise OSError("the disk <is> gone")

    def refuses() -> DownloadFile:
        raise ValueError("nothing is held")

    for make, text in ((refuses, "nothing is held"), (lambda: ("a", breaks()), "the disk <is>")):
        page = open_page(make)
        page.send("want", compressed=True)
        for number in range(8):
            until(lambda page=page, n=number: n in page.numbers() or page.failures())
            page.send("next", number=number + 1)
        assert text in page.failures()[0]
        until(lambda page=page: page.widget._job == "")


def test_request_for_an_ended_transfer_is_answered(until: Until) -> None:
    """The page receives a failure, which asks to click again, instead of waiting for ever."""
    page = open_page(lambda: ("a.csv", [TEXT]))
    page.send("next", number=3, again=True)
    assert page.failures() == ["The kernel no longer sends this file: click again."]


def test_second_request_replaces_the_first(until: Until) -> None:
    """One file is sent at a time; the page that asked for the first file receives a failure."""
    page = open_page(lambda: ("a.csv", [TEXT]))
    page.send("want", compressed=True)
    until(lambda: page.numbers() == [0, 1])
    page.send("want", "job 2", compressed=True)
    until(lambda: page.sent[-1][0]["job"] == "job 2" and page.widget._job == "job 2")
    assert [c["job"] for c, _ in page.sent if c["kind"] == "failed"] == ["job 1"]
    page.send("cancel", "job 2")


def test_transfer_ends_when_no_page_reports(until: Until, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread ends, and the generator of blocks is closed."""
    gone = threading.Event()
    monkeypatch.setattr(transfer.PresenceLease, "ended", property(lambda _: gone.is_set()))
    monkeypatch.setattr(transfer, "CHECK_INTERVAL_S", 0.01)
    closed = threading.Event()

    def blocks() -> Iterator[bytes]:
        try:
            yield TEXT
        finally:
            closed.set()

    page = open_page(lambda: ("a.csv", blocks()))
    page.send("want", compressed=True)
    until(lambda: page.numbers() == [0, 1])
    gone.set()
    until(closed.is_set)


def test_close_ends_the_transfer(until: Until) -> None:
    """A second close does nothing."""
    page = open_page(lambda: ("a.csv", [TEXT]))
    page.send("want", compressed=True)
    until(lambda: page.numbers() == [0, 1])
    page.widget.close()
    page.widget.close()


@pytest.mark.parametrize(
    "content", [None, "want", {}, {"kind": "want"}, {"kind": "next", "job": "x", "number": "1"}]
)
def test_malformed_message_is_ignored(content: Any) -> None:
    """Whatever a page sends, the widget continues."""
    page = open_page(lambda: ("a.csv", [TEXT]))
    page.widget._handle_message(page.widget, content, [])
    assert page.sent == []


def test_safe_name_has_no_special_characters() -> None:
    """Symbols are data: no folder, no markup, no hidden file, no endless name."""
    assert make_safe_name("ticks-AAPL-20261124-151500.csv") == "ticks-AAPL-20261124-151500.csv"
    assert make_safe_name("ticks-../a<b:c-1.csv") == "ticks-.._a_b_c-1.csv"
    assert make_safe_name(".profile") == "profile"
    assert make_safe_name("日経") == "_"
    assert len(make_safe_name("x" * 1000 + ".csv")) == 100
    assert make_safe_name("") == "_"
