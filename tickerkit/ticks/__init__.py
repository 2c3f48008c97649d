"""What a tick is: its fields and units, and how ticks are read from JSON, objects and frames.

`read_ticks` takes what a source or a plain peer gave and returns one `Batch`: columns, ready for
the log. What is not a tick is refused by itself; the others of the same message go on.
"""

from tickerkit.ticks.batch import NO_TIME, Array, Batch, Column, Text
from tickerkit.ticks.fields import is_number, number_text
from tickerkit.ticks.parse import read_ticks
from tickerkit.ticks.units import MAX_EXACT_INT, NS_PER_S, TIME_COLUMNS, UTC_NS

__all__ = [
    "MAX_EXACT_INT",
    "NO_TIME",
    "NS_PER_S",
    "TIME_COLUMNS",
    "UTC_NS",
    "Array",
    "Batch",
    "Column",
    "Text",
    "is_number",
    "number_text",
    "read_ticks",
]
