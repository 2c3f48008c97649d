"""senders: in Google Colab, whose modules are stood in for here, pages ask for the points."""

from __future__ import annotations

import base64
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import tickerkit as tk
from tickerkit.chart.figure.senders import PULL_FUNCTION
from tickerkit.runtime.scheduler import SENDER

Functions = dict[str, Callable[..., Any]]


@pytest.fixture
def functions(monkeypatch: pytest.MonkeyPatch) -> Functions:
    """Stand in for Google Colab; return the functions that its pages can call."""
    functions: Functions = {}
    output = SimpleNamespace(register_callback=functions.__setitem__)
    monkeypatch.setitem(sys.modules, "google.colab", SimpleNamespace(output=output))
    return functions


def test_a_page_of_colab_gets_the_points_since_its_positions(functions: Functions) -> None:
    """No thread sends them; each answer continues where the page's report says."""
    figure = tk.LiveFigure(data=[{"type": "scatter"}])
    uid = figure.data[0].uid
    key = figure.get_state()["_live"]["key"]

    def pull(position: tuple[int | None, int]) -> tuple[int, list[float]]:
        report = {"kind": "here", "page": "p", "from": {uid: position}}
        (message,) = functions[PULL_FUNCTION](key, report).data["messages"]
        (points,) = message["content"]["traces"]
        x = np.frombuffer(base64.b64decode(message["buffers"][0]))
        return points["epoch"], x.tolist()

    figure.append([1, 2], [10, 20])
    epoch, x = pull((None, -1))
    assert x == [1, 2]
    figure.append(3, 30)
    assert pull((epoch, 2)) == (epoch, [3])
    assert pull((epoch, 1)) == (epoch, [2, 3])
    assert figure._streams not in SENDER._pending


def test_an_answer_says_how_many_changes_the_page_should_have(functions: Functions) -> None:
    """A page whose count differs asks for the state: a thread may have added a trace."""
    figure = tk.LiveFigure()
    key = figure.get_state()["_live"]["key"]
    pull = functions[PULL_FUNCTION]
    before = pull(key, {"kind": "here", "page": "p"}).data
    assert before["messages"] == []
    figure.add_scatter()
    assert pull(key, {"kind": "here", "page": "p"}).data["edits"] > before["edits"]


def test_a_page_whose_figure_is_gone_gets_an_empty_answer(functions: Functions) -> None:
    """A page may outlive its figure."""
    tk.LiveFigure()
    assert functions[PULL_FUNCTION]("gone", {"kind": "here"}).data == {}


def test_elsewhere_a_thread_sends() -> None:
    """Jupyter's figures share one sender."""
    assert tk.LiveFigure()._streams.sender is SENDER
