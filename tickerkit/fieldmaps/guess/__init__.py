"""The guess of a field map, from the messages of any websocket; no I/O.

`candidates.py` finds where rows may lie, `kinds.py` what tells kinds of messages apart, `roles.py`
what the values of a row are, and `writing.py` writes that as a map. `FieldGuesser` does so while
the messages come.
"""

from tickerkit.fieldmaps.guess.guess import guess_fields
from tickerkit.fieldmaps.guess.guesser import FieldGuesser
from tickerkit.fieldmaps.guess.roles import NO_SYMBOL

__all__ = ["NO_SYMBOL", "FieldGuesser", "guess_fields"]
