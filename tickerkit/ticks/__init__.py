"""Ticks: their fields and units, and how they are read from JSON, objects and frames.

`read_ticks` reads what a source or a client sent and returns one `Batch`: columns, ready for the
log. An invalid tick is refused alone; the others of the same message are taken.
"""

from tickerkit.ticks.batch import NO_LEVELS, NO_TIME, Array, Batch, Column, Levels, Side, Text
from tickerkit.ticks.fields import number_text, printable
from tickerkit.ticks.levels import SIDES, read_side
from tickerkit.ticks.numbers import (
    ID_COLUMNS,
    is_exact_number,
    is_number,
    to_exact_integer,
    to_integers,
)
from tickerkit.ticks.parse import read_ticks
from tickerkit.ticks.pieces import PIECE_BYTES, cut_array
from tickerkit.ticks.units import NS_PER_S, TIME_COLUMNS, UTC_NS

__all__ = [
    "ID_COLUMNS",
    "NO_LEVELS",
    "NO_TIME",
    "NS_PER_S",
    "PIECE_BYTES",
    "SIDES",
    "TIME_COLUMNS",
    "UTC_NS",
    "Array",
    "Batch",
    "Column",
    "Levels",
    "Side",
    "Text",
    "cut_array",
    "is_exact_number",
    "is_number",
    "number_text",
    "printable",
    "read_side",
    "read_ticks",
    "to_exact_integer",
    "to_integers",
]
