"""Tests of `import tickerkit`: it starts and loads nothing, and exports the documented names."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

import tickerkit

# The names of the contract in the design, as far as they are built.
CONTRACT = {
    "LiveFigure",
    "allow_nested_loops",
    "connect",
    "live",
    "poll",
    "read_csv",
    "replay",
    "serve",
    "simulate",
    "status",
    "stop_all",
    "tap",
}
HEAVY = {
    "IPython",
    "anywidget",
    "asyncio",
    "ipywidgets",
    "msgspec",
    "nest_asyncio",
    "nest_asyncio2",
    "numpy",
    "pandas",
    "plotly",
    "rich",
    "typer",
    "websockets",
}
PUBLIC = [name for name in tickerkit.__all__ if name != "__version__"]


def imports_for_type_checkers() -> dict[str, str]:
    """Return the module that `if TYPE_CHECKING` imports each name from."""
    tree = ast.parse(Path(tickerkit.__file__).read_text(encoding="utf-8"))
    guarded = [
        statement
        for block in tree.body
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for statement in block.body
    ]
    return {
        alias.name: (statement.module or "").removeprefix("tickerkit.")
        for statement in guarded
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }


def after_import() -> dict[str, object]:
    """Return what a fresh interpreter looks like once tickerkit is imported."""
    code = """
import sys, threading
before = set(sys.modules)
import tickerkit
loaded = set(sys.modules) - before
dir(tickerkit)
listed = set(sys.modules) - before - loaded
import asyncio, json
print(json.dumps({
    "loaded": sorted(name.partition(".")[0] for name in loaded),
    "by_dir": sorted(listed),
    "own": sorted(name for name in loaded if name.startswith("tickerkit")),
    "threads": threading.active_count(),
    "task": asyncio.Task.__module__,
}))
"""
    root = str(Path(tickerkit.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {root!r})\n{code}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("name", PUBLIC)
def test_each_name_loads_from_its_home(name: str) -> None:
    """Every name of the front page is in the module that the loader names."""
    home = importlib.import_module(f"tickerkit.{tickerkit._HOME[name]}")
    assert getattr(tickerkit, name) is getattr(home, name)
    assert name in home.__all__


def test_type_checkers_find_names_where_they_are_loaded() -> None:
    """The imports that a type checker reads name the same modules as the lazy loader."""
    assert imports_for_type_checkers() == tickerkit._HOME


def test_the_front_page_lists_every_name_once_in_order() -> None:
    """`__all__`, the loader and `dir` agree, sorted."""
    assert sorted(tickerkit.__all__) == tickerkit.__all__
    assert list(tickerkit._HOME) == PUBLIC
    assert dir(tickerkit) == tickerkit.__all__


def test_every_error_is_on_the_front_page() -> None:
    """Whatever tickerkit raises can be caught by a name of the front page."""
    errors = importlib.import_module("tickerkit.errors")
    assert set(errors.__all__) <= set(tickerkit.__all__)


def test_the_contract_is_kept() -> None:
    """Every documented name of `tk` is exported."""
    assert set(tickerkit.__all__) >= CONTRACT


def test_an_unknown_name_is_an_attribute_error() -> None:
    """A wrong name fails as it does on any module."""
    with pytest.raises(AttributeError, match="has no attribute 'conect'"):
        tickerkit.conect  # noqa: B018


def test_import_loads_nothing_but_the_front_page() -> None:
    """`import tickerkit` loads no library and none of its own modules, so it is quick."""
    found = after_import()
    loaded = found["loaded"]
    assert isinstance(loaded, list)
    assert not HEAVY & set(loaded)
    assert found["own"] == ["tickerkit"]
    assert found["by_dir"] == []


def test_import_starts_and_patches_nothing() -> None:
    """`import tickerkit` starts no thread, and leaves asyncio's Task class as it was."""
    found = after_import()
    assert found["threads"] == 1
    assert found["task"] == "_asyncio"
