"""Download: a file in parts, from the kernel to a page."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tickerkit.chart.widgets import download as module
from tickerkit.chart.widgets.download import Download, File, safe_name

Until = Callable[..., None]
TEXT = b"".join(b"%d,AAPL,187.25\n" % n for n in range(400_000))  # 8 parts


class Page:
    """Stands in for a page: it gathers parts, confirms them when told to, and may lose some."""

    def __init__(self, widget: Download) -> None:
        self.widget = widget
        self.sent: list[tuple[dict[str, Any], list[bytes]]] = []
        widget.send = lambda content, buffers=None: self.sent.append((content, buffers or []))

    def say(self, kind: str, job: str = "job 1", **more: Any) -> None:
        """Say something to the kernel."""
        self.widget._heard(self.widget, {"kind": kind, "job": job, **more}, [])

    def numbers(self) -> list[int]:
        """Return the numbers of the parts that have come."""
        return [content["number"] for content, _ in self.sent if "number" in content]

    def words(self) -> list[str]:
        """Return what has failed."""
        return [content["words"] for content, _ in self.sent if content["kind"] == "failed"]

    def take_all(self, until: Until) -> tuple[str, bytes]:
        """Confirm each part as it comes; return the file's name and bytes."""
        content = b""
        for number in range(10_000):
            until(lambda number=number: number in self.numbers() or self.words())
            assert not self.words()
            assert self.numbers()[-1] <= number + 1, "more than two unconfirmed"
            message, buffers = self.sent[self.numbers().index(number)]
            self.say("next", number=number + 1)
            if message["kind"] == "end":
                assert message["bytes"] == len(content)
                return message["name"], content
            (part,) = buffers
            assert len(part) <= 1_000_000
            content += zlib.decompress(part) if message["packed"] else part
        raise AssertionError("no end")


@pytest.fixture(autouse=True)
def no_thread_left(until: Until) -> Iterator[None]:
    """See that no test leaves a thread that sends."""
    yield
    until(lambda: not any("download" in each.name for each in threading.enumerate()))


def page_of(make: Callable[[], Any]) -> Page:
    """Return a page that shows a Download."""
    return Page(Download(make))


@pytest.mark.parametrize("packed", [True, False])
def test_a_file_comes_whole_in_parts(packed: bool, until: Until) -> None:
    """Blocks of any size make parts of 1 MB, compressed if the page can read them so."""
    blocks = [TEXT[:10], b"", TEXT[10:3_500_000], TEXT[3_500_000:]]
    page = page_of(lambda: ("ticks.csv", iter(blocks)))
    page.say("want", packed=packed)
    assert page.widget._job == "job 1"
    assert page.take_all(until) == ("ticks.csv", TEXT)
    assert len(page.sent) == 9
    until(lambda: page.widget._job == "")


def test_the_progress_is_told_in_lines(until: Until) -> None:
    """Each part says how many lines have come of how many."""
    page = page_of(lambda: File("a.csv", [TEXT], 400_000))
    page.say("want", packed=True)
    page.take_all(until)
    parts = [content for content, _ in page.sent if content["kind"] == "part"]
    assert {part["of"] for part in parts} == {400_000}
    assert parts[-1]["lines"] == 400_000
    assert parts[0]["lines"] == TEXT[:1_000_000].count(b"\n")


def test_an_empty_file_comes_too(until: Until) -> None:
    """Nothing is a file as well."""
    page = page_of(lambda: ("a.csv", []))
    page.say("want", packed=True)
    assert page.take_all(until) == ("a.csv", b"")


def test_no_more_than_two_parts_wait_for_a_page(until: Until) -> None:
    """While the page is silent nothing is sent, nor are more blocks taken than it needs."""
    taken: list[int] = []

    def blocks() -> Iterator[bytes]:
        for n in range(100):
            taken.append(n)
            yield bytes(1_000_000)

    page = page_of(lambda: ("a.csv", blocks()))
    page.say("want", packed=True)
    until(lambda: len(taken) == 3)
    page.say("next", number=0)
    assert page.numbers() == [0, 1]
    page.say("next", number=1)
    until(lambda: page.numbers() == [0, 1, 2])
    page.say("cancel")
    until(lambda: page.widget._job == "")
    assert len(taken) <= 4


def test_a_part_that_was_lost_is_sent_again(until: Until) -> None:
    """A page that asks again is sent all that it has not confirmed."""
    page = page_of(lambda: ("a.csv", [TEXT]))
    page.say("want", packed=True)
    until(lambda: page.numbers() == [0, 1])
    page.sent.clear()
    page.say("next", number=0, again=True)
    assert page.numbers() == [0, 1]
    assert page.take_all(until) == ("a.csv", TEXT)


def test_an_error_is_told_in_words(until: Until) -> None:
    """Whether the file can't be begun, or not be ended."""

    def breaks() -> Iterator[bytes]:
        yield TEXT
        raise OSError("the disk <is> gone")

    def refuses() -> File:
        raise ValueError("nothing is held")

    for make, words in ((refuses, "nothing is held"), (lambda: ("a", breaks()), "the disk <is>")):
        page = page_of(make)
        page.say("want", packed=True)
        for number in range(8):
            until(lambda page=page, n=number: n in page.numbers() or page.words())
            page.say("next", number=number + 1)
        assert words in page.words()[0]
        until(lambda page=page: page.widget._job == "")


def test_a_page_that_missed_the_end_is_told(until: Until) -> None:
    """Asked for a file that is no longer sent, the kernel says so instead of being silent."""
    page = page_of(lambda: ("a.csv", [TEXT]))
    page.say("next", number=3, again=True)
    assert page.words() == ["The kernel no longer sends this file: click again."]


def test_another_page_takes_over(until: Until) -> None:
    """One file is sent at a time: a page that was loaded again just clicks again."""
    page = page_of(lambda: ("a.csv", [TEXT]))
    page.say("want", packed=True)
    until(lambda: page.numbers() == [0, 1])
    page.say("want", "job 2", packed=True)
    until(lambda: page.sent[-1][0]["job"] == "job 2" and page.widget._job == "job 2")
    assert [c["job"] for c, _ in page.sent if c["kind"] == "failed"] == ["job 1"]
    page.say("cancel", "job 2")


def test_the_thread_ends_when_the_page_is_gone(
    until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody confirms for a minute: the sending ends, and what it held is let go."""
    gone = threading.Event()
    monkeypatch.setattr(module.PresenceLease, "ended", property(lambda _: gone.is_set()))
    monkeypatch.setattr(module, "LOOK_EVERY_S", 0.01)
    closed = threading.Event()

    def blocks() -> Iterator[bytes]:
        try:
            yield TEXT
        finally:
            closed.set()

    page = page_of(lambda: ("a.csv", blocks()))
    page.say("want", packed=True)
    until(lambda: page.numbers() == [0, 1])
    gone.set()
    until(closed.is_set)


def test_closing_the_button_ends_the_sending(until: Until) -> None:
    """Twice is no complaint."""
    page = page_of(lambda: ("a.csv", [TEXT]))
    page.say("want", packed=True)
    until(lambda: page.numbers() == [0, 1])
    page.widget.close()
    page.widget.close()


@pytest.mark.parametrize(
    "content", [None, "want", {}, {"kind": "want"}, {"kind": "next", "job": "x", "number": "1"}]
)
def test_what_is_no_message_is_passed_over(content: Any) -> None:
    """Whatever a page says, the kernel lives through it."""
    page = page_of(lambda: ("a.csv", [TEXT]))
    page.widget._heard(page.widget, content, [])
    assert page.sent == []


def test_names_are_safe_on_any_computer() -> None:
    """Symbols are data: no folder, no markup, no hidden file, nothing endless."""
    assert safe_name("ticks-AAPL-20261124-151500.csv") == "ticks-AAPL-20261124-151500.csv"
    assert safe_name("ticks-../a<b:c-1.csv") == "ticks-.._a_b_c-1.csv"
    assert safe_name(".profile") == "profile"
    assert safe_name("日経") == "_"
    assert len(safe_name("x" * 1000 + ".csv")) == 100
    assert safe_name("") == "_"
