"""Venues: any websocket's JSON as ticks, by a field map; no I/O.

A field map says which messages are rows and where in them the fields of a tick are. `parse_fields`
reads a map, `FieldReader` reads messages by it, and `ShapeCounts` counts those it does not name.
`Talk` is what is sent to such a server. `guess_fields` guesses a map from messages.
"""

from tickerkit.venues.fields import FieldMap, parse_fields
from tickerkit.venues.foreign import ForeignReader
from tickerkit.venues.guess import guess_fields
from tickerkit.venues.machine import Machine
from tickerkit.venues.reader import FieldReader, NotJson, Taken
from tickerkit.venues.shapes import ShapeCounts
from tickerkit.venues.talk import Talk, matches, parse_talk
from tickerkit.venues.trades import Fetch, Missing
from tickerkit.venues.venue import Link, Reconnect, Venue, VenueEvent

__all__ = [
    "Fetch",
    "FieldMap",
    "FieldReader",
    "ForeignReader",
    "Link",
    "Machine",
    "Missing",
    "NotJson",
    "Reconnect",
    "ShapeCounts",
    "Taken",
    "Talk",
    "Venue",
    "VenueEvent",
    "guess_fields",
    "matches",
    "parse_fields",
    "parse_talk",
]
