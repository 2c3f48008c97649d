"""`tickerkit clean`: notebooks without the widgets that are saved in them."""

from __future__ import annotations

import glob
import json
import os
import re
from pathlib import Path
from typing import Annotated, Any

import typer

from tickerkit.cli.interrupt import ending
from tickerkit.cli.terminal import complain, printable, say
from tickerkit.formatting import format_count, format_size

__all__ = ["clean"]

VIEW = "application/vnd.jupyter.widget-view+json"
FAILED, MISUSED = 1, 2
INDENT = re.compile(r"\s*\{\r?\n([ \t]+)")


def clean(
    notebooks: Annotated[
        list[str], typer.Argument(metavar="NOTEBOOK", help="The notebooks, as *.ipynb.")
    ],
    outputs: Annotated[
        bool, typer.Option("--outputs", help="Strip all outputs and execution counts too.")
    ] = False,
    check: Annotated[
        bool,
        typer.Option("--check", help="Change nothing; exit code 1 if there is something to strip."),
    ] = False,
) -> None:
    """Strip saved widgets from notebooks, often megabytes.

    What else is shown stays, as pictures and text. A notebook that needs nothing is left as it is.
    One that is open in Jupyter is best closed first: there it is saved with its widgets again.
    """
    paths = [path for name in notebooks for path in _named(name)]
    code = 0
    for index, path in enumerate(paths):
        if ending.asked:
            complain(f"stopped; {format_count(len(paths) - index, 'notebook')} not looked at")
            raise typer.Exit(FAILED)
        try:
            changed = _clean(path, outputs=outputs, check=check)
        except (FileNotFoundError, IsADirectoryError) as error:
            complain(error)
            code = MISUSED
        except OSError as error:
            complain(f"{path}: {error.strerror or error}")
            code = code or FAILED
        except (ValueError, RecursionError) as error:
            complain(f"{path} is not a notebook: {error}")
            code = code or FAILED
        else:
            if changed and check:
                code = code or FAILED
    if code:
        raise typer.Exit(code)


def _named(name: str) -> list[Path]:
    """Return what an argument names: a file, or on Windows, whose shells leave it to us, many."""
    found = [] if Path(name).exists() else sorted(glob.glob(name))
    return [Path(each) for each in found or [name]]


def _clean(path: Path, *, outputs: bool, check: bool) -> bool:
    """Clean one notebook, and tell; return whether there was something to strip."""
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder: name its notebooks, {path / '*.ipynb'}")
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist")
    before = path.read_bytes()
    text = before.decode("utf-8-sig")
    notebook = json.loads(text)
    if not _strip(notebook, outputs=outputs):
        say(f"{printable(path)}: nothing to strip, {format_size(len(before))}")
        return False
    after = _written(notebook, like=text)
    sizes = f"{format_size(len(before))} -> {format_size(len(after))}"
    if check:
        say(f"{printable(path)}: would be cleaned, {sizes}")
        return True
    # Replacing a file needs no leave to write to it; who has protected one meant it.
    if not os.access(path, os.W_OK):
        raise PermissionError("write-protected")
    from tickerkit.storage.atomic import replacing

    with replacing(path) as file:
        file.write(after)
    say(f"{printable(path)}: {sizes}")
    return True


def _strip(notebook: Any, *, outputs: bool) -> bool:
    """Take out what is to go, in place; return whether there was any."""
    if not isinstance(notebook, dict) or not isinstance(notebook.get("nbformat"), int):
        raise ValueError("it has no nbformat")
    changed = _without(notebook.get("metadata"), "widgets")
    strip = _strip_run if outputs else _strip_views
    # Up to format 3 the cells stand in worksheets.
    for sheet in _listed(notebook, "worksheets") if "worksheets" in notebook else [notebook]:
        for cell in _listed(sheet, "cells"):
            if "outputs" in cell:
                changed |= strip(cell)
    return changed


def _strip_views(cell: dict[str, Any]) -> bool:
    """Take the references to widgets out of a cell, and the outputs that are nothing else."""
    kept, changed = [], False
    for output in _listed(cell, "outputs"):
        data = output.get("data")
        if _without(data, VIEW):
            changed = True
            _without(output.get("metadata"), VIEW)
            if not data:
                continue
        kept.append(output)
    cell["outputs"] = kept
    return changed


def _strip_run(cell: dict[str, Any]) -> bool:
    """Take out all that running a cell has left in it."""
    changed = bool(_listed(cell, "outputs"))
    cell["outputs"] = []
    if cell.get("execution_count") is not None:
        cell["execution_count"], changed = None, True
    changed |= _without(cell, "prompt_number")  # the count's name up to format 3
    return _without(cell.get("metadata"), "execution") or changed  # the times that it ran at


def _without(of: Any, name: str) -> bool:
    """Take an entry out, if it is there; return whether it was."""
    return isinstance(of, dict) and of.pop(name, of) is not of


def _listed(of: dict[str, Any], name: str) -> list[dict[str, Any]]:
    found = of.get(name)
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise ValueError(f"its {name} are no list of objects")
    return found


def _written(notebook: dict[str, Any], like: str) -> bytes:
    """Return a notebook as Jupyter writes it, but with the indent and line ends that it had."""
    indent = INDENT.match(like)
    text = json.dumps(notebook, ensure_ascii=False, indent=indent[1] if indent else 1)
    text += "\n" if like.endswith("\n") else ""
    # Half a surrogate pair has no UTF-8; as an escape it is what it was.
    data = text.encode("utf-8", "backslashreplace")
    return data.replace(b"\n", b"\r\n") if "\r\n" in like else data
