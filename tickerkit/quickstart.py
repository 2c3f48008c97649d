"""live: serve, connect and show, in one line.

The module is not called `live`: a submodule of that name would hide the function `tk.live`.
"""

from __future__ import annotations

import sys
from typing import Any

from tickerkit.chart import dashboard
from tickerkit.feed import Feed, connect
from tickerkit.server import serve

__all__ = ["live"]


def live(source_or_url: object, **options: Any) -> Feed:
    """Show a live dashboard of a source or of a websocket, and return its feed.

    A source is first served on a free port of this machine; that server stops with the feed.
    Running the cell again continues with the same port and the same log. Outside a notebook
    nothing is shown.

    Args:
        source_or_url: whatever `tk.serve` takes, or the address of a websocket (`ws://…`).
        **options: arguments of `tk.connect` (`symbols`, `history`, …), and `window` and `height`
            of `feed.dashboard`.

    Returns:
        The feed; `feed.stop()` stops the server, too.

    Raises:
        SourceError: `source_or_url` is neither a source nor an address.
        TypeError, ValueError: an option is unknown or invalid; no server is left running.

    Example:
        >>> feed = tk.live(tk.simulate(["AAPL", "MSFT"]))
    """
    dashboard_options = {
        name: options.pop(name) for name in ("window", "height") if name in options
    }
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

        display(dashboard(feed, **dashboard_options))  # type: ignore[no-untyped-call]
    return feed
