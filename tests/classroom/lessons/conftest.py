"""What the tests of lessons share: progress in a file of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def progress_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file in which this test's lessons keep their progress."""
    path = tmp_path / "home" / "lessons.json"
    monkeypatch.setenv("TICKERKIT_LESSONS", str(path))
    return path
