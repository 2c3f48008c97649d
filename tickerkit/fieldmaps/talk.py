"""Talk: what a client sends to a server that is not tickerkit's, and the answers that it knows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tickerkit.errors import FieldMapError, InvalidArgument, InvalidType
from tickerkit.fieldmaps.fields import Condition, parse_conditions
from tickerkit.validation import check_number

__all__ = ["Talk", "parse_talk"]

MESSAGE = "a message (a dict or text), or a list of messages"


@dataclass(frozen=True, slots=True)
class Talk:
    """What is sent to a server that is not tickerkit's, and which answers are no ticks.

    Attributes:
        subscribe: the messages to send on each connection, in order.
        ping: a message to send again and again; None for none.
        ping_every_s: seconds from one ping to the next.
        wait_for: what a message must have before the subscriptions are sent; empty to send them at
            once.
        ignore: messages that are known and have no rows, such as answers and heartbeats.
        given: `wait_for` and `ignore` as they were written.
    """

    subscribe: tuple[str, ...] = ()
    ping: str | None = None
    ping_every_s: float = 20.0
    wait_for: tuple[Condition, ...] = ()
    ignore: tuple[tuple[Condition, ...], ...] = ()
    given: Mapping[str, Any] = field(default_factory=dict, compare=False)


def parse_talk(
    subscribe: object = None,
    *,
    ping: object = None,
    ping_every_s: float = 20.0,
    wait_for: object = None,
    ignore: object = None,
) -> Talk:
    """Return a `Talk`.

    Args:
        subscribe: one message (a dict, a list with one item, or text) or a list of several.
        ping: a message to send every `ping_every_s` seconds: a dict or text.
        ping_every_s: seconds from one ping to the next.
        wait_for: paths with values that a message must have before anything is sent.
        ignore: the same for messages that are no ticks and not unknown; or a list of such.

    Raises:
        InvalidArgument: an argument has no such form.
    """
    messages = subscribe if isinstance(subscribe, list | tuple) else [subscribe]
    sent = () if subscribe is None else tuple(encode_message("subscribe", m) for m in messages)
    check_number("ping_every_s", ping_every_s, 0.1)
    listed = ignore if isinstance(ignore, list | tuple) else [ignore]
    return Talk(
        sent,
        None if ping is None else encode_message("ping", ping),
        ping_every_s,
        () if wait_for is None else _parse_conditions("wait_for", wait_for),
        () if ignore is None else tuple(_parse_conditions("ignore", each) for each in listed),
        {"wait_for": wait_for, "ignore": ignore},
    )


def _parse_conditions(name: str, given: object) -> tuple[Condition, ...]:
    """Return the conditions of an argument; raises `InvalidArgument`."""
    try:
        return parse_conditions(name, given)
    except FieldMapError as error:
        expected = f'paths with the wanted values, as in {{"type": "pong"}} ({error.problem})'
        raise InvalidArgument(name, given, expected) from None


def encode_message(name: str, message: object) -> str:
    """Return a message as the text to send; text is sent as it is.

    Raises:
        InvalidArgument: it is neither text nor can be written as JSON.
    """
    if isinstance(message, str):
        return message
    if not isinstance(message, Mapping | list | tuple):
        raise InvalidType(name, message, MESSAGE)
    try:
        # Refuses what JSON has not, such as NaN, which msgspec would send as null.
        return json.dumps(message, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise InvalidArgument(name, message, f"{MESSAGE} that JSON can hold ({error})") from None


def matches(conditions: tuple[Condition, ...], message: Any) -> bool:
    """Return whether a decoded message has what the conditions want."""
    return all(each.holds(each.path.get(message)) for each in conditions)
