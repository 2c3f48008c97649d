"""The server that answers requests: what it answers, and that it stops."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest

import tickerkit as tk
from tickerkit.classroom.lessons import serve_by_request
from tickerkit.errors import InvalidType


def ask(url: str) -> object:
    """Return the answer to one request."""
    with urllib.request.urlopen(url, timeout=5) as answer:
        return json.load(answer)


def test_each_request_is_answered_with_the_newest_value() -> None:
    """The function is called for each request, and the answers are counted."""
    values = iter([{"price": 1}, {"price": 2}])
    web = serve_by_request(lambda: next(values))
    assert [ask(web.url), ask(web.url)] == [{"price": 1}, {"price": 2}]
    assert "2 answered" in repr(web)
    assert "2 answered" in tk.status()["about"].tolist()
    web.stop()
    web.stop()
    assert web.status == "stopped"
    with pytest.raises(urllib.error.URLError):
        ask(web.url)


def test_an_error_of_the_function_is_the_answer() -> None:
    """It is status 500, and nothing is printed."""
    web = serve_by_request(lambda: 1 / 0)
    with pytest.raises(urllib.error.HTTPError, match="500") as caught:
        ask(web.url)
    with caught.value as error:
        assert error.read() == b"ZeroDivisionError: division by zero\n"


def test_it_needs_a_function() -> None:
    """A value is refused."""
    with pytest.raises(InvalidType, match="function"):
        serve_by_request(3)  # type: ignore[arg-type]
