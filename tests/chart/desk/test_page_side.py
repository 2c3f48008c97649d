"""page_side: the files of a dashboard's page join to one module, and write no markup."""

from __future__ import annotations

import re
import subprocess
from importlib import resources
from pathlib import Path

from tickerkit.chart.desk.page_side import PARTS, read_page_side, read_style


def test_the_page_side_is_one_module_of_all_files(node: str, tmp_path: Path) -> None:
    """Node.js runs it, and its default export gives what anywidget calls."""
    folder = resources.files("tickerkit.chart.desk")
    assert sorted(PARTS) == sorted(
        file.name for file in folder.iterdir() if file.name.endswith(".js")
    )
    path = tmp_path / "desk.mjs"
    path.write_text(read_page_side(), encoding="utf-8")
    script = f"import make from {path.as_uri()!r}; console.log(Object.keys(make()).join())"
    command = [node, "--input-type=module", "--eval", script]
    printed = subprocess.run(command, check=True, timeout=60, capture_output=True, text=True)
    assert printed.stdout.strip() == "initialize,render"


def test_each_file_comes_after_those_that_it_imports() -> None:
    """Joined, a class is defined before another file uses it."""
    folder = resources.files("tickerkit.chart.desk")
    for at, name in enumerate(PARTS):
        text = (folder / name).read_text("utf-8")
        own = re.findall(r'^import [^;]* from "\./(\w+\.js)";', text, re.M)
        assert set(own) <= set(PARTS[:at]), name


def test_no_file_of_the_page_writes_markup() -> None:
    """Symbols, reasons and errors come from anywhere: they become text, never elements."""
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert word not in read_page_side()


def test_the_style_touches_nothing_beside_the_dashboard() -> None:
    """Each name of a class is the dashboard's own, or the one of a widget inside it."""
    lines = [line for line in read_style().splitlines() if line.startswith(".")]
    assert lines
    assert all(line.startswith(".tkd") for line in lines)
