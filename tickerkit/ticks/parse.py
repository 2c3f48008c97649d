"""read_ticks: ticks from whatever a source or a plain peer gave."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

import msgspec

from tickerkit.errors import BadTick
from tickerkit.formatting import format_value
from tickerkit.ticks.batch import Batch
from tickerkit.ticks.builder import BatchBuilder
from tickerkit.ticks.dataframe import read_frame
from tickerkit.ticks.fields import MAX_NESTING

TEXT = (str, bytes, bytearray, memoryview)


def read_ticks(given: object) -> Batch:
    """Read ticks from what a source gave; never raises for bad input.

    Args:
        given: a dict, an iterable of dicts (or of JSON texts), JSON text or bytes of an object or
            an array of objects, or a DataFrame. Required are a symbol (`symbol`, `s`, `sym` or
            `ticker`) and one number of `price` (or `p`, `last`), `bid`, `ask`. `time` is ISO-8601
            (UTC unless it says otherwise), a datetime, or an epoch in s, ms, µs or ns, told
            apart by magnitude. Fields named `seq`, `received` or `epoch` become `source_seq`
            and so on, since the log has columns of its own by these names; a frame's, which is
            likely a log's, are left out.

    Returns:
        The ticks, with what was refused counted in `refused` and the first few told in `errors`.

    Example:
        >>> read_ticks('[{"symbol": "AAPL", "price": 187.25}, {"symbol": "MSFT"}]').errors[0].field
        'price'
    """
    if isinstance(given, Batch):
        return given
    rows = BatchBuilder()
    try:
        if hasattr(given, "iloc") and hasattr(given, "columns"):
            return read_frame(given)  # type: ignore[arg-type]
        _read(rows, given)
    except BadTick as error:
        rows.refuse(error)
    except Exception as error:
        rows.refuse(_broken(given, error))
    return rows.batch()


def _read(rows: BatchBuilder, given: object) -> None:
    """Take the ticks in `given`, and refuse what stands beside them; raises where it holds none."""
    if isinstance(given, TEXT):
        given = _decode(given)
    if isinstance(given, Mapping):
        rows.add(given)
    elif given is None:
        raise BadTick(
            "message", None, "is nothing", "return a tick, a list of ticks, or [] for no news"
        )
    elif isinstance(given, Iterable) and not isinstance(given, TEXT):
        for item in given:
            try:
                if isinstance(item, TEXT):
                    _read(rows, item)
                else:
                    rows.add(item)
            except BadTick as error:
                rows.refuse(error)
            except Exception as error:
                rows.refuse(_broken(item, error))
    else:
        raise BadTick(
            "message", given, "is no object", 'send {"symbol": ..., "price": ...} or a list of such'
        )


def _broken(given: object, error: Exception) -> BadTick:
    """Return the refusal of an object of Python's whose own code raised, such as a generator."""
    problem = f"raised {format_value(error)} while it was read"
    return BadTick("message", given, problem, "mend what makes it, or give plain dicts")


def _decode(text: str | bytes | bytearray | memoryview) -> object:
    """Decode JSON, or raise a `BadTick` that says what is wrong with it."""
    try:
        return msgspec.json.decode(text)
    except RecursionError:
        fix = f"nest at most {MAX_NESTING}"
        raise BadTick("message", text, "is nested too deep", fix) from None
    except (msgspec.MsgspecError, UnicodeError, BufferError) as error:
        problem = f"is not JSON ({error})"
    # Python's decoder lets pass what is wrong in one field only (NaN, 1e999, half a surrogate
    # pair, an integer of 5,000 digits), so that the field is named and the other ticks are taken.
    try:
        whole = text if isinstance(text, str) else bytes(text).decode()
        return json.loads(whole, parse_int=lambda digits: int(digits[:40]))
    except (ValueError, RecursionError):
        raise BadTick("message", text, problem, "send JSON text") from None
