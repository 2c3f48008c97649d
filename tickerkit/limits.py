"""Limits: how much a tick, a log and a message hold, each with its unit and its reason.

Bounds of data that more than one room relies on. What lies beyond one of them is refused or
counted; no value is cut or rounded. `tests/test_limits.py` drives each over its edge.
"""

from __future__ import annotations

__all__ = [
    "MAX_COLUMNS",
    "MAX_DICTIONARIES_BYTES",
    "MAX_DICTIONARY_BYTES",
    "MAX_EPOCH_LENGTH",
    "MAX_EXACT_INT",
    "MAX_FIELDS",
    "MAX_FREE_TEXT_BYTES",
    "MAX_INT64",
    "MAX_LEVELS",
    "MAX_LEVELS_HELD",
    "MAX_MISFIT_NAMES",
    "MAX_NAME_LENGTH",
    "MAX_NESTING",
    "MAX_SEGMENT_BYTES",
    "MAX_SYMBOLS",
    "MAX_TEXT_LENGTH",
    "MAX_TICK_TEXT_LENGTH",
    "MAX_UNIT_LENGTH",
    "MAX_WORDS",
]

# --- a tick ---------------------------------------------------------------------------------------

# Characters of a symbol, or of a column's name: what fits a table, a legend and a header. A longer
# symbol is a `BadTick`; a field with a longer name is left out.
MAX_NAME_LENGTH = 64

# Characters of a column's unit: what fits an axis and a table.
MAX_UNIT_LENGTH = 32

# Characters of a text. A longer one is an article rather than a field. It is left out.
MAX_TEXT_LENGTH = 4096

# Characters of all texts of a tick. Each may take six bytes of JSON, so the message of one tick
# stays below `MAX_SEGMENT_BYTES`. Texts beyond it are left out.
MAX_TICK_TEXT_LENGTH = 65_536

# Fields of a tick: most have ten or twenty. A tick with more is a `BadTick`.
MAX_FIELDS = 1000

# Levels of objects and arrays in JSON: Python's decoders recurse. Deeper is a `BadTick`.
MAX_NESTING = 16

# Up to here a float64 is exactly the integer that it was made from, in every language: JSON's
# numbers are floats in most of them. A column with a larger integer is int64.
MAX_EXACT_INT = 2**53

# The largest integer of a column. A larger one is left out of a column of numbers.
MAX_INT64 = 2**63 - 1

# Levels of each side of an order book. The worst beyond them are left out.
MAX_LEVELS = 1000

# --- a log ----------------------------------------------------------------------------------------

# Different symbols of a log: each costs memory in every reader, chart and filter. A tick of a
# further symbol is a `BadTick`, and a gap in a feed.
MAX_SYMBOLS = 65_536

# Columns beyond the fixed ones. Each takes 8 bytes for each tick held, and an assignment for each
# append. The widest table of a venue has 105 fields. Values of further columns are left out.
MAX_COLUMNS = 256

# Different texts of a column that is a category, and their bytes of UTF-8: a frame builds an index
# of them, and each new client is sent them. Beyond either, the column gives up its dictionary and
# holds the text of each tick.
MAX_WORDS = 65_536
MAX_DICTIONARY_BYTES = 4 * 2**20

# The same for the text columns of a log together.
MAX_DICTIONARIES_BYTES = 32 * 2**20

# Memory for the texts of a log's columns without a dictionary: 5 million UUIDs. Texts beyond it are
# left out until older ticks are dropped.
MAX_FREE_TEXT_BYTES = 512 * 2**20

# Names of fields whose values were left out; the counts of further ones are under OTHERS.
MAX_MISFIT_NAMES = 256
OTHERS = "(others)"

# Levels of all order books of a log, earlier ones included: 64 MB. The oldest books beyond them are
# dropped.
MAX_LEVELS_HELD = 4 * 2**20

# Characters of an epoch's id. Ours have 16; both ends send the ids of the other back.
MAX_EPOCH_LENGTH = 256

# --- a message ------------------------------------------------------------------------------------

# Bytes of a message to a client. A websocket client accepts 1 MiB by default, also the ten lines of
# a student.
MAX_SEGMENT_BYTES = 2**19
