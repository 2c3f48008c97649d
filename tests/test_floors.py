"""The floor plan: imports point only downward, and the lower floors do no I/O."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import tickerkit

ROOT = Path(tickerkit.__file__).parent

# Floors by module or package. A new module belongs here, on the lowest floor that holds it.
FLOORS = {
    "errors": 0,
    "formatting": 0,
    "ticks": 0,
    "validation": 0,
    "bars": 1,
    "log": 1,
    "protocol": 1,
    "sources": 2,
    "storage": 2,
    "feed": 3,
    "net": 3,
    "runtime": 3,
    "server": 3,
    "chart": 4,
    "classroom": 4,
    "quickstart": 4,
    "__init__": 5,
    "__main__": 5,
    "cli": 5,
}
# The contract puts the words feed.chart(), feed.dashboard() and replay.controls() where they are,
# and what they show on a floor above. They reach up, by an import when they are called.
REACHING_UP = {("feed", "chart"), ("sources", "chart")}
NO_IO_BELOW = 2
IO = {"asyncio", "threading", "websockets", "ipywidgets", "socket", "selectors", "concurrent"}
MODULES = sorted(ROOT.rglob("*.py"))


def part_of(path: Path) -> str:
    """Return the module or package of the floor plan that a file belongs to."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported(path: Path, tree: ast.AST | None = None) -> Iterator[tuple[int, str]]:
    """Yield the line and full name of everything a file imports, for type checkers too."""
    package = [tickerkit.__name__, *path.relative_to(ROOT).parts[:-1]]
    for node in ast.walk(tree or ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            up = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*up, *([node.module] if node.module else [])])
            # `from tickerkit import log` imports a module, `from tickerkit.log import Rows` a name.
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)


def name_of(path: Path) -> str:
    """Return a file's path inside the package."""
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_every_module_stands_on_a_floor(path: Path) -> None:
    """Every module of the package has its place in the floor plan."""
    assert part_of(path) in FLOORS, (
        f"{name_of(path)} is on no floor: add {part_of(path)!r} to FLOORS in this test, on the "
        "lowest floor that is above all it imports"
    )


def test_plan_names_no_module_that_is_gone() -> None:
    """The floor plan lists only what there is."""
    gone = set(FLOORS) - {part_of(path) for path in MODULES}
    assert not gone, f"take {sorted(gone)} out of FLOORS in this test"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_only_downward(path: Path) -> None:
    """No module imports one of a higher floor."""
    floor = FLOORS.get(part_of(path), 0)
    upward = []
    for line, name in imported(path):
        top, _, rest = name.partition(".")
        if top != tickerkit.__name__:
            continue
        target = rest.partition(".")[0]
        above = FLOORS.get(target, FLOORS["__init__"])
        if above > floor and (part_of(path), target) not in REACHING_UP:
            upward.append(f"line {line}: {name} is on floor {above}, {name_of(path)} on {floor}")
    assert upward == []


@pytest.mark.parametrize(
    "path", [p for p in MODULES if FLOORS.get(part_of(p), 9) < NO_IO_BELOW], ids=name_of
)
def test_lower_floors_know_no_threads_and_no_sockets(path: Path) -> None:
    """Nothing on floors 0 and 1 imports threads, event loops, sockets or widgets."""
    wrong = [(line, name) for line, name in imported(path) if name.partition(".")[0] in IO]
    assert wrong == []


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("import tickerkit.log", ["tickerkit.log"]),
        ("from tickerkit.log import Rows as R", ["tickerkit.log.Rows"]),
        ("from tickerkit import log", ["tickerkit.log"]),
        ("from . import client", ["tickerkit.protocol.client"]),
        ("from ..log import Rows", ["tickerkit.log.Rows"]),
        ("from .. import feed", ["tickerkit.feed"]),
        ("if TYPE_CHECKING:\n    import tickerkit.feed", ["tickerkit.feed"]),
        ("def f():\n    import asyncio", ["asyncio"]),
    ],
)
def test_every_way_to_import_is_seen(code: str, names: list[str]) -> None:
    """The reader of imports finds absolute, relative, late and type checkers' ones."""
    found = imported(ROOT / "protocol" / "client.py", ast.parse(code))
    assert [name for _, name in found] == names
