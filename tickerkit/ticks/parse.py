"""Parse: reads ticks from JSON, objects and frames, and never raises for bad input."""

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
    """Read ticks; never raises for bad input.

    Args:
        given: a dict, an iterable of dicts (or of JSON texts), JSON text or bytes of an object or
            an array of objects, or a DataFrame. Required are a symbol (`symbol`, `s`, `sym` or
            `ticker`) and one number of `price` (or `p`, `last`), `bid`, `ask`. `time` is ISO-8601
            (UTC by default), a datetime, or an epoch in s, ms, µs or ns, by its magnitude. Fields
            named `seq`, `received` or `epoch` become `source_seq` and so on, since the log has
            columns with these names; in a frame, most likely a log's own, they are left out.

    Returns:
        The ticks. What was refused is counted in `refused`, and `errors` has the first reasons.

    Example:
        >>> read_ticks('[{"symbol": "AAPL", "price": 187.25}, {"symbol": "MSFT"}]').errors[0].field
        'price'
    """
    if isinstance(given, Batch):
        return given
    builder = BatchBuilder()
    try:
        if hasattr(given, "iloc") and hasattr(given, "columns"):
            return read_frame(given)  # type: ignore[arg-type]
        _read(builder, given)
    except BadTick as error:
        builder.refuse(error)
    except Exception as error:
        builder.refuse(_source_error(given, error))
    return builder.batch()


def _read(builder: BatchBuilder, given: object) -> None:
    """Add the ticks in `given`, and refuse each invalid one; raises `BadTick` if none can be."""
    if isinstance(given, TEXT):
        given = _decode(given)
    if isinstance(given, Mapping):
        builder.add(given)
    elif given is None:
        raise BadTick(
            "message", None, "is None", "return a tick, a list of ticks, or [] for no news"
        )
    elif isinstance(given, Iterable) and not isinstance(given, TEXT):
        for item in given:
            try:
                if isinstance(item, TEXT):
                    _read(builder, item)
                else:
                    builder.add(item)
            except BadTick as error:
                builder.refuse(error)
            except Exception as error:
                builder.refuse(_source_error(item, error))
    else:
        raise BadTick(
            "message",
            given,
            "is not an object",
            'send {"symbol": ..., "price": ...} or a list of such',
        )


def _source_error(given: object, error: Exception) -> BadTick:
    """Return the error for a Python object whose own code raised, such as a generator."""
    problem = f"raised {format_value(error)} while it was read"
    return BadTick("message", given, problem, "fix the code that makes it, or give plain dicts")


def _decode(text: str | bytes | bytearray | memoryview) -> object:
    """Return decoded JSON; raises `BadTick` if it is invalid."""
    try:
        return msgspec.json.decode(text)
    except RecursionError:
        fix = f"nest at most {MAX_NESTING}"
        raise BadTick("message", text, "is nested too deep", fix) from None
    except (msgspec.MsgspecError, UnicodeError, BufferError) as error:
        problem = f"is not JSON ({error})"
    # Python's decoder accepts errors in a single field (NaN, 1e999, half a surrogate pair, an
    # integer of 5,000 digits). So the error names the field, and the other ticks are taken.
    try:
        whole = text if isinstance(text, str) else bytes(text).decode()
        return json.loads(whole, parse_int=lambda digits: int(digits[:40]))
    except (ValueError, RecursionError):
        raise BadTick("message", text, problem, "send JSON text") from None
