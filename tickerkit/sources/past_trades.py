"""PastTrades: asks a venue's REST interface for past trades, no faster than it allows."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import numpy as np

from tickerkit.net.redaction import QUERY_SAFE, Redactor
from tickerkit.presets import Fetch
from tickerkit.presets.preset import Backfill, Preset, fill
from tickerkit.presets.spelling import symbol_values
from tickerkit.sources.http_log import HidesKeys

if TYPE_CHECKING:
    import httpx

__all__ = ["PastAnswer", "PastTrades", "fill_address", "fill_url", "make_values", "send_request"]

TIMEOUT_S = 4.0
MAX_WAIT_S = 600.0
# Trades of the same moment as the newest that came may be asked for again: times are rounded.
OVERLAP_NS = 1_000_000
# The venue counts when requests arrive, which is not quite when they were sent.
MARGIN = 1.05
# It asks to wait: too many requests, banned, overloaded.
WAIT_STATUSES = frozenset((429, 418, 503))


class PastAnswer(NamedTuple):
    """A request for past trades, and its answer.

    Attributes:
        method: "GET" or "POST"; empty if nothing was asked for.
        url: its address, which may have a key.
        sent: its body; None for none.
        status: the status of the answer; 0 if none came.
        content: the body of the answer.
    """

    method: str = ""
    url: str = ""
    sent: Any = None
    status: int = 0
    content: bytes = b""

    @property
    def trades(self) -> bytes | None:
        """The past trades; None if there are none."""
        return self.content if self.status == HTTPStatus.OK else None


class PastTrades:
    """The REST interface of a venue; used inside `async with`.

    Args:
        preset: the venue.
        base: the address that its paths follow; None for that of the preset.
        keys: the keys that the preset asks for.
    """

    def __init__(self, preset: Preset, base: str | None, keys: Mapping[str, str]) -> None:
        self._preset = preset
        self._base = base
        self._keys = keys
        self._client: httpx.AsyncClient | None = None
        self._hides_keys = HidesKeys(keys.values())
        self._redactor = Redactor(keys.values())
        self._next_at = 0.0

    async def __aenter__(self) -> PastTrades:
        import httpx

        self._hides_keys.__enter__()
        self._client = httpx.AsyncClient(timeout=TIMEOUT_S, headers={"User-Agent": "tickerkit"})
        return self

    async def __aexit__(self, *_: object) -> None:
        self._hides_keys.__exit__()
        if self._client is not None:
            await self._client.aclose()

    async def get(self, fetch: Fetch, is_wanted: Callable[[Fetch], bool]) -> PastAnswer:
        """Return the answer to a request, when its time has come.

        A request that is not wanted any more is left out: it would hold back later ones.
        """
        backfill, client = self._preset.backfill, self._client
        assert backfill is not None
        assert client is not None
        loop = asyncio.get_running_loop()
        # A request for later must not hold back those that come meanwhile.
        await asyncio.sleep(fetch.at - loop.time())
        # Others that wait, too, or an answer, may have moved the turn meanwhile.
        while (wait_s := self._next_at - loop.time()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(wait_s)
        if not is_wanted(fetch):
            return PastAnswer()
        self._next_at = loop.time() + MARGIN / backfill.requests_per_s
        page = fetch.before if backfill.by == "before" else fetch.after
        since_ns = None if fetch.after_ns is None else max(fetch.after_ns - OVERLAP_NS, 0)
        values = make_values(self._preset, fetch.symbol, page, since_ns, self._keys)
        url = fill_url((self._base or backfill.base).rstrip("/") + backfill.get, values)
        sent = None if backfill.post is None else fill(backfill.post, values)
        request = PastAnswer("GET" if sent is None else "POST", url, sent)
        try:
            response = await send_request(client, backfill, url, values)
        except Exception:
            return request
        if response.status_code in WAIT_STATUSES:
            wait_s = 1.0
            with contextlib.suppress(KeyError, ValueError):
                wait_s = min(float(response.headers["Retry-After"]), MAX_WAIT_S)
            self._next_at = max(self._next_at, loop.time() + wait_s)
        # It may repeat the keys.
        content = self._redactor.cut_data(response.content)
        assert isinstance(content, bytes)
        return request._replace(status=response.status_code, content=content)


async def send_request(
    client: httpx.AsyncClient, backfill: Backfill, url: str, values: Mapping[str, Any]
) -> httpx.Response:
    """Send a request for past trades; return the answer.

    A request with headers of its own follows no redirect: the keys in them would follow, too.
    """
    options: dict[str, Any] = {
        "headers": fill(backfill.headers, values),
        "follow_redirects": not backfill.headers,
    }
    if backfill.post is None:
        return await client.get(url, **options)
    return await client.post(url, json=fill(backfill.post, values), **options)


def make_values(
    preset: Preset, symbol: str, page: int | None, since_ns: int | None, keys: Mapping[str, str]
) -> dict[str, Any]:
    """Return the values that the address and the body of a request are filled with.

    Args:
        preset: the venue.
        symbol: the symbol.
        page: the id that begins or ends the page; None for the newest trades.
        since_ns: the time that begins the page, in epoch ns; None for the newest trades.
        keys: the venue's keys.
    """
    return {
        **symbol_values(preset.symbols, symbol),
        "id": page,
        "next_id": None if page is None else page + 1,
        "after_s": None if since_ns is None else since_ns // 10**9,
        "after_ms": None if since_ns is None else since_ns // 10**6,
        "after_ns": since_ns,
        "after_iso": None if since_ns is None else f"{np.datetime64(since_ns, 'ns')}Z",
        **keys,
    }


def fill_address(template: str, keys: Mapping[str, str]) -> str:
    """Return the address of a websocket; keys are quoted, as they may have any character."""
    return str(fill(template, {name: quote(key, "") for name, key in keys.items()}))


def fill_url(template: str, values: Mapping[str, Any]) -> str:
    """Return an address; a part of the query whose value is None is left out."""
    parts = urlsplit(template)
    query = []
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        filled = fill(value, values)
        if filled is not None:
            query.append((name, str(filled)))
    path = fill(parts.path, values)
    text = urlencode(query, safe=QUERY_SAFE)
    return urlunsplit((parts.scheme, parts.netloc, str(path), text, ""))
