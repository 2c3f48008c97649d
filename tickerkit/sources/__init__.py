"""Sources: `as_source` turns the argument of `tk.serve` into a source of ticks."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from tickerkit.errors import SourceError
from tickerkit.sources.base import Outlet, Source
from tickerkit.sources.iterable import IterableSource
from tickerkit.sources.poll import PollSource, poll
from tickerkit.sources.replay.source import ReplaySource, replay
from tickerkit.sources.simulate import SimulatedSource, simulate

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "IterableSource",
    "Outlet",
    "PollSource",
    "ReplaySource",
    "SimulatedSource",
    "Source",
    "as_source",
    "poll",
    "replay",
    "simulate",
]

KINDS = (
    "a function, an iterable of ticks, a DataFrame, the path of a recording, "
    '"sim:AAPL,MSFT", or a Source'
)


def as_source(given: object, every: float = 10.0) -> Source | None:
    """Return `given` as a source; None stays None, for a server that only publishes by hand.

    Args:
        given: a `Source`, a function to poll, an iterable or async iterable of ticks, a DataFrame
            of ticks, the path of a recording, or text such as `"sim:AAPL,MSFT"`.
        every: seconds from one call of a function to the next.

    Raises:
        SourceError: `given` has another type, or names no source.
    """
    if given is None:
        return None
    if isinstance(given, Source):
        return given
    if isinstance(given, str):
        return _from_text(given)
    if isinstance(given, Path):
        return replay(given)
    if hasattr(given, "iloc") and hasattr(given, "columns"):
        return replay(cast("pd.DataFrame", given))
    if inspect.isgeneratorfunction(given) or inspect.isasyncgenfunction(given):
        return IterableSource.from_function(given)
    if isinstance(given, Mapping):
        return IterableSource([given])
    if isinstance(given, Iterable | AsyncIterable) and not isinstance(given, bytes | bytearray):
        return IterableSource(given)
    if callable(given) and not isinstance(given, type):
        return poll(given, every)
    problem = f"the type {type(given).__name__} is not supported"
    raise SourceError(given, problem, fix=f"pass {KINDS}")


def _from_text(text: str) -> Source:
    kind, _, rest = text.partition(":")
    if kind == "sim":
        return simulate([symbol.strip() for symbol in rest.split(",") if symbol.strip()])
    if text and (Path(text).suffix or Path(text).exists()):
        return replay(text)
    raise SourceError(text, "there is no recording at this path", fix=f"pass {KINDS}")
