"""The messages of the wire protocol, version 1."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec

from tickerkit.log import Gap, Position, Seq

SUBPROTOCOL = "tickerkit.v1"
VERSION = 1

encode = msgspec.json.Encoder().encode


class TextColumn(msgspec.Struct):
    """A column of text: codes into the epoch's dictionary, and the words that begin here."""

    codes: list[int]
    start: Seq = msgspec.field(name="from", default=0)
    words: list[str] = []


class Ticks(msgspec.Struct, tag="ticks", omit_defaults=True):
    """The `ticks` message: some ticks as columns.

    Attributes:
        seq: number of the first tick; of the last before them where `count` is 0.
        count: how many ticks; 0 for a message that only brings words.
        time: of the first in epoch ns, then the differences.
        symbol: the symbols.
        price: null in a quote.
        size: left out when none has one.
        steps: differences of the seqs, where these are not unbroken.
        more: further columns; one that has no value here is left out.
    """

    seq: Seq
    count: Seq
    time: list[int]
    symbol: TextColumn
    price: list[float | None]
    size: list[float | None] | None = None
    steps: list[int] | None = None
    more: dict[str, list[float | None] | TextColumn] = {}


class Hello(msgspec.Struct, tag="hello"):
    """What the server has: its epoch, the seqs it holds, its columns and symbols.

    Attributes:
        epoch: which numbering the ticks that follow belong to.
        first: the oldest seq held.
        next: the seq that the next tick will get.
        symbols: the symbols so far, in the order of their codes.
        columns: `"number"` for each column of numbers, the words so far for one of text.
    """

    epoch: str
    first: Seq
    next: Seq
    symbols: list[str]
    columns: dict[str, str | list[str]]
    protocol: int = VERSION


class Subscribe(msgspec.Struct, tag="subscribe"):
    """What the client wants.

    Attributes:
        symbols: only these; None for all.
        resume: go on after this tick.
        history: without `resume`, so many ticks from before now, after filtering; None for all.
    """

    symbols: list[str] | None = None
    resume: Position | None = None
    history: Annotated[int, msgspec.Meta(ge=0)] | None = 0


class At(msgspec.Struct, tag="at"):
    """The client has all there is up to seq, of what it subscribed to."""

    seq: Seq


class End(msgspec.Struct, tag="end"):
    """The source is finished; nothing more will come."""


class Error(msgspec.Struct, tag="error"):
    """What was wrong with a message, and what to send instead."""

    code: str
    message: str
    hint: str


FromServer: TypeAlias = Hello | Ticks | At | Gap | End | Error
FromClient: TypeAlias = Subscribe | Error
