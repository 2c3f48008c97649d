"""Spelling: a symbol as a venue writes it, from any spelling where that is certain."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tickerkit.errors import InvalidArgument
from tickerkit.presets.preset import SymbolStyle

__all__ = ["spell", "symbol_values"]

SEPARATORS = re.compile(r"[-/_: ]")
# Second halves of a pair, by which one without a separator is cut in two. The longest first.
# TUSD is not among them: DOTUSD is DOT and USD.
QUOTES = ("FDUSD", "USDT", "USDC", "USD", "EUR", "GBP", "JPY", "KRW", "TRY", "BTC", "ETH")


def spell(venue: str, style: SymbolStyle, symbol: str) -> str:
    """Return a symbol as a venue spells it.

    `BTC-USD`, `BTC/USD`, `btc_usd` and `btcusd` are one pair. Where a venue puts a separator, and
    the text has none, the pair is cut before its quote currency, if only one is possible.

    Raises:
        InvalidArgument: it is not certain where the two parts meet; the error proposes a spelling.
    """
    if style.style == "as is":
        return symbol
    rest = symbol.removeprefix(style.prefix)
    if rest.isupper():
        symbol = rest
    parts = [part for part in SEPARATORS.split(symbol) if part]
    is_native = bool(style.separator) and style.separator in symbol
    is_long = bool(style.long_separator) and len(symbol) > 6
    if len(parts) == 1 and (style.separator or is_long or style.order == "quote base"):
        parts = _cut(venue, style, symbol)
    elif len(parts) == 2 and style.order == "quote base" and not is_native:
        parts = parts[::-1]
    parts = [style.aliases.get(part.upper(), part) for part in parts]
    separator = style.separator
    if style.long_separator and any(len(part) > 3 for part in parts):
        separator = style.long_separator
    text = separator.join(parts)
    return style.prefix + (text.upper() if style.style == "upper" else text.lower())


def _cut(venue: str, style: SymbolStyle, symbol: str) -> list[str]:
    """Return the two parts of a pair without a separator, in the venue's order."""
    upper = symbol.upper()
    for quote in QUOTES:
        if upper.endswith(quote) and len(upper) > len(quote) + 1:
            base = upper[: -len(quote)]
            return [quote, base] if style.order == "quote base" else [base, quote]
    example = style.examples[0] if style.examples else f"BTC{style.separator}USD"
    raise InvalidArgument("symbols", symbol, f"a symbol of {venue}, such as {example!r}")


def symbol_values(style: SymbolStyle, symbol: str) -> Mapping[str, str]:
    """Return what stands for a symbol in a template: as it is, in lower case, without separator."""
    plain = symbol.replace(style.separator, "") if style.separator else symbol
    return {"symbol": symbol, "symbol_lower": symbol.lower(), "symbol_plain": plain}
