"""Fixtures of the tests of commands."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from commands import InProcess


@pytest.fixture
def start(capsys: pytest.CaptureFixture[str]) -> Callable[..., InProcess]:
    """Return a function that starts a command in a thread of this process."""
    return lambda *arguments: InProcess(capsys, *arguments)
