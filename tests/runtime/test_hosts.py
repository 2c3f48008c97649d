"""hosts: which program runs the notebook, with stand-ins for marimo's modules."""

from __future__ import annotations

import enum
import sys
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any

import pytest

import tickerkit as tk
from tickerkit.runtime.hosts import find_host, find_marimo_cell, is_open
from tickerkit.runtime.rerun import cell_slot


class Mode(enum.Enum):
    """As marimo's `SessionMode`."""

    EDIT = "edit"
    RUN = "run"


@pytest.fixture
def marimo(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Stand in for marimo; return its context, in which cell "c1" runs in run "r1"."""
    context = SimpleNamespace(session_mode=Mode.EDIT, cell_id="c1", run=ContextVar("run"))
    context.run.set("r1")
    modules: dict[str, Any] = {
        "marimo": SimpleNamespace(running_in_notebook=lambda: True),
        "marimo._runtime.context": SimpleNamespace(get_context=lambda: context),
        "marimo._messaging.context": SimpleNamespace(RUN_ID_CTX=context.run),
    }
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    return context


def test_the_host_is_found_by_the_modules_that_it_has_loaded(
    monkeypatch: pytest.MonkeyPatch, marimo: SimpleNamespace
) -> None:
    """Marimo only where a notebook runs; Colab by `google.colab`; otherwise Jupyter."""
    assert find_host() == "marimo"
    monkeypatch.setattr(sys.modules["marimo"], "running_in_notebook", lambda: False)
    assert find_host() == "jupyter"
    monkeypatch.setitem(sys.modules, "google.colab", SimpleNamespace())
    assert find_host() == "colab"


def test_what_a_marimo_cell_made_is_known_when_it_runs_again(marimo: SimpleNamespace) -> None:
    """The same call in a later run of the cell returns what the first made; other cells do not."""
    cell_slot("test hosts").fill("made")
    marimo.run.set("r2")
    assert cell_slot("test hosts").last() == "made"
    marimo.cell_id = "c2"
    assert cell_slot("test hosts").last() is None


def test_cells_of_a_marimo_app_are_unknown(marimo: SimpleNamespace) -> None:
    """Sessions of an app share a process and the ids of cells, so nothing may be found by them."""
    marimo.session_mode = Mode.RUN
    assert find_marimo_cell() is None


def test_a_marimo_without_the_private_names_has_no_known_cell(marimo: SimpleNamespace) -> None:
    """A later marimo may name things in another way; then no call counts as a re-run."""
    del marimo.cell_id
    assert find_marimo_cell() is None


def test_a_comm_is_open_until_marimo_drops_it() -> None:
    """Jupyter's comms have no list of open ones: they count as open until they are None."""
    comm = SimpleNamespace(comm_id="1", comm_manager=SimpleNamespace(comms={}))
    comm.comm_manager.comms["1"] = comm
    assert is_open(comm)
    comm.comm_manager.comms.clear()
    assert not is_open(comm)
    assert is_open(SimpleNamespace(comm_id="1"))
    assert not is_open(None)


def test_a_figure_in_marimo_has_plotly_js_in_its_page_side(marimo: SimpleNamespace) -> None:
    """There marimo closes a model that figures share when the cell that made it runs again."""
    figure = tk.LiveFigure(data=[{"type": "scatter"}])
    assert "const PLOTLY_SOURCE = " in figure._esm
    assert figure._plotly is None
    with pytest.raises(tk.TickerkitError, match="marimo can't replace"):
        figure.freeze()


def test_a_page_in_marimo_gets_the_state_that_it_asks_for(
    marimo: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What changed between the making of the figure and its display is in the state."""
    figure = tk.LiveFigure()
    figure.add_scatter(y=[1, 2])
    sent: list[Any] = []
    monkeypatch.setattr(figure, "send_state", lambda key: sent.append(figure.get_state(key)))
    figure._handle_message(figure, {"kind": "state"}, [])
    assert len(sent[0]["_widget_data"]) == 1
