"""live: serve, connect and show, in one line.

The module is not called `live`: a submodule of that name would hide the function `tk.live`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from tickerkit.bars import parse_indicators
from tickerkit.chart import check_options, dashboard
from tickerkit.errors import InvalidArgument
from tickerkit.feed import Feed, connect
from tickerkit.log import Position
from tickerkit.net.redaction import HIDDEN
from tickerkit.net.tls import Trust
from tickerkit.runtime.hosts import find_host, show
from tickerkit.server import serve
from tickerkit.sources import is_websocket_url

__all__ = ["live"]


def live(
    source_or_url: object,
    symbols: str | Sequence[str] | None = None,
    history: int | None = 10_000,
    keep: int = 5_000_000,
    token: str | None = None,
    ssl: Trust | None = None,
    retry_for: float | None = None,
    resume: Position | tuple[str, int] | None = None,
    *,
    subscribe: object = None,
    fields: object = None,
    ping: object = None,
    ping_every_s: float = 20.0,
    wait_for: object = None,
    ignore: object = None,
    headers: Mapping[str, str] | None = None,
    silent_s: float | None = None,
    kind: str = "line",
    window: int | str = "5min",
    y: str | None = None,
    bar: str | float = "5s",
    tz: str = "UTC",
    height: int = 380,
    indicators: object = (),
) -> Feed:
    """Show a live dashboard of a source or of a websocket, and return its feed.

    A source is first served on a free port of this machine; that server stops with the feed.
    Running the cell again continues with the same port and the same log. Outside a notebook
    nothing is shown.

    Args:
        source_or_url: whatever `tk.serve` takes, or the address of a websocket (`ws://…`).
        symbols: one symbol or several, in this order; all by default.
        history: as for `tk.connect`, like `keep`, `token`, `ssl`, `retry_for` and `resume`.
        keep: number of ticks to hold.
        token: the server's token.
        ssl: certificate to trust, or a context.
        retry_for: seconds without a connection after which the feed fails; None for never.
        resume: position of the tick to continue after.
        subscribe: what to send on each connection. This argument and those up to `silent_s` are
            as for `tk.connect`: for the address of another server than tickerkit's.
        fields: the field map; by default it is guessed, and `feed.fields` shows it.
        ping: a message to send every `ping_every_s` seconds.
        ping_every_s: seconds from one `ping` to the next.
        wait_for: what a message must have before `subscribe` is sent.
        ignore: what messages have that are not ticks.
        headers: further headers of the request.
        silent_s: seconds without a message after which to connect again; None for never.
        kind: as for `feed.dashboard`, like `window`, `y`, `bar`, `tz`, `height` and `indicators`:
            "line", "candles" or "candles+volume", shown at first.
        window: how much the chart shows at first: a time such as "5min", or a number of ticks.
        y: "percent", "price" or another column of numbers, shown at first; by default percent,
            or the first column of numbers where there is no price.
        bar: length of a bar, such as "5s", or in seconds.
        tz: the time zone of the chart and the prices, such as "America/New_York".
        height: height of the chart in pixels; each pane of an indicator adds to it.
        indicators: what the chart shows at first beside the values, such as ["sma(20)", "rsi(14)"].

    Returns:
        The feed; `feed.stop()` stops the server, too.

    Raises:
        SourceError: `source_or_url` is neither a source nor an address.
        InvalidArgument: another argument is invalid; nothing is left running.

    Example:
        >>> feed = tk.live(tk.simulate(["AAPL", "MSFT"]))
        >>> feed = tk.live("wss://…", subscribe={"op": "subscribe", "args": ["trades"]})
    """
    check_options(kind, window, y="percent" if y is None else y, bar=bar, tz=tz, height=height)
    parse_indicators(indicators)
    is_url = isinstance(source_or_url, str) and is_websocket_url(source_or_url)
    talk = {
        "subscribe": subscribe,
        "fields": fields,
        "ping": ping,
        "wait_for": wait_for,
        "ignore": ignore,
        "headers": headers,
        "silent_s": silent_s,
    }
    if not is_url:
        for name, value in talk.items():
            if value is not None:
                expected = "None with a source: only the address of a websocket takes it"
                shown = HIDDEN if name in ("subscribe", "ping", "headers") else value
                raise InvalidArgument(name, shown, expected)
    server = None if is_url else serve(source_or_url, port=0)
    url = str(source_or_url) if server is None else server.url
    try:
        feed = connect(
            url,
            symbols,
            history,
            keep,
            token,
            ssl,
            retry_for,
            resume,
            subscribe=subscribe,
            fields=fields,
            ping=ping,
            ping_every_s=ping_every_s,
            wait_for=wait_for,
            ignore=ignore,
            headers=headers,
            silent_s=silent_s,
        )
    except BaseException:
        if server is not None:
            server.stop()
        raise
    if server is not None:
        feed.own(server)
    if "ipykernel" in sys.modules or find_host() == "marimo":
        try:
            board = dashboard(
                feed,
                kind=kind,
                window=window,
                y=y,
                bar=bar,
                tz=tz,
                height=height,
                indicators=indicators,
            )
        except BaseException:
            feed.stop()
            raise
        show(board)
    return feed
