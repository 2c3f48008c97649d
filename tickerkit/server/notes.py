"""Notes: short texts that the clients of a server send to each other."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from tickerkit.protocol.messages import Error, Note
from tickerkit.server.allowance import Allowance
from tickerkit.server.client_handler import ClientHandler

__all__ = ["MAX_NOTE_CHARACTERS", "Notes", "clean_note"]

MAX_NOTE_CHARACTERS = 500
# Notes of one client, and of all: each goes to every client.
MAX_NOTES_PER_S = 2.0
MAX_NOTES_OF_ALL_PER_S = 20.0
FIX = f'send {{"type": "note", "text": "hello"}}, with at most {MAX_NOTE_CHARACTERS} characters'
BAD_NOTE = Error("bad-note", "a note has no text, or one that is too long", FIX)
TOO_MANY = Error(
    "too-many-notes",
    "notes come too fast: this one was not sent on",
    f"send at most {MAX_NOTES_PER_S:g} a second; all clients together may send "
    f"{MAX_NOTES_OF_ALL_PER_S:g}",
)


class _Header(msgspec.Struct):
    """The field that every message has."""

    type: str


_header = msgspec.json.Decoder(_Header)
_note = msgspec.json.Decoder(Note)


class Notes:
    """Reads the notes of clients, and limits how many they send; it touches no socket.

    Args:
        clock: the time in seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._of_all = Allowance(MAX_NOTES_OF_ALL_PER_S, MAX_NOTES_OF_ALL_PER_S, clock())
        self._of_each: dict[ClientHandler, Allowance] = {}

    def read(self, client: ClientHandler, data: str | bytes) -> Note | Error | None:
        """Return the note to send to all clients, or the error to answer with.

        None for a message of another type.
        """
        if not _is_note(data):
            return None
        try:
            note = _note.decode(data)
        except msgspec.MsgspecError:
            return BAD_NOTE
        text = clean_note(note.text)
        if not text or len(note.text) > MAX_NOTE_CHARACTERS:
            return BAD_NOTE
        now = self._clock()
        own = self._of_each.setdefault(client, Allowance(MAX_NOTES_PER_S, MAX_NOTES_PER_S, now))
        if not own.take(now) or not self._of_all.take(now):
            return TOO_MANY
        return Note(text, client.name)

    def forget(self, client: ClientHandler) -> None:
        """Forget a client that has left."""
        self._of_each.pop(client, None)


def clean_note(text: str) -> str:
    """Return a text as one printable line."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def _is_note(data: str | bytes) -> bool:
    try:
        return _header.decode(data).type == "note"
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return False
