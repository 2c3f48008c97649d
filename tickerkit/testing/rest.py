"""Rest: a small HTTP server for the past trades of a simulated venue."""

from __future__ import annotations

import asyncio
import contextlib
from http import HTTPStatus
from math import ceil
from urllib.parse import parse_qsl, urlsplit

from tickerkit.testing.desk import Desk

__all__ = ["serve_rest"]

MAX_HEADERS = 100


async def serve_rest(
    desk: Desk, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Answer the requests of one connection until the client closes it."""
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ValueError):
        while (request := await _read_request(reader)) is not None:
            target, headers = request
            desk.requests.append(target)
            wait_s = desk.admit_request()
            if wait_s:
                await _write(writer, 429, "too many requests", f"Retry-After: {ceil(wait_s)}\r\n")
                continue
            if desk.fails():
                if len(desk.requests) % 2:
                    await _write(writer, 500, "the venue made a mistake")
                    continue
                await _write(writer, 200, "[]" * 50, is_half=True)
                return
            if not desk.format.admits(headers):
                await _write(writer, 403, "the request has no key")
                continue
            parts = urlsplit(target)
            page = desk.format.page(parts.path, dict(parse_qsl(parts.query)))
            answer = None if page is None else desk.answer(page)
            if answer is None:
                await _write(writer, 404, "there is no such page or symbol")
            else:
                await _write(writer, 200, answer)


async def _read_request(reader: asyncio.StreamReader) -> tuple[str, dict[str, str]] | None:
    """Read a request; return its target and headers, None if the client closed the connection."""
    line = await reader.readline()
    if not line:
        return None
    headers: dict[str, str] = {}
    for _ in range(MAX_HEADERS):
        header = (await reader.readline()).decode("latin-1").strip()
        if not header:
            break
        name, _, value = header.partition(":")
        headers[name.lower()] = value.strip()
    await reader.readexactly(int(headers.get("content-length", 0)))
    _, target, _ = line.decode("latin-1").split(" ", 2)
    return target, headers


async def _write(
    writer: asyncio.StreamWriter, status: int, body: str, more: str = "", *, is_half: bool = False
) -> None:
    data = body.encode()
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(data)}\r\n{more}\r\n"
    )
    writer.write(head.encode() + (data[: len(data) // 2] if is_half else data))
    await writer.drain()
