"""cards: the HTML of servers and feeds in a notebook, and the status colours."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from tickerkit.runtime.cards import GREEN, GREY, RED, YELLOW, escape, render_card, status_colour

NASTY = "<img src=x onerror=alert(1)>\"'&</td><script>alert(2)</script>"


class Seen(HTMLParser):
    """Collects the elements and the text of HTML, and checks that all of it is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.links: list[str | None] = []
        self.text = ""
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.open.append(tag)
        self.links += [value for name, value in attrs if name == "href"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_card_shows_lines_and_links() -> None:
    """Title, status, lines and links are shown; a line without text is left out."""
    seen = Seen(render_card("Feed", "live", {"ticks": "17", "now": ""}, {"page": "http://x/"}))
    assert seen.text == "Feed ● liveticks17pagehttp://x/"
    assert seen.links == ["http://x/"]


def test_card_escapes_all_text() -> None:
    """No text becomes an HTML element, wherever it is placed."""
    link = f"http://x/{NASTY}"
    plain = Seen(render_card("a", "b", {"c": "d"}, {"e": "http://x/"}, "f"))
    nasty = Seen(render_card(NASTY, NASTY, {NASTY: NASTY}, {NASTY: link}, NASTY))
    assert nasty.tags == plain.tags
    assert nasty.text.count("<script>") == 7
    assert nasty.links == [link]


def test_escape_accepts_any_object() -> None:
    """Other objects are escaped as their text."""
    assert escape(17) == "17"
    assert escape("<&\"'>") == "&lt;&amp;&quot;&#x27;&gt;"


@pytest.mark.parametrize(
    ("status", "colour"),
    [
        ("live", GREEN),
        ("listening", GREEN),
        ("recording", GREEN),
        ("playing", GREEN),
        ("reconnecting", YELLOW),
        ("waiting", YELLOW),
        ("failed", RED),
        ("stopped", GREY),
        ("", GREY),
        ("live (3 symbols)", GREEN),
    ],
)
def test_status_has_one_colour_everywhere(status: str, colour: str) -> None:
    """Good, waiting and failed statuses differ in colour; others are grey."""
    assert status_colour(status) == colour
    assert colour in render_card("Feed", status, {})
