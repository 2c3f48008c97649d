"""Sources on the command line: a recording, `sim:AAPL,MSFT`, or a function in a Python file."""

from __future__ import annotations

import re
import runpy
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tickerkit.cli.exit_codes import UsageError
from tickerkit.errors import SourceError

if TYPE_CHECKING:
    from tickerkit.sources import Source

__all__ = ["DEMO", "hide_password", "load_source"]

DEMO = "sim:AAPL,MSFT,GOOG,AMZN,TSLA"
KINDS = (
    "a recording such as ticks.csv",
    '"sim:AAPL,MSFT"',
    '"sensors:kitchen,garden"',
    '"prices.py:fetch"',
    '"kraken:BTC/USD"',
    '"mqtt://host/topic"',
    '"events:https://host/stream"',
    '"-" for the JSON lines of stdin',
)
PASSWORD = re.compile(r"(?<=://)[^/]*@")
FUNCTION = re.compile(r"(.+\.py):(\w+)")


def load_source(text: str, every_s: float, *more_kinds: str, fields: str = "") -> Source:
    """Return the source that an argument of a command describes.

    Args:
        text: a recording, `sim:` and symbols, `prices.py:fetch` for a function to call, or "-" for
            stdin.
        every_s: interval between two calls of the function.
        *more_kinds: further kinds that the command accepts, for the error.
        fields: the path of a field map for the lines of stdin, the messages of MQTT, or events; ""
            for none.

    Raises:
        SourceError: there is no such source, or its file can't be run.
        UsageError: a field map is given for another source.
        FieldMapError: the field map has a wrong entry.
    """
    from tickerkit.sources import EVENTS_SCHEME, MQTT_SCHEMES, as_source, events, json_lines, mqtt

    if fields:
        try:
            if text == "-":
                return json_lines(sys.stdin, fields)
            if text.startswith(MQTT_SCHEMES):
                return mqtt(text, fields)
            if text.startswith(EVENTS_SCHEME):
                return events(text.removeprefix(EVENTS_SCHEME), fields)
        except OSError as error:
            problem = f"can't read the field map {fields}: {error.strerror or error}"
            raise UsageError(problem) from None
        known = '"-", the lines of stdin, for mqtt://… and for events:https://…'
        raise UsageError(f"--fields is for SOURCE {known}")
    match = FUNCTION.fullmatch(text)
    *kinds, last = (*KINDS, *more_kinds)
    given = _load_function(text, match) if match else text
    source = as_source(given, every_s, kinds=f"{', '.join(kinds)} or {last}")
    assert source is not None
    return source


def hide_password(text: str) -> str:
    """Return the text of a source without the secrets of an address."""
    hidden = PASSWORD.sub("", text)
    # The query of an address may have a key; a "?" in another text has no meaning.
    return hidden.partition("?")[0] if hidden.startswith("events:") else hidden


def _load_function(text: str, match: re.Match[str]) -> Callable[..., Any]:
    """Run a Python file, and return one of its functions."""
    path, name = Path(match[1]).expanduser(), match[2]
    if not path.is_file():
        raise SourceError(text, f"there is no file at {path.absolute()}")
    sys.path.insert(0, str(path.absolute().parent))  # as `python prices.py` does
    try:
        names = runpy.run_path(str(path), run_name=path.stem)
    except Exception as error:
        line = traceback.extract_tb(error.__traceback__)[-1].lineno
        problem = f"running it raised {type(error).__name__}: {error} (line {line})"
        raise SourceError(text, problem) from None
    function = names.get(name)
    if not callable(function):
        raise SourceError(text, f"{path.name} has no function {name}")
    return function  # type: ignore[no-any-return]
