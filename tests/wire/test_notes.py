"""Notes: each rule of the table is noticed, and real frames break none."""

from __future__ import annotations

import random
from itertools import islice
from pathlib import Path

import pytest
from conversations import Peers, Tapped
from recordings import recordings, wire_texts

from tickerkit.wire import NOTES, Toward
from tickerkit.wire.header import make_frame, make_header
from tickerkit.wire.notes import describe_notes

KEY = b"\x3d\x5b\x9c\x11"
LONG = make_frame(9, b"a" * 126)

# For each note the frames toward a peer that get it: the notes of each frame.
CASES: list[tuple[Toward, list[bytes], list[tuple[str, ...]]]] = [
    ("server", [make_frame(1, b"a")], [("unmasked",)]),
    ("client", [make_frame(1, b"a", KEY)], [("masked",)]),
    ("client", [make_frame(1, b"a", rsv=2)], [("rsv",)]),
    ("client", [make_frame(2, b"a", rsv=4)], [("rsv",)]),
    ("client", [make_frame(9, b"a", rsv=1)], [("rsv",)]),
    ("client", [make_frame(3, b"a")], [("opcode",)]),
    ("client", [make_frame(11, b"a")], [("opcode",)]),
    ("client", [make_header(1, 5, length_bits=16) + b"abcde"], [("length",)]),
    ("server", [make_header(2, 300, KEY, length_bits=64) + bytes(300)], [("length",)]),
    ("client", [LONG], [("control length",)]),
    ("client", [make_frame(9, b"a", fin=False)], [("control fragment",)]),
    ("client", [make_frame(0, b"a")], [("no start",)]),
    ("client", [make_frame(1, b"a", fin=False), make_frame(1, b"b")], [(), ("unfinished",)]),
    ("client", [make_frame(1, b"a\xff")], [("utf8",)]),
    ("server", [make_frame(1, b"\xc3", KEY)], [("utf8",)]),
    ("client", [make_frame(1, b"\xc3", fin=False), make_frame(0, b"\xa9")], [(), ()]),
    ("client", [make_frame(1, b"\xc3", fin=False), make_frame(0, b"a")], [(), ("utf8",)]),
    ("client", [make_frame(1, b"\xff", fin=False), make_frame(0, b"a")], [("utf8",), ()]),
    ("client", [make_frame(2, b"\xff")], [()]),
    ("client", [make_frame(8, b"")], [()]),
    ("client", [make_frame(8, b"\x03\xe8bye")], [()]),
    ("client", [make_frame(8, b"\x03")], [("close length",)]),
    ("client", [make_frame(8, b"\x03\xee")], [("close code",)]),
    ("client", [make_frame(8, b"\x0b\xb8")], [()]),
    ("client", [make_frame(8, b"\x03\xe8\xff")], [("close reason",)]),
    ("client", [make_frame(8, b""), make_frame(1, b"a")], [(), ("after close",)]),
    ("server", [make_frame(10, b"a", KEY)], [("unasked pong",)]),
    ("client", [make_header(1, 2**40) + b"abc"], [("lost",)]),
]


@pytest.mark.parametrize(("toward", "frames", "notes"), CASES)
@pytest.mark.parametrize("is_cut", [False, True])
def test_frame_gets_the_notes_of_the_table(
    toward: Toward, frames: list[bytes], notes: list[tuple[str, ...]], is_cut: bool
) -> None:
    """It gets them in one read and byte by byte, and passes as it came."""
    tapped = Tapped().open()
    data = b"".join(frames)
    tapped.feed(toward, *([data[i : i + 1] for i in range(len(data))] if is_cut else [data]))
    assert tapped.bytes(toward) == data
    assert tapped.notes() == notes


def test_every_note_has_a_case() -> None:
    """A note that is added to the table later needs a case, and names a section."""
    shown = {name for _, _, notes in CASES for each in notes for name in each}
    assert shown | {"cut off", "rsv1"} == set(NOTES)
    assert all(note.section.startswith("RFC ") for note in NOTES.values())
    assert describe_notes(["unmasked", "utf8"]) == (
        "a frame toward the server must be masked (RFC 6455, 5.1); "
        "the text is not valid UTF-8 (RFC 6455, 8.1)"
    )


def test_end_within_a_frame_is_noted() -> None:
    """What came of the frame is kept."""
    tapped = Tapped().open()
    tapped.feed("client", make_frame(1, b"abcdef")[:5])
    tapped.tap.finish(tapped.now_ns)
    tapped.tap.finish(tapped.now_ns)
    assert tapped.notes() == [("cut off",)]
    assert tapped.frames[0].payload == b"abc"
    assert tapped.frames[0].length == 6


def test_reserved_bit_has_a_meaning_only_where_it_was_agreed() -> None:
    """With permessage-deflate, RSV1 is for the first frame of a message of data."""
    peers = Peers(deflate=True)
    peers.server.send_text(b"a" * 1000)
    peers.run()
    assert peers.notes() == [()]
    peers.feed("client", make_frame(1, b"a", fin=False), make_frame(0, b"", rsv=4))
    assert peers.notes()[1:] == [(), ("rsv1",)]
    peers.feed("client", make_frame(9, b"", rsv=4))
    assert peers.notes()[3:] == [("rsv",)]


def test_recorded_frames_get_no_note(recorded: Path) -> None:
    """Messages of real venues, sent by websockets in both directions, break no rule."""
    rng = random.Random(1)
    tapped = Tapped(keep_bytes=2**30).open()
    count = 0
    for path in recordings(recorded):
        texts = [text.encode() for text in islice(wire_texts(path), 2000)]
        for toward, key in (("client", b""), ("server", rng.randbytes(4))):
            data = b"".join(make_frame(1, text, key) for text in texts)
            tapped.feed(toward, *(data[i : i + 65_536] for i in range(0, len(data), 65_536)))  # type: ignore[arg-type]
            count += len(texts)
    assert len(tapped.log) == min(count, 100_000)
    assert {frame.notes for frame in tapped.frames} == {()}
