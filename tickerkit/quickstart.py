"""live: serve, connect and show, in one line."""

from __future__ import annotations

import sys
from typing import Any

from tickerkit.chart import dashboard
from tickerkit.feed import Feed, connect
from tickerkit.server import serve

__all__ = ["live"]


def live(source_or_url: object, **options: Any) -> Feed:
    """Show a live dashboard of a source or of a websocket, and return the feed behind it.

    A source is served on a free port of this machine first; that server is stopped with the feed.
    Running the cell again goes on where it was.

    Args:
        source_or_url: whatever `tk.serve` takes, or the address of a websocket (`ws://…`).
        **options: of `tk.connect` and `feed.dashboard`: `symbols`, `window`, ...

    Example:
        >>> feed = tk.live(tk.simulate(["AAPL", "MSFT"]))
    """
    look = {name: options.pop(name) for name in ("window", "height") if name in options}
    if isinstance(source_or_url, str) and "://" in source_or_url:
        feed = connect(source_or_url, **options)
    else:
        server = serve(source_or_url, port=0)
        try:
            feed = connect(server.url, **options)
        except BaseException:
            server.stop()
            raise
        feed.own(server)
    if "ipykernel" in sys.modules:
        from IPython.display import display

        display(dashboard(feed, **look))  # type: ignore[no-untyped-call]
    return feed
