"""Parse: reads ticks from JSON, objects and frames, and never raises for bad input."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

import msgspec

from tickerkit.errors import BadTick
from tickerkit.formatting import format_value
from tickerkit.limits import MAX_NESTING
from tickerkit.ticks.batch import Batch
from tickerkit.ticks.builder import BatchBuilder
from tickerkit.ticks.dataframe import read_frame

TEXT = (str, bytes, bytearray, memoryview)


def read_ticks(given: object, max_refused: int | None = None) -> Batch:
    """Read ticks; never raises for bad input.

    Args:
        given: a dict, an iterable of dicts (or of JSON texts), JSON text or bytes of an object or
            an array of objects, or a DataFrame. A tick requires a symbol (`symbol`, `s`, `sym` or
            `ticker`) and at least one number of any name: `price` (or `p`, `last`), `bid`, `ask`,
            or a sensor's `temperature`; a size, a `trade_id` or a `seq` alone is not enough. `time`
            is ISO-8601 (UTC by default), a datetime, or Unix time in s, ms, µs or ns, which its
            magnitude decides. Fields named `seq`, `received` or `epoch` are renamed to
            `source_seq` and so on, since the log fills columns with these names. In a frame,
            which most likely comes from a log, they are left out.
        max_refused: stop reading after this number of refused ticks; None for no limit.

    Returns:
        The valid ticks. `refused` counts the others, and `errors` has the first ten errors.

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
        _read(builder, given, max_refused)
    except BadTick as error:
        builder.refuse(error)
    except Exception as error:
        builder.refuse(_source_error(given, error))
    return builder.batch()


def _read(builder: BatchBuilder, given: object, max_refused: int | None = None) -> None:
    """Add the ticks in `given`, and refuse each invalid one.

    Raises:
        BadTick: `given` is a single invalid tick, invalid JSON, or no collection of ticks.
    """
    if isinstance(given, TEXT):
        given = _decode(given)
    if isinstance(given, Mapping):
        builder.add(given)
    elif given is None:
        raise BadTick(
            "message", None, "is None", "return a tick, a list of ticks, or [] if there is none"
        )
    elif isinstance(given, Iterable) and not isinstance(given, TEXT):
        for item in given:
            try:
                if isinstance(item, TEXT):
                    _read(builder, item, max_refused)
                else:
                    builder.add(item)
            except BadTick as error:
                builder.refuse(error)
            except Exception as error:
                builder.refuse(_source_error(item, error))
            if max_refused is not None and builder.refused >= max_refused:
                return
    else:
        raise BadTick(
            "message",
            given,
            "is not an object",
            'send {"symbol": ..., "price": ...} or a list of such objects',
        )


def _source_error(given: object, error: Exception) -> BadTick:
    """Return the error for a Python object whose own code raised, such as a generator."""
    problem = f"raised {format_value(error)} while it was read"
    fix = "fix the code that makes this object, or pass plain dicts"
    return BadTick("message", given, problem, fix)


def _decode(text: str | bytes | bytearray | memoryview) -> object:
    """Return decoded JSON; raises `BadTick` if it is invalid."""
    try:
        return msgspec.json.decode(text)
    except RecursionError:
        fix = f"nest at most {MAX_NESTING} levels"
        raise BadTick("message", text, "is nested too deep", fix) from None
    except (msgspec.MsgspecError, UnicodeError, BufferError) as error:
        problem = f"is not JSON ({error})"
    # msgspec rejects the whole text if one field is NaN, 1e999, half a surrogate pair or an integer
    # of 5,000 digits. Python's decoder accepts these. So the error can name the field, and the
    # other ticks are accepted. 40 digits are beyond 64 bits, and few enough for `int`.
    try:
        whole = text if isinstance(text, str) else bytes(text).decode()
        return json.loads(whole, parse_int=lambda digits: int(digits[:40]))
    except (ValueError, RecursionError):
        raise BadTick("message", text, problem, "send JSON text") from None
