"""Presets: venues as data, and what keeps their trades whole; no I/O.

A preset is a TOML file in `files/`: a venue's sockets, how one subscribes, and its field maps. A
`Venue` is a preset at work, over one or more connections, each a `Link`.

Why is this room not called `venues`? The function `tk.venues` has that name, which a package of
the same name would hide.
"""

from tickerkit.presets.link import Link
from tickerkit.presets.trades import Fetch, Missing
from tickerkit.presets.venue import Fallback, Reconnect, Venue, VenueEvent

__all__ = ["Fallback", "Fetch", "Link", "Missing", "Reconnect", "Venue", "VenueEvent"]
