"""The wire: websocket frames found in the bytes that pass, judged, changed and kept; no I/O."""

from tickerkit.wire.conversation import Conversation
from tickerkit.wire.cutter import MAX_KEPT_BYTES
from tickerkit.wire.faults import DIRECTIONS, ENDING_KINDS, Fault, Kind
from tickerkit.wire.frame_log import Fields, FrameLog, WireFrame
from tickerkit.wire.gate import Gate
from tickerkit.wire.header import BINARY, CLOSE, CONTINUATION, OPCODE_NAMES, TEXT, Toward, other_end
from tickerkit.wire.heads import Head, hide_head_secrets
from tickerkit.wire.inflate import Inflater
from tickerkit.wire.line import Line
from tickerkit.wire.mischief import CORRUPTIONS, Order, corrupt, fragment, truncate
from tickerkit.wire.notes import NOTES

__all__ = [
    "BINARY",
    "CLOSE",
    "CONTINUATION",
    "CORRUPTIONS",
    "DIRECTIONS",
    "ENDING_KINDS",
    "MAX_KEPT_BYTES",
    "NOTES",
    "OPCODE_NAMES",
    "TEXT",
    "Conversation",
    "Fault",
    "Fields",
    "FrameLog",
    "Gate",
    "Head",
    "Inflater",
    "Kind",
    "Line",
    "Order",
    "Toward",
    "WireFrame",
    "corrupt",
    "fragment",
    "hide_head_secrets",
    "other_end",
    "truncate",
]
