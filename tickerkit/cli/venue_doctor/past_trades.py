"""Past trades: one request to a venue's REST interface, and what its answer says."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from time import perf_counter
from typing import TYPE_CHECKING, Any

from tickerkit.cli.venue_doctor.probe import Trade, read_trades
from tickerkit.errors import BadTick
from tickerkit.fieldmaps import FieldReader, NotJson
from tickerkit.fieldmaps.reader import decode
from tickerkit.presets.preset import Backfill, Preset
from tickerkit.sources.past_trades import fill_url, make_values, send_request
from tickerkit.ticks import NO_TIME

if TYPE_CHECKING:
    import httpx

__all__ = ["PastAnswer", "ask_past_trades"]

TIMEOUT_S = 10.0
# Where no trade has come, those of this time are asked for.
BEFORE_NS = 600 * 10**9
MAX_EXCERPT = 120
# Headers in which venues say how much of their limit is used, or left.
LIMIT_WORDS = ("ratelimit", "rate-limit", "used-weight", "remaining", "limit-status")


@dataclass(slots=True)
class PastAnswer:
    """The answer to a request for past trades.

    Attributes:
        url: the address that was asked, without the query.
        status: the HTTP status; 0 if there was no answer.
        error: why there was no answer.
        took_s: how long it took.
        clock_s: how far this machine's clock is ahead of the server's, known to a second; None if
            the server does not say.
        trades: the trades.
        errors: rows that could not be read.
        has_rows: whether it has the list of trades where the preset says; it may be empty.
        excerpt: the beginning of the answer.
        limits: what the headers say of limits, by header.
    """

    url: str
    status: int = 0
    error: Exception | None = None
    took_s: float = 0.0
    clock_s: float | None = None
    trades: list[Trade] = field(default_factory=list)
    errors: list[BadTick] = field(default_factory=list)
    has_rows: bool = False
    excerpt: str = ""
    limits: dict[str, str] = field(default_factory=dict)


async def ask_past_trades(
    preset: Preset,
    backfill: Backfill,
    base: str,
    symbol: str,
    keys: Mapping[str, str],
    known: Sequence[Trade],
) -> PastAnswer:
    """Ask for past trades: those since the first known one, or the newest.

    Args:
        preset: the venue.
        backfill: how it is asked.
        base: the address that the paths follow.
        symbol: the symbol.
        keys: the venue's keys.
        known: trades that have come over the websocket.
    """
    import httpx

    ids = [each.trade_id for each in known if each.trade_id > 0]
    times = [each.time_ns for each in known if each.time_ns != NO_TIME]
    first = min(ids) - 1 if ids and backfill.by == "after" else None
    since_ns = min(times) - 10**9 if times else time.time_ns() - BEFORE_NS
    values = make_values(preset, symbol, first, since_ns, keys)
    url = fill_url(base.rstrip("/") + backfill.get, values)
    answer = PastAnswer(url.partition("?")[0])
    began = perf_counter()
    try:
        async with httpx.AsyncClient(
            timeout=TIMEOUT_S, headers={"User-Agent": "tickerkit"}
        ) as client:
            response = await send_request(client, backfill, url, values)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        answer.error = error
        return answer
    answer.took_s = perf_counter() - began
    _read(answer, response, backfill, symbol)
    return answer


def _read(answer: PastAnswer, response: httpx.Response, backfill: Backfill, symbol: str) -> None:
    answer.status = response.status_code
    answer.excerpt = response.text[:MAX_EXCERPT]
    answer.limits = {
        name: value
        for name, value in response.headers.items()
        if any(word in name.lower() for word in LIMIT_WORDS)
    }
    answer.clock_s = _clock_offset_s(response.headers.get("Date"), answer.took_s)
    if answer.status != 200 or isinstance(decode(response.content), NotJson):
        return
    fields = backfill.make_fields(symbol)
    taken = FieldReader(fields, typed=False).read([response.content])
    answer.has_rows = not taken.others
    for batch in taken.batches:
        answer.errors += batch.errors
        answer.trades += read_trades(batch)


def _clock_offset_s(date: Any, took_s: float) -> float | None:
    """Return how far this machine's clock is ahead, by a header `Date` of whole seconds."""
    try:
        # The header is rounded down: half a second on average.
        server_s = parsedate_to_datetime(date).timestamp() + 0.5
    except (TypeError, ValueError):
        return None
    return time.time() - took_s / 2 - server_s
