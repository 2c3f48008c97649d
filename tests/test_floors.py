"""Architecture: imports point down and form no circle, and the lower floors do no I/O."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import tickerkit

ROOT = Path(tickerkit.__file__).parent

# The rooms on each floor, the highest floor first. A room is a folder of the package, or a module
# beside them. A new room belongs on the lowest floor that is not below anything it imports.
FLOORS = (
    ("__init__", "__main__", "cli"),
    ("chart", "classroom", "quickstart"),
    ("feed", "server", "runtime", "testing"),
    ("sources", "brokers", "storage", "net", "jupyter_extension"),
    ("streams", "protocol", "log", "bars", "alerts", "fieldmaps", "presets", "wire"),
    ("ticks", "errors", "decimals", "formatting", "limits", "validation"),
)
FLOOR_OF = {room: floor for floor, rooms in enumerate(reversed(FLOORS)) for room in rooms}

# feed.chart(), feed.dashboard() and replay.controls() are part of the public contract on a floor
# below what they show. Each imports it when called. There is no other exception.
CALLED_FROM_BELOW = {("feed", "chart"), ("sources", "chart")}

NO_IO_BELOW = 2
IO = {"asyncio", "threading", "websockets", "ipywidgets", "socket", "selectors", "concurrent"}
FILES = sorted(ROOT.rglob("*.py"))


CONTRIBUTING = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_contributing_has_each_room_on_its_floor() -> None:
    """The table for people is that of `FLOORS`."""
    rows = re.findall(r"^\| (\d) \| ([^|]*) \|", CONTRIBUTING, re.MULTILINE)
    listed = {
        room.strip("/"): int(floor)
        for floor, rooms in rows
        for room in re.findall("`(.+?)`", rooms)
    }
    # `tk.live` is a line of the front page, in a module beside the rooms.
    assert listed == {room: floor for room, floor in FLOOR_OF.items() if room != "quickstart"}


def module_name(path: Path) -> str:
    """Return the full name of the module in a file: of a package for its `__init__`."""
    parts = [tickerkit.__name__, *path.relative_to(ROOT).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in FILES}


def room_of(path: Path) -> str:
    """Return the room that a file belongs to."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def path_name(path: Path) -> str:
    """Return a file's path inside the package."""
    return str(path.relative_to(ROOT))


def read_imports(path: Path, tree: ast.AST | None = None) -> Iterator[tuple[int, str]]:
    """Yield the line and full name of every import: in functions and for type checkers too."""
    package = [tickerkit.__name__, *path.relative_to(ROOT).parts[:-1]]
    for node in ast.walk(tree or ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            up = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*up, *([node.module] if node.module else [])])
            # `from tickerkit import log` imports a module, `from tickerkit.log import Rows` a name.
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)


def imported_module(name: str) -> str | None:
    """Return the module of the package that an imported name belongs to, None for another's."""
    while name and name not in MODULES:
        name = name.rpartition(".")[0]
    return name or None


def imports_between() -> dict[str, set[str]]:
    """Return the modules of the package that each module imports, but for the named exceptions."""
    graph: dict[str, set[str]] = {}
    for module, path in MODULES.items():
        targets = {imported_module(name) for _, name in read_imports(path)} - {None, module}
        graph[module] = {
            target
            for target in targets
            if target is not None
            and (room_of(path), room_of(MODULES[target])) not in CALLED_FROM_BELOW
        }
    return graph


def find_circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the groups of nodes that reach each other, each sorted; empty without a circle."""
    reachable: dict[str, set[str]] = {}
    for node in graph:
        seen: set[str] = set()
        pending = [node]
        while pending:
            new = graph.get(pending.pop(), set()) - seen
            seen |= new
            pending += new
        reachable[node] = seen
    groups = {
        tuple(sorted(other for other in reached if node in reachable.get(other, set())))
        for node, reached in reachable.items()
        if node in reached
    }
    return [list(group) for group in sorted(groups)]


@pytest.mark.parametrize("path", FILES, ids=path_name)
def test_every_module_is_in_a_room(path: Path) -> None:
    """Every file of the package belongs to a room of the floor plan."""
    assert room_of(path) in FLOOR_OF, (
        f"{path_name(path)} is in no room: add {room_of(path)!r} to FLOORS in this test, on the "
        "lowest floor that is not below anything it imports"
    )


def test_floor_plan_lists_only_rooms_that_exist() -> None:
    """The floor plan names no room that the package has not."""
    gone = set(FLOOR_OF) - {room_of(path) for path in FILES}
    assert not gone, f"take {sorted(gone)} out of FLOORS in this test"


@pytest.mark.parametrize("path", FILES, ids=path_name)
def test_imports_point_down(path: Path) -> None:
    """No module imports a room of a higher floor."""
    room = room_of(path)
    upward = []
    for line, name in read_imports(path):
        if (module := imported_module(name)) is None:
            continue
        target = room_of(MODULES[module])
        above = FLOOR_OF[target]
        if above > FLOOR_OF[room] and (room, target) not in CALLED_FROM_BELOW:
            upward.append(f"line {line}: {name} is on floor {above}, {room} on {FLOOR_OF[room]}")
    assert upward == []


def test_rooms_form_no_circle() -> None:
    """No room imports another that imports it, also by way of further rooms."""
    rooms: dict[str, set[str]] = {room: set() for room in FLOOR_OF}
    for module, targets in imports_between().items():
        room = room_of(MODULES[module])
        rooms[room] |= {room_of(MODULES[target]) for target in targets} - {room}
    assert find_circles(rooms) == []


def test_modules_form_no_circle() -> None:
    """No module imports another that imports it, in functions and for type checkers included."""
    assert find_circles(imports_between()) == []


@pytest.mark.parametrize(
    "path", [p for p in FILES if FLOOR_OF.get(room_of(p), 9) < NO_IO_BELOW], ids=path_name
)
def test_lower_floors_do_no_io(path: Path) -> None:
    """Nothing on floors 0 and 1 imports threads, event loops, sockets or widgets."""
    wrong = [(line, name) for line, name in read_imports(path) if name.partition(".")[0] in IO]
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
def test_read_imports_finds_every_form(code: str, names: list[str]) -> None:
    """Absolute, relative and late imports are found, and those for type checkers only."""
    found = read_imports(ROOT / "protocol" / "client.py", ast.parse(code))
    assert [name for _, name in found] == names


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("tickerkit.log.Rows", "tickerkit.log"),
        ("tickerkit.log.rows.Rows", "tickerkit.log.rows"),
        ("tickerkit.log", "tickerkit.log"),
        ("tickerkit.nothing", "tickerkit"),
        ("numpy.typing", None),
    ],
)
def test_imported_name_belongs_to_its_module(name: str, module: str | None) -> None:
    """A name belongs to the longest module's name that it begins with."""
    assert imported_module(name) == module


@pytest.mark.parametrize(
    ("graph", "circles"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": set()}, []),
        ({"a": {"b", "c"}, "b": {"c"}, "c": set()}, []),
        ({"a": {"b"}, "b": {"a"}}, [["a", "b"]]),
        ({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}, [["a", "b", "c"]]),
        ({"a": {"b"}, "b": {"a"}, "c": {"d"}, "d": {"c", "a"}}, [["a", "b"], ["c", "d"]]),
    ],
)
def test_find_circles_finds_each(graph: dict[str, set[str]], circles: list[list[str]]) -> None:
    """Circles of any length are found, and what only leads into one is in none."""
    assert find_circles(graph) == circles


def test_one_module_imports_the_client_of_the_broker() -> None:
    """Another engine, or another client of it, replaces that module."""
    importers = {
        path_name(path)
        for path in FILES
        for _, name in read_imports(path)
        if name.partition(".")[0] == "nats"
    }
    assert importers == {path_name(ROOT / "brokers" / "nats_client.py")}
