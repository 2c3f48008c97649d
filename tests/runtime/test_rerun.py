"""rerun: which notebook cell runs, and the objects that its last run made."""

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
    """Replaces IPython's shell: its kernel returns the message that it handles."""

    def __init__(self, get_parent: Callable[[str], Any]) -> None:
        self.kernel = types.SimpleNamespace(get_parent=get_parent)


def in_shell(monkeypatch: pytest.MonkeyPatch, shell: object) -> None:
    """Make IPython return this shell."""
    module = types.SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", module)


def test_rerun_finds_what_the_cell_made(kernel: Kernel) -> None:
    """The slot of the same call in the same cell holds the object stored last."""
    kernel.run("cell")
    first = cell_slot("feed", "url")
    assert first.last() is None
    first.fill("made")
    kernel.run("cell")
    again = cell_slot("feed", "url")
    assert again.last() == "made"
    again.fill("made again")
    kernel.run("cell")
    assert cell_slot("feed", "url").last() == "made again"


def test_other_cells_and_calls_have_other_slots(kernel: Kernel) -> None:
    """Another cell or another address finds nothing."""
    kernel.run("cell")
    cell_slot("feed", "url").fill("made")
    kernel.run("another cell")
    assert cell_slot("feed", "url").last() is None
    kernel.run("cell")
    assert cell_slot("feed", "another url").last() is None
    assert cell_slot("server", "url").last() is None


def test_equal_calls_in_one_cell_have_different_slots(kernel: Kernel) -> None:
    """The n-th call of a run finds the object that the n-th call of the last run made."""
    for made in ("first", "second"):
        kernel.run("cell")
        found = [cell_slot("feed"), cell_slot("feed"), cell_slot("feed")]
        if made == "second":
            assert [each.last() for each in found] == ["first 0", "first 1", "first 2"]
        for number, each in enumerate(found):
            each.fill(f"{made} {number}")


def test_no_call_is_a_rerun_without_a_cell() -> None:
    """In a plain Python nothing is stored."""
    cell_slot("feed").fill("made")
    assert cell_slot("feed").last() is None


def test_cell_is_read_from_the_kernels_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ids of the cell and of its run are in the message that the kernel handles."""
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
def test_cell_is_unknown_without_cell_ids(parent: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """A front end that sends no cell ids counts as a plain Python."""
    in_shell(monkeypatch, Shell(lambda _: parent))
    assert rerun._current_cell() is None


def test_cell_is_unknown_if_the_kernel_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error while asking the kernel does not fail the call."""

    def fail(_: str) -> None:
        raise LookupError("no message in this thread")

    in_shell(monkeypatch, Shell(fail))
    assert rerun._current_cell() is None
    in_shell(monkeypatch, types.SimpleNamespace())
    assert rerun._current_cell() is None
    in_shell(monkeypatch, None)
    assert rerun._current_cell() is None
