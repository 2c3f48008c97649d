"""cells: which notebook cell runs, and what it made when it last ran."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import Any

import pytest
from cells import Kernel

from tickerkit.runtime import rerun
from tickerkit.runtime.rerun import cell_slot


class Shell:
    """Stands in for IPython's shell: it has a kernel that knows the message it works on."""

    def __init__(self, get_parent: Callable[[str], Any]) -> None:
        self.kernel = types.SimpleNamespace(get_parent=get_parent)


def in_shell(monkeypatch: pytest.MonkeyPatch, shell: object) -> None:
    """Have IPython say that this shell runs."""
    module = types.SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", module)


def test_a_cell_that_runs_again_finds_what_it_made(kernel: Kernel) -> None:
    """The slot of the same call in the same cell holds what was put there last."""
    kernel.run("cell")
    first = cell_slot("feed", "url")
    assert first.last() is None
    first.fill("made")
    kernel.run("cell")
    again = cell_slot("feed", "url")
    assert again.last() == "made"
    again.fill("made anew")
    kernel.run("cell")
    assert cell_slot("feed", "url").last() == "made anew"


def test_other_cells_and_other_calls_have_slots_of_their_own(kernel: Kernel) -> None:
    """Neither another cell nor another address takes over what a cell made."""
    kernel.run("cell")
    cell_slot("feed", "url").fill("made")
    kernel.run("another cell")
    assert cell_slot("feed", "url").last() is None
    kernel.run("cell")
    assert cell_slot("feed", "another url").last() is None
    assert cell_slot("server", "url").last() is None


def test_equal_calls_in_one_cell_are_told_apart(kernel: Kernel) -> None:
    """The n-th call of a run finds what the n-th call of the last run made."""
    for made in ("first", "second"):
        kernel.run("cell")
        found = [cell_slot("feed"), cell_slot("feed"), cell_slot("feed")]
        if made == "second":
            assert [each.last() for each in found] == ["first 0", "first 1", "first 2"]
        for number, each in enumerate(found):
            each.fill(f"{made} {number}")


def test_without_a_cell_nothing_is_a_rerun() -> None:
    """In a plain Python no call is taken for another."""
    cell_slot("feed").fill("made")
    assert cell_slot("feed").last() is None


def test_jupyter_tells_the_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cell's id and the run's are in the message that the kernel works on."""
    parent = {"metadata": {"cellId": "abc"}, "header": {"msg_id": "123_4"}}
    in_shell(monkeypatch, Shell(lambda channel: parent if channel == "shell" else {}))
    assert rerun._current_cell() == ("abc", "123_4")


@pytest.mark.parametrize(
    "parent",
    [
        {},
        None,
        {"metadata": {}, "header": {"msg_id": "1"}},
        {"metadata": None, "header": {}},
        {"metadata": {"cellId": "abc"}},
    ],
)
def test_a_front_end_without_cell_ids_tells_nothing(
    parent: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message that names no cell is of no cell."""
    in_shell(monkeypatch, Shell(lambda _: parent))
    assert rerun._current_cell() is None


def test_a_kernel_that_fails_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong in asking the kernel, the call goes on."""

    def fail(_: str) -> None:
        raise LookupError("no message in this thread")

    in_shell(monkeypatch, Shell(fail))
    assert rerun._current_cell() is None
    in_shell(monkeypatch, types.SimpleNamespace())
    assert rerun._current_cell() is None
    in_shell(monkeypatch, None)
    assert rerun._current_cell() is None
