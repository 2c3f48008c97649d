"""parse_alert: an alert written as a few words, such as "AAPL > 200"."""

from __future__ import annotations

import re
from typing import Any

from tickerkit.errors import InvalidArgument

__all__ = ["ALERT_FORMS", "parse_alert"]

ALERT_FORMS = (
    '"AAPL > 200", "AAPL bid < 190", "AAPL crosses 200", "AAPL moves 1% in 5min", "AAPL silent", '
    '"AAPL silent 30s", "AAPL lag > 2" (seconds) or "gap", with * for every symbol'
)
ALL = "*"
NUMBER = r"(?P<number>[-+]?(?:\d+(?:[_,]\d{3})*(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?)"
LENGTH = r"(?P<length>\d+(?:\.\d+)? *[a-z]+)"
WHAT = r'(?:"(?P<quoted>[^"]+)"|(?P<symbol>\S+))'
LEVEL = re.compile(
    rf"{WHAT}(?: +(?P<column>[^\W\d]\w*))? *(?P<way><|>| above | below | crosses ) *{NUMBER}",
    re.IGNORECASE,
)
MOVE = re.compile(
    rf"{WHAT}(?: +(?P<column>(?!moves)[^\W\d]\w*))? +moves +{NUMBER} *% +(?:in|within) +{LENGTH}",
    re.IGNORECASE,
)
SILENCE = re.compile(rf"{WHAT} +silent(?: +(?:for +)?{LENGTH})?", re.IGNORECASE)
WAYS = {"<": "below", ">": "above", "crosses": "crossing"}


def parse_alert(text: str) -> dict[str, Any]:
    """Return the arguments of `feed.alert` for an alert in words.

    Raises:
        InvalidArgument: the text is no alert; the error lists the forms.

    Example:
        >>> parse_alert("AAPL > 200")
        {'symbol': 'AAPL', 'above': 200.0}
    """
    words = " ".join(text.split())
    if words.lower() == "gap":
        return {"gap": True}
    for pattern in (MOVE, LEVEL, SILENCE):
        if found := pattern.fullmatch(words):
            break
    else:
        raise InvalidArgument("alert", text, ALERT_FORMS)
    parts = {name: value for name, value in found.groupdict().items() if value is not None}
    arguments: dict[str, Any] = {}
    # As a list: here a comma belongs to the symbol.
    if (symbol := parts.get("quoted") or parts["symbol"]) != ALL:
        arguments["symbol"] = [symbol]
    number = float(parts.get("number", "0").replace(",", "").replace("_", ""))
    if pattern is SILENCE:
        return {**arguments, "silence": parts.get("length", True)}
    if pattern is LEVEL and parts.get("column", "").lower() == "lag":
        if parts["way"] != ">":
            raise InvalidArgument("alert", text, ALERT_FORMS)
        return {**arguments, "lag": number}
    if "column" in parts:
        arguments["column"] = parts["column"]
    if pattern is MOVE:
        return {**arguments, "move": number, "within": parts["length"]}
    way = parts["way"].strip().lower()
    return {**arguments, WAYS.get(way, way): number}
