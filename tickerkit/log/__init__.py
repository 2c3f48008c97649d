"""The log: ticks in the order in which they came, and readers that each have a position in it."""

from tickerkit.log.books import EARLIER_NS, Book, Books, book_frame
from tickerkit.log.columns import FIXED
from tickerkit.log.excess import append_or_note, refuse_excess
from tickerkit.log.gaps import Gaps, gap_frame, gaps_from_frame
from tickerkit.log.latest import Latest
from tickerkit.log.position import MAX_SEQ, Epoch, Gap, Position, Seq, TimeNs
from tickerkit.log.reader import Reader
from tickerkit.log.rows import Rows
from tickerkit.log.selection import Selection, keep_rows, select
from tickerkit.log.tick_log import TickLog

__all__ = [
    "EARLIER_NS",
    "FIXED",
    "MAX_SEQ",
    "Book",
    "Books",
    "Epoch",
    "Gap",
    "Gaps",
    "Latest",
    "Position",
    "Reader",
    "Rows",
    "Selection",
    "Seq",
    "TickLog",
    "TimeNs",
    "append_or_note",
    "book_frame",
    "gap_frame",
    "gaps_from_frame",
    "keep_rows",
    "refuse_excess",
    "select",
]
