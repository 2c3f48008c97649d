"""Field maps: any websocket's JSON as ticks, by a map that can be read; no I/O.

A field map says which messages are rows and where in them the fields of a tick are. `parse_fields`
reads a map, `FieldReader` reads messages by it, and `ShapeCounts` counts those it does not name.
`Talk` is what is sent to such a server. `guess_fields` guesses a map from messages.
"""

from tickerkit.fieldmaps.fields import FieldMap, parse_fields
from tickerkit.fieldmaps.foreign import ForeignReader
from tickerkit.fieldmaps.guess import guess_fields
from tickerkit.fieldmaps.machine import Machine
from tickerkit.fieldmaps.reader import FieldReader, NotJson, Taken
from tickerkit.fieldmaps.shapes import ShapeCounts
from tickerkit.fieldmaps.talk import Talk, matches, parse_talk

__all__ = [
    "FieldMap",
    "FieldReader",
    "ForeignReader",
    "Machine",
    "NotJson",
    "ShapeCounts",
    "Taken",
    "Talk",
    "guess_fields",
    "matches",
    "parse_fields",
    "parse_talk",
]
