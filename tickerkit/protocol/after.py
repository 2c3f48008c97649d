"""After: where a plain client goes on, as the query of its address states it."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import parse_qs

from tickerkit.formatting import format_value
from tickerkit.limits import MAX_EPOCH_LENGTH
from tickerkit.log import MAX_SEQ
from tickerkit.protocol.messages import Error

__all__ = ["NOW", "After", "read_after", "refuse_after"]

# A client that has no tick yet, and will go on later, asks for ticks from now on.
NOW = "now"
FIX = (
    'connect to /ticks?after=812, with the "seq" of the newest tick that you have, or to '
    f"/ticks?after={NOW}; until then, ticks come from now on"
)


class After(NamedTuple):
    """Where a client goes on: after a tick, or with the next one.

    Attributes:
        seq: the newest tick that the client has; None for ticks from now on.
        epoch: the epoch of that tick; empty for the server's newest one.
    """

    seq: int | None
    epoch: str = ""


def read_after(path: str) -> After | Error | None:
    """Return where a request goes on, as in `/ticks?after=812&epoch=e`.

    Returns:
        None if it does not say; an error, with the fix, for values that are invalid.
    """
    query = parse_qs(path.partition("?")[2], keep_blank_values=True)
    afters, epochs = query.get("after", []), query.get("epoch", [])
    if not afters and not epochs:
        return None
    if len(afters) != 1 or len(epochs) > 1:
        return _refuse("the address must have after= once, and epoch= at most once")
    (after,), epoch = afters, "".join(epochs)
    if len(epoch) > MAX_EPOCH_LENGTH:
        return _refuse(f"epoch={format_value(epoch)} is too long")
    if after == NOW:
        return After(None)
    is_number = after.isascii() and after.isdigit() and len(after) <= len(str(MAX_SEQ))
    if not is_number or int(after) > MAX_SEQ:
        return _refuse(f"after={format_value(after)} is not the seq of a tick")
    return After(int(after), epoch)


def refuse_after() -> Error:
    """Return the error for a client that wants to go on where only the newest prices are sent."""
    message = "after= and epoch= are for /ticks; this path sends the newest prices only"
    return Error("bad-after", message, "connect to /ticks?after=812, or leave them out")


def _refuse(message: str) -> Error:
    return Error("bad-after", message, FIX)
