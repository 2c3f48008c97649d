"""Exchange: what is sent to pages, how often, and what of events."""

from __future__ import annotations

from typing import Any

import pytest

from tickerkit.chart.desk.events import MAX_EVENTS, EventList
from tickerkit.chart.desk.exchange import Exchange

STATE = {
    "name": "a",
    "url": "",
    "status": "live",
    "reason": "",
    "ticks": 1,
    "rate": 0.0,
    "symbols": 1,
    "gaps": 0,
    "lag_ms": None,
    "note": "",
    "error": "",
}


class Desk:
    """An exchange whose time and state a test sets."""

    def __init__(self) -> None:
        self.now = 100.0
        self.events = EventList()
        self.state: dict[str, Any] = dict(STATE)
        self.rows: list[Any] = []
        self.sent: list[Any] = []
        self.exchange = Exchange(
            self.events, self._collect, self._report, self.sent.append, lambda: self.now
        )

    def _collect(self, is_whole: bool) -> tuple[list[Any], list[str]]:
        rows, self.rows = self.rows, []
        return ([{"id": "all"}] if is_whole else rows), []

    def _report(self) -> Any:
        return [dict(self.state)], {"is_on": False, "text": "", "error": ""}

    def flush(self, after_s: float = 0.25) -> list[str]:
        """Let time pass, flush, and return the kinds of messages sent."""
        self.now += after_s
        self.sent.clear()
        self.exchange.flush()
        return [each["kind"] for each in self.sent]


def test_new_page_gets_everything_whole() -> None:
    """Earlier events are past; another page's are as well."""
    desk = Desk()
    desk.events.add("gap", "one")
    assert desk.flush() == []
    desk.exchange.take_page("a", 0)
    desk.exchange.skip_past()
    assert desk.flush() == ["status", "rows", "events"]
    assert desk.sent[1]["whole"]
    assert desk.sent[2]["is_past"]
    assert desk.flush() == []


def test_state_is_sent_once_a_second_and_as_a_sign_of_life() -> None:
    """What a user waits for comes at once."""
    desk = Desk()
    desk.exchange.take_page("a", 0)
    desk.flush()
    desk.state["ticks"] = 2
    assert desk.flush(0.25) == []
    assert desk.flush(0.75) == ["status"]
    assert desk.flush(1.0) == []
    assert desk.flush(1.0) == ["status"]
    assert desk.sent[0]["every_s"] == 2
    desk.state["status"] = "reconnecting"
    assert desk.flush(0.1) == ["status"]


def test_stopped_feeds_need_no_sign_of_life() -> None:
    """A page doesn't wait for one, and no timer runs on."""
    desk = Desk()
    desk.exchange.take_page("a", 0)
    desk.state["status"] = "stopped"
    assert desk.flush() == ["status", "rows"]
    assert desk.sent[0]["every_s"] == 0
    assert desk.flush(100) == []


def test_rows_are_sent_when_they_change() -> None:
    """Nothing is sent for rows without a change."""
    desk = Desk()
    desk.exchange.take_page("a", 0)
    desk.flush()
    desk.rows = [{"id": "x"}]
    assert desk.flush() == ["rows"]
    assert desk.sent[0]["rows"] == [{"id": "x"}]
    assert not desk.sent[0]["whole"]


def test_page_asks_for_the_events_that_it_has_missed() -> None:
    """They are past; those that follow are not."""
    desk = Desk()
    desk.exchange.take_page("a", 0)
    desk.flush()
    for text in ("one", "two", "three"):
        desk.events.add("gap", text)
    desk.flush()
    desk.exchange.take_page("a", 1)
    desk.events.add("alert", "four")
    desk.flush()
    past, new = [each for each in desk.sent if each["kind"] == "events"]
    assert ([each["text"] for each in past["events"]], past["is_past"]) == (["two", "three"], True)
    assert ([each["text"] for each in new["events"]], new["is_past"]) == (["four"], False)


def test_hidden_page_is_still_notified() -> None:
    """Of an alert that asks for it, and once: other events wait until the page is shown."""
    desk = Desk()
    desk.exchange.take_page("a", 0)
    desk.flush()
    desk.exchange.drop_page("a")
    desk.events.add("gap", "one")
    assert desk.flush() == []
    desk.events.add("alert", "two", notify=True)
    assert desk.flush() == ["events"]
    assert [each["text"] for each in desk.sent[0]["events"]] == ["one", "two"]
    assert desk.flush() == []
    desk.exchange.take_page("a", 0)
    desk.flush()
    assert all(each["is_past"] for each in desk.sent if each["kind"] == "events")


def test_events_are_bounded() -> None:
    """The newest stay, with their numbers; a long text is cut."""
    events = EventList()
    for number in range(MAX_EVENTS + 5):
        events.add("message", f"{number} " + "x" * 1000)
    held = events.since(0)
    assert (len(held), held[0]["number"], events.stop) == (MAX_EVENTS, 5, MAX_EVENTS + 5)
    assert len(held[0]["text"]) == 300


@pytest.mark.parametrize("start", [None, "0", -1, 1.5])
def test_odd_report_asks_for_nothing(start: object) -> None:
    """The page counts as there all the same."""
    desk = Desk()
    desk.exchange.take_page("a", start)
    assert desk.flush() == ["status"]
    desk.exchange.close()
    assert desk.flush(10) == []
