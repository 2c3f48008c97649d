"""The tests mirror the package: each room has a folder here, and each folder is a room's."""

from __future__ import annotations

from pathlib import Path

import tickerkit

PACKAGE = Path(tickerkit.__file__).parent
TESTS = Path(__file__).parent
OTHERS = {"end_to_end", "helpers"}  # what several rooms do together, and what tests share


def test_rooms_and_folders_of_tests_have_the_same_names() -> None:
    """A new room has tests of its own, and a renamed one takes them along."""
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    folders = {path.name for path in TESTS.iterdir() if any(path.rglob("test_*.py"))}
    assert folders - OTHERS == rooms
