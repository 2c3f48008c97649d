"""page_side: the JavaScript of a live figure, its modules joined to one text."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from importlib import resources
from pathlib import Path

import pytest

from tickerkit.chart.figure.page_side import PARTS, build_page_side, read_parts

FOLDER = resources.files("tickerkit.chart.figure")
SOURCES = read_parts()
ORDER = list(SOURCES)
DECLARATION = r"(?:async function|function|class|const|let) ([\w$]+)"


def declared(source: str) -> list[str]:
    """Return the names that a module declares at its top level."""
    return re.findall(rf"^(?:export )?{DECLARATION}", source, re.M)


def exported(source: str) -> set[str]:
    """Return the names that a module exports."""
    return set(re.findall(rf"^export {DECLARATION}", source, re.M))


def test_all_modules_of_the_folder_are_joined() -> None:
    """The list of parts has each module of the folder once."""
    beside = [each.name for each in FOLDER.iterdir() if each.name.endswith(".js")]
    assert sorted(PARTS) == sorted(beside)


def test_no_two_modules_declare_the_same_name() -> None:
    """In the joined text all modules share one top level, so all its names differ."""
    names = Counter(name for source in SOURCES.values() for name in declared(source))
    assert len(names) > 50
    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize("name", ORDER)
def test_an_import_names_exports_of_a_module_before(name: str) -> None:
    """Every import fits the pattern that is left out, renames nothing, and is satisfied."""
    for statement in re.findall(r"^import\b.*?;$", SOURCES[name], re.M | re.S):
        pattern = r'import \{([\w$,\s]*)\} from "(?:\./|\.\./\.\./\w+/\w+/)(\w+\.js)";'
        fitting = re.fullmatch(pattern, statement)
        assert fitting, statement
        names, module = fitting.groups()
        assert ORDER.index(module) < ORDER.index(name)
        assert {each.strip() for each in names.split(",")} - {""} <= exported(SOURCES[module])


@pytest.mark.parametrize("name", ORDER)
def test_an_export_stands_before_a_declaration(name: str) -> None:
    """Every export fits the pattern that is left out; the last module alone has a default one."""
    lines = re.findall(r"^export\b.*$", SOURCES[name], re.M)
    defaults = [line for line in lines if line.startswith("export default ")]
    assert len(defaults) == (name == ORDER[-1])
    for line in set(lines) - set(defaults):
        assert re.match(rf"export {DECLARATION}", line), line


@pytest.mark.parametrize("name", ORDER)
def test_no_text_of_a_module_looks_like_a_comment(name: str) -> None:
    """Lines that look like comments are left out: none may be in a text of several lines."""
    for text in re.findall(r"`[^`]*`", SOURCES[name]):
        assert not re.search(r"^ *(//|/\*)", text, re.M)


def test_the_joined_text_is_a_module_of_a_widget(node: str, tmp_path: Path) -> None:
    """Node.js parses the text, and its default export gives what anywidget calls."""
    path = tmp_path / "figure.mjs"
    path.write_text(build_page_side(), encoding="utf-8")
    subprocess.run([node, "--check", path], check=True, timeout=60)
    script = f"import make from {path.as_uri()!r}; console.log(Object.keys(make()).join())"
    command = [node, "--input-type=module", "--eval", script]
    printed = subprocess.run(command, check=True, timeout=60, capture_output=True, text=True)
    assert printed.stdout.strip() == "initialize,render"
