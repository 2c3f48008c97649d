"""Tests in several processes: which tests run in one process, and which start first.

A worker gets whole modules, so that each fixture of a module is made once. All modules that use the
browser go to one worker, which starts one Chromium and one JupyterLab.

The marks of `--dist loadgroup` can't do this: pytest 9.2 ignores those of pytest-xdist 3.8, and
before that pytest-xdist puts them into the ids that `--last-failed` looks for.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from xdist.scheduler import LoadScopeScheduling

__all__ = [
    "pytest_collection_finish",
    "pytest_collection_modifyitems",
    "pytest_runtest_teardown",
    "pytest_xdist_make_scheduler",
]

BROWSER = ("_in_browser.py", "test_series.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with the slowest tests, browser and then processes, so that none starts last."""
    slow = {item.path for item in items if item.get_closest_marker("process")}

    def rank(item: pytest.Item) -> int:
        return 0 if item.path.name.endswith(BROWSER) else 1 if item.path in slow else 2

    items.sort(key=rank)


def pytest_collection_finish() -> None:
    """Keep what was collected out of later garbage collections.

    Thousands of tests and their modules make each `gc.collect()` of a test take 0.1 s.
    """
    _freeze()


@pytest.hookimpl(trylast=True)  # after the fixtures of the module have ended
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Keep what the tests of a module have imported out of later garbage collections, too.

    With plotly, pyarrow and others imported, each `gc.collect()` took 0.1 s again.
    """
    if nextitem is not None and nextitem.path != item.path:
        _freeze()


def _freeze() -> None:
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)  # pytest-xdist need not be there
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Return the scheduler that gives whole modules to the workers."""
    from xdist.scheduler import LoadScopeScheduling

    class Modules(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            path = nodeid.partition("::")[0]
            return "browser" if path.endswith(BROWSER) else path

    config.option.loadscopereorder = False  # which would sort modules by their number of tests
    return Modules(config, log)
