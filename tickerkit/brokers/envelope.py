"""Envelopes: a stream's message as the headers and body of a broker's message, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

import zstandard

from tickerkit.limits import MAX_EPOCH_LENGTH, MAX_INT64, MAX_SEGMENT_BYTES
from tickerkit.streams import Kind, StreamMessage

__all__ = ["make_envelope", "open_envelope", "split_headers"]

VERSION = "1"
KINDS: Mapping[str, Kind] = {kind: kind for kind in get_args(Kind)}
# A smaller body becomes larger, or hardly smaller. Level 1 makes 6.8 kB of 19 kB, at 361 MB/s.
MIN_COMPRESSED_BYTES = 4096
LEVEL = 1
# A frame may ask its reader for a window of gigabytes; ours have one of at most the body's size.
MAX_WINDOW_BYTES = 2**23


def make_envelope(
    message: StreamMessage, *, compress: bool = False
) -> tuple[dict[str, str], bytes]:
    """Return the headers and the body of a message.

    Args:
        message: the message.
        compress: whether to compress bodies from 4 KiB on.
    """
    headers = {
        "Tk-V": VERSION,
        "Tk-Kind": message.kind,
        "Tk-Epoch": message.epoch,
        "Tk-Seq": str(message.seq),
        "Tk-Count": str(message.count),
    }
    if not compress or len(message.body) < MIN_COMPRESSED_BYTES:
        return headers, message.body
    headers["Tk-Encoding"] = "zstd"
    return headers, zstandard.ZstdCompressor(level=LEVEL).compress(message.body)


def open_envelope(headers: Mapping[str, str], body: bytes) -> StreamMessage | None:
    """Return the message of headers and a body; None if it isn't one of tickerkit's.

    That includes a message of a later version, a damaged one, and one whose body is too large.
    """
    kind = KINDS.get(headers.get("Tk-Kind", ""))
    epoch = headers.get("Tk-Epoch", "")
    seq, count = _read_count(headers.get("Tk-Seq")), _read_count(headers.get("Tk-Count"))
    is_known = headers.get("Tk-V") == VERSION and 0 < len(epoch) <= MAX_EPOCH_LENGTH
    if not is_known or kind is None or seq is None or count is None:
        return None
    match headers.get("Tk-Encoding"):
        case None:
            plain: bytes | None = body
        case "zstd":
            plain = _inflate(body)
        case _:
            return None
    if plain is None or len(plain) > MAX_SEGMENT_BYTES:
        return None
    return StreamMessage(kind, epoch, seq, count, plain)


def split_headers(raw: bytes) -> dict[str, str]:
    """Return the headers of a block of lines, as the broker stores it."""
    pairs = (line.partition(b":") for line in raw.split(b"\r\n")[1:])
    return {
        name.strip().decode("utf-8", "replace"): value.strip().decode("utf-8", "replace")
        for name, colon, value in pairs
        if colon
    }


def _read_count(text: str | None) -> int | None:
    if text is None or len(text) > len(str(MAX_INT64)) or not (text.isascii() and text.isdigit()):
        return None
    value = int(text)
    return value if value <= MAX_INT64 else None


def _inflate(body: bytes) -> bytes | None:
    """Return the content of a frame; None if it is damaged, or larger than a body may be."""
    unpacker = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW_BYTES)
    try:
        size = zstandard.frame_content_size(body)  # -1 if the frame doesn't say it
        # Not decompress(): it allocates what the frame's header asks for.
        with unpacker.stream_reader(body) as reader:
            plain = reader.read(MAX_SEGMENT_BYTES + 1)
    except zstandard.ZstdError:
        return None
    return plain if size in (-1, len(plain)) else None
