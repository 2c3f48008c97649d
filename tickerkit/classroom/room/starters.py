"""Starters: complete programs for students, with the address, the code and the name filled in."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import Any
from urllib.parse import quote

from tickerkit.errors import InvalidArgument

__all__ = ["NOTEBOOK", "STARTERS", "Starter", "make_file", "make_notebook"]

PLACES = re.compile(r"@(URL|PAGE|ADDRESS|HOST|PORT|PATH|TOKEN|NAME)@")
# A name, an IPv4 address, or an IPv6 address in brackets; then a port.
ADDRESS = re.compile(r"([\w.-]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})", re.ASCII)
NOTEBOOK = "starter.ipynb"


@dataclass(frozen=True)
class Starter:
    """A program that receives every tick, to begin from.

    Attributes:
        title: what it is written in, for people.
        file: the name of its file for students.
        source: the name of its text in the folder `programs`.
    """

    title: str
    file: str
    source: str

    @cached_property
    def text(self) -> str:
        """The program, with places such as `@URL@` that `fill` fills in."""
        path = files("tickerkit.classroom.room") / "programs" / self.source
        return path.read_text(encoding="utf-8")

    def fill(self, address: str, token: str = "", name: str = "") -> str:
        """Return the program for one student.

        Args:
            address: host and port of the server, such as "192.168.1.20:8000".
            token: the server's token, which is the code of a class; empty without one.
            name: the student's name; empty without one.

        Raises:
            InvalidArgument: the address is not a host and a port.
        """
        values = _find_values(address, token, name)
        return PLACES.sub(lambda place: values[place[1]], self.text)


STARTERS = {
    "python": Starter("Python", "starter.py", "ticks.py.txt"),
    "python-socket": Starter("Python by hand", "by_hand.py", "by_hand.py.txt"),
    "browser": Starter("Browser console", "console.js", "console.js.txt"),
    "node": Starter("Node.js", "starter.mjs", "ticks.mjs.txt"),
    "shell": Starter("Bash", "starter.sh", "ticks.sh.txt"),
    "curl": Starter("curl", "curl.sh", "curl.sh.txt"),
    "websocat": Starter("websocat, wscat", "websocat.sh", "websocat.sh.txt"),
    "tickerkit": Starter("tickerkit", "with_tickerkit.py", "tickerkit.py.txt"),
}


def make_file(file: str, address: str, token: str = "", name: str = "") -> str | None:
    """Return the text of a file for students, such as "starter.py"; None if there is none.

    The arguments are those of `Starter.fill`.
    """
    if file == NOTEBOOK:
        return json.dumps(make_notebook(address, token, name), indent=1)
    for starter in STARTERS.values():
        if starter.file == file:
            return starter.fill(address, token, name)
    return None


def make_notebook(address: str, token: str = "", name: str = "") -> dict[str, Any]:
    """Return a notebook to begin from, in the format of nbformat 4.5.

    The arguments are those of `Starter.fill`.
    """
    values = _find_values(address, token, name)
    cells = []
    text = (files("tickerkit.classroom.room") / "programs" / "notebook.py.txt").read_text("utf-8")
    filled = PLACES.sub(lambda place: values[place[1]], text)
    # As in scripts that editors show as notebooks: "# %%" begins a cell.
    for number, part in enumerate(filled.split("# %%")[1:]):
        kind, _, body = part.partition("\n")
        is_text = kind.strip() == "[markdown]"
        lines = body.strip().splitlines()
        if is_text:
            lines = [line.removeprefix("#").removeprefix(" ") for line in lines]
        cell: dict[str, Any] = {
            "cell_type": "markdown" if is_text else "code",
            "id": f"cell-{number}",
            "metadata": {},
            "source": "\n".join(lines),
        }
        if not is_text:
            cell |= {"execution_count": None, "outputs": []}
        cells.append(cell)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def _find_values(address: str, token: str, name: str) -> dict[str, str]:
    """Return what to fill in: percent-encoded, or as a text in quotes, safe in any language."""
    if (found := ADDRESS.fullmatch(address)) is None:
        raise InvalidArgument("address", address, "a host and a port, such as '192.168.1.20:8000'")
    literal = json.dumps(name, ensure_ascii=False)
    token, name = quote(token, safe=""), quote(name, safe="")
    query = "&".join([*([f"token={token}"] if token else []), *([f"name={name}"] if name else [])])
    path = f"/ticks?{query}" if query else "/ticks"
    return {
        "URL": f"ws://{address}{path}",
        "PAGE": f"http://{address}/{token}",
        "ADDRESS": address,
        "HOST": found[1].strip("[]"),
        "PORT": found[2],
        "PATH": path,
        "TOKEN": token,
        "NAME": literal,
    }
