"""User code: which line of it raised an error, and the traceback to show."""

from __future__ import annotations

import sys
import sysconfig
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any

__all__ = ["find_location", "format_traceback", "is_library"]

MAX_FRAMES = 20
MAX_TRACEBACK_LENGTH = 4000

# Files of these folders are libraries. A project of the user is in none of them.
LIBRARIES = tuple(
    f"{Path(folder)}/" for folder in (sysconfig.get_path("stdlib"), Path(__file__).parents[1])
)
PACKAGE_FOLDERS = {"site-packages", "dist-packages"}
# Code without a file, such as that of importlib or of numpy's wrappers.
GENERATED = ("<frozen", "<__")


def find_location(error: BaseException) -> str:
    """Return the innermost line of the user's code in an error's traceback.

    Returns:
        File and line, such as "strategy.py, line 12" or "Cell In[3], line 2"; empty if the
        traceback has library code only.
    """
    location = ""
    step = error.__traceback__
    while step is not None:
        name = step.tb_frame.f_code.co_filename
        if not is_library(name):
            location = f"{_format_file(name)}, line {step.tb_lineno}"
        step = step.tb_next
    return location


def format_traceback(error: BaseException) -> str:
    """Return an error's traceback as text, at most 4,000 characters, from the user's code on."""
    first = _skip_libraries(error.__traceback__)
    text = "".join(traceback.format_exception(type(error), error, first, limit=-MAX_FRAMES))
    # The end has the line that raised the error, and its text.
    return text if len(text) <= MAX_TRACEBACK_LENGTH else f"…{text[-MAX_TRACEBACK_LENGTH:]}"


def _skip_libraries(step: TracebackType | None) -> TracebackType | None:
    """Return a traceback without the frames that called the user's code."""
    first = step
    while first is not None and is_library(first.tb_frame.f_code.co_filename):
        first = first.tb_next
    return first or step


def is_library(name: str) -> bool:
    """Return whether the file of some code is a library's, and not the user's."""
    path = Path(name)
    return name.startswith(GENERATED) or (
        path.as_posix().startswith(LIBRARIES) or not PACKAGE_FOLDERS.isdisjoint(path.parts)
    )


def _format_file(name: str) -> str:
    """Return the name of a code's file, or of the cell of a notebook that it is."""
    ipython = sys.modules.get("IPython")
    shell: Any = ipython.get_ipython() if ipython is not None else None
    try:
        kind, cell = shell.compile.format_code_name(name)
    except (AttributeError, TypeError):  # no notebook, or not the code of a cell
        return Path(name).name
    return f"{kind} {cell}"
