"""HAR: the messages of a tap as an HTTP archive, as Chrome's network panel writes and opens it."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from tickerkit.classroom.passage import Handshake
from tickerkit.classroom.tables import FrameRow
from tickerkit.wire import CLOSE, CONTINUATION, TEXT, Head

__all__ = ["make_har"]


def make_har(handshakes: Sequence[Handshake], rows: Iterable[FrameRow], host: str) -> bytes:
    """Return an archive with an entry for each websocket.

    Its messages are joined from their fragments. Pings, pongs and close frames are among them, with
    their opcodes. Data that are no text are in base64.

    Args:
        handshakes: the connections; those that are no websockets are left out.
        rows: the frames, in order.
        host: the host and port of the tap.
    """
    messages = _join_messages(rows)
    entries = [
        _make_entry(each, messages.get(each.link, []), host)
        for each in handshakes
        if each.is_websocket
    ]
    creator = {"name": "tickerkit", "version": ""}
    log = {"version": "1.2", "creator": creator, "pages": [], "entries": entries}
    return msgspec.json.encode({"log": log})


def _join_messages(rows: Iterable[FrameRow]) -> dict[int, list[dict[str, Any]]]:
    """Return the messages of each connection."""
    messages: dict[int, list[dict[str, Any]]] = {}
    begun: dict[tuple[int, str], tuple[int, list[bytes]]] = {}
    for row in rows:
        opcode, payload = row.opcode, row.payload
        if opcode < CLOSE:
            direction = (row.link, row.toward)
            parts = [payload]
            if opcode == CONTINUATION:
                # A message whose beginning has left the log is shown from where it is known.
                opcode, earlier = begun.pop(direction, (opcode, []))
                parts = [*earlier, payload]
            if not row.fin:
                begun[direction] = opcode, parts
                continue
            payload = b"".join(parts)
        data = _decode(payload) if opcode == TEXT else None
        message = {
            "type": "send" if row.toward == "server" else "receive",
            "time": row.time / 1e9,
            "opcode": opcode,
            "data": base64.b64encode(payload).decode() if data is None else data,
        }
        messages.setdefault(row.link, []).append(message)
    return messages


def _decode(payload: bytes) -> str | None:
    try:
        return payload.decode()
    except UnicodeDecodeError:
        return None


def _make_entry(
    handshake: Handshake, messages: list[dict[str, Any]], host: str
) -> Mapping[str, Any]:
    request, answer = Head(handshake.request), Head(handshake.answer)
    wait_ms = (handshake.answer_ns - handshake.request_ns) / 1e6
    end_ns = handshake.ended_ns or handshake.answer_ns
    started = datetime.fromtimestamp(handshake.since_ns / 1e9, UTC)
    common = {"httpVersion": "HTTP/1.1", "cookies": [], "bodySize": 0}
    return {
        "_resourceType": "websocket",
        "_webSocketMessages": messages,
        "startedDateTime": f"{started:%Y-%m-%dT%H:%M:%S}.{started.microsecond // 1000:03d}Z",
        "time": (end_ns - handshake.since_ns) / 1e6,
        "request": {
            **common,
            "method": "GET",
            "url": f"ws://{host}{request.path}",
            "headers": request.headers,
            "queryString": [],
            "headersSize": len(handshake.request),
        },
        "response": {
            **common,
            "status": answer.status,
            "statusText": answer.line.split(" ", 2)[-1],
            "headers": answer.headers,
            "content": {"size": 0, "mimeType": "x-unknown"},
            "redirectURL": "",
            "headersSize": len(handshake.answer),
        },
        "cache": {},
        "timings": {"send": 0, "wait": max(wait_ms, 0), "receive": 0},
    }
