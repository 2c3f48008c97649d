"""Subscribe: how every session reads its client's subscribe message, and answers an invalid one."""

from __future__ import annotations

from typing import Protocol

import msgspec

from tickerkit.errors import BadTick
from tickerkit.formatting import format_line
from tickerkit.protocol.messages import Error, FromClient, Subscribe, encode
from tickerkit.protocol.outbox import TOO_MANY, Outbox
from tickerkit.protocol.symbols import SymbolFilter, Symbols

__all__ = ["MAX_SUBSCRIBED_SYMBOLS", "Subscribing", "take_subscribe"]

MAX_SUBSCRIBED_SYMBOLS = 10_000
FIX = 'send {"type": "subscribe", "symbols": ["AAPL"]}, or null for all symbols'

_from_client: msgspec.json.Decoder[FromClient] = msgspec.json.Decoder(FromClient)


class Subscribing(Protocol):
    """The part of a session that a subscribe message changes.

    Attributes:
        symbols: what its client subscribed to; None for all.
        close: the code and reason to close with.
    """

    symbols: Symbols
    close: tuple[int, str] | None


def take_subscribe(session: Subscribing, pending: Outbox, data: str | bytes) -> Subscribe | None:
    """Read a message of a client, and set the session's symbols.

    An invalid message is answered with what to send instead. A client that has sent too many
    messages at once is disconnected. An error message may itself answer a message of the server,
    so it is never answered.

    Returns:
        The message; None if it isn't a valid subscribe message, or the session is closed.
    """
    if session.close is not None:
        return None
    if pending.is_full:
        session.close = TOO_MANY
        return None
    try:
        wanted = _read(data)
    except BadTick as error:
        pending.append(encode(Error("bad-message", f"{error.field} {error.problem}", error.fix)))
        return None
    if isinstance(wanted, Error):
        return None
    session.symbols = None if wanted.symbols is None else SymbolFilter(wanted.symbols)
    return wanted


def _read(data: str | bytes) -> FromClient:
    try:
        wanted = _from_client.decode(data)
    except RecursionError:
        raise BadTick("message", data, "is nested too deep", FIX) from None
    except (msgspec.MsgspecError, UnicodeError) as error:
        problem = f"is not a subscribe message ({format_line(str(error))})"
        raise BadTick("message", data, problem, FIX) from None
    count = 0 if isinstance(wanted, Error) else len(wanted.symbols or ())
    if count > MAX_SUBSCRIBED_SYMBOLS:
        fix = f"name at most {MAX_SUBSCRIBED_SYMBOLS}, or send null for all symbols"
        raise BadTick("symbols", count, "are too many", fix)
    return wanted
