"""Places: the line of the student's code that raised an error, or that does not end."""

from __future__ import annotations

import ast
import linecache
import sys
import time
from itertools import islice
from types import FrameType
from typing import NamedTuple

from tickerkit.runtime.user_code import is_library

__all__ = ["describe_hang", "find_source_line"]

SAMPLES = 8
SAMPLE_S = 0.01


class _Place(NamedTuple):
    """An instruction of the student's code, or one of its calls into a library."""

    line: int
    call: str


def find_source_line(error: BaseException) -> str:
    """Return the innermost line of the student's code in a traceback; empty without one."""
    line, step = "", error.__traceback__
    while step is not None:
        name = step.tb_frame.f_code.co_filename
        if not is_library(name):
            line = linecache.getline(name, step.tb_lineno).strip()
        step = step.tb_next
    return line


def describe_hang(ident: int) -> tuple[str, str]:
    """Return where the student's code is in a thread: "it waits in recv, line 4", and that line.

    Returns:
        Two empty texts if the thread runs none of the student's code.
    """
    places, name = set(), ""
    for _ in range(SAMPLES):
        frame = _find_frame(sys._current_frames().get(ident))
        if frame is not None:
            places.add(_find_place(frame))
            name = frame.f_code.co_filename
        time.sleep(SAMPLE_S)
    if not places:
        return "", ""
    first, last = min(places), max(places)
    source = linecache.getline(name, first.line).strip()
    if len(places) == 1 and first.call:
        return f"it waits in {first.call}, line {first.line}", source
    return _loop(first, last), source


def _loop(first: _Place, last: _Place) -> str:
    if first.line == last.line:
        return f"it does not get past line {first.line}"
    return f"it goes round between line {first.line} and line {last.line}"


def _find_frame(frame: FrameType | None) -> FrameType | None:
    """Return the innermost frame of the student's code."""
    while frame is not None and is_library(frame.f_code.co_filename):
        frame = frame.f_back
    return frame


def _find_place(frame: FrameType) -> _Place:
    code, index = frame.f_code, max(frame.f_lasti, 0) // 2
    line, last, start, stop = next(islice(code.co_positions(), index, None), (None,) * 4)
    if line is None or last is None or start is None or stop is None:
        return _Place(frame.f_lineno, "")
    lines = [linecache.getline(code.co_filename, number) for number in range(line, last + 1)]
    # The columns count bytes of UTF-8.
    encoded = [each.encode() for each in lines]
    encoded[-1] = encoded[-1][:stop]
    encoded[0] = encoded[0][start:]
    return _Place(line, _name_call(b"".join(encoded).decode(errors="replace")))


def _name_call(source: str) -> str:
    """Return the name of the function that an expression calls; empty if it calls none."""
    try:
        node = ast.parse(source.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        return ""
    if isinstance(node, ast.Await):
        node = node.value
    match node:
        case ast.Call(func=ast.Attribute(attr=name)) | ast.Call(func=ast.Name(id=name)):
            return name
    return ""
