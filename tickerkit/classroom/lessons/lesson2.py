"""Lesson 2, frames: the header, the mask, and a message that only looks like a ping."""

from __future__ import annotations

from tickerkit.classroom.lessons.exercise import Exercise, Prediction
from tickerkit.classroom.lessons.frame_reader import FRAME_READER
from tickerkit.classroom.lessons.header_size import HEADER_SIZE
from tickerkit.classroom.lessons.real_ping import REAL_PING
from tickerkit.classroom.lessons.sliding_stream import SLIDING_STREAM

__all__ = ["EXERCISES", "PREDICTIONS"]

EXERCISES: tuple[Exercise, ...] = (HEADER_SIZE, FRAME_READER, REAL_PING, SLIDING_STREAM)

PREDICTIONS = {
    "2a": Prediction(
        "A client sends 200 bytes in one frame. How many bytes has the header of that frame?",
        8,
        "2 as always, 2 for a length above 125, and 4 for the masking key.",
    ),
    "2b": Prediction(
        "A client sends the text Hello twice. Are the bytes on the wire the same, yes or no?",
        "no",
        "Each frame has a new random key, so that nobody can choose the bytes on the wire.",
    ),
    "2c": Prediction(
        "`websocket.send()` is given the bytes of a ping, 89 02 68 69. "
        "Which opcode will the tap show?",
        2,
        "`send()` packs whatever it gets into a message; bytes become a binary one.",
    ),
    "2d": Prediction(
        "A stream has three frames: text, ping, text. How many of them does this reader return "
        "right?",
        1,
        "Only the first. The ping's key is taken as its payload, and then everything slides.",
    ),
}
