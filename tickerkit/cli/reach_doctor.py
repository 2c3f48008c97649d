"""`tickerkit doctor --reach URL`: why a student's machine does not reach a class, step by step."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import json
import socket
import time
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from tickerkit.classroom.room.seat import Seat, join
from tickerkit.cli.findings import Finding
from tickerkit.net.interfaces import list_addresses

__all__ = ["examine_reach"]

STEP_S = 5.0
TICK_S = 10.0
MAX_HEAD_BYTES = 16_384
MAX_SAID = 200
POLICY = 1008
ASK_TEACHER = "the teacher runs: tickerkit doctor --class"


async def examine_reach(url: str) -> list[Finding]:
    """Return what was found on the way to a class, up to the first problem.

    Args:
        url: what the teacher shows, such as "http://192.168.1.20:8000/otter42".

    Raises:
        InvalidArgument: the URL is not the address of a class.
    """
    seat = join(url)
    findings = []
    async for finding in _examine(seat):
        findings.append(finding)
        if finding.level == "problem":
            break
    return findings


async def _examine(seat: Seat) -> AsyncIterator[Finding]:
    parts = urlsplit(seat.page)
    host, port = parts.hostname or "", parts.port or 80
    addresses: list[str] = []
    async for finding in _resolve(host, addresses):
        yield finding
    yield await _try_tcp(addresses[0], port)
    yield await _try_http(seat, addresses[0], port)
    async for finding in _try_websocket(seat):
        yield finding


async def _resolve(host: str, addresses: list[str]) -> AsyncIterator[Finding]:
    """Find the address of a name, and compare it with those of this machine."""
    try:
        found = await asyncio.wait_for(
            asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM), STEP_S
        )
    except (OSError, TimeoutError):
        fix = "type the address in digits that the teacher shows, such as 192.168.1.20"
        yield Finding("name", f"nobody here knows the name {host}", fix, "problem")
        return
    addresses += dict.fromkeys(str(each[4][0]) for each in found)
    is_name = host not in addresses
    yield Finding("name", f"{host} is {addresses[0]}" if is_name else f"{host} needs no lookup")
    own = [each.address for each in list_addresses()]
    if note := compare_networks(addresses[0], own):
        fix = "join the teacher's wifi; no guest wifi, no mobile data, no VPN"
        yield Finding("network", note, fix, "note")


def compare_networks(address: str, own: list[str]) -> str:
    """Return a sentence if an address is in another network than this machine; else empty text.

    The networks are taken to be those of most routers: the first three numbers are the same.

    Args:
        address: the server's.
        own: those of this machine.
    """
    ip = ipaddress.ip_address(address)
    mine = [each for each in own if ipaddress.ip_address(each).version == ip.version]
    if ip.version != 4 or not ip.is_private or ip.is_loopback or address in mine:
        return ""
    if not mine:
        return "this machine is in no network"
    start = address.rpartition(".")[0]
    if any(each.startswith(f"{start}.") for each in mine):
        return ""
    return f"this machine is {mine[0]}, the server {address}: most likely two networks"


async def _try_tcp(address: str, port: int) -> Finding:
    began = time.monotonic()
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(address, port), STEP_S)
    except (OSError, TimeoutError) as error:
        return explain_tcp(error, address, port)
    took_ms = (time.monotonic() - began) * 1000
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return Finding("TCP", f"{address} accepts connections on port {port} ({took_ms:.0f} ms)")


def explain_tcp(error: OSError, address: str, port: int) -> Finding:
    """Return why there is no connection, and what to do."""
    if isinstance(error, TimeoutError) or error.errno == errno.ETIMEDOUT:
        about = (
            f"no answer from {address} in {STEP_S:g} s: a firewall there drops what comes, or the "
            "wifi keeps its clients apart, or the machine is away"
        )
        return Finding("TCP", about, ASK_TEACHER, "problem")
    if isinstance(error, ConnectionRefusedError):
        about = f"the machine {address} is there, but nothing listens on port {port}"
        fix = "is the class open, and the number after the colon right?"
        return Finding("TCP", about, fix, "problem")
    if error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH):
        about = f"no way leads to {address}: this machine is in no network, or in another one"
        fix = "join the teacher's wifi; on macOS allow the local network in Privacy & Security"
        return Finding("TCP", about, fix, "problem")
    reason = error.strerror or type(error).__name__
    return Finding("TCP", f"no connection to {address}: {reason}", ASK_TEACHER, "problem")


async def _try_http(seat: Seat, address: str, port: int) -> Finding:
    """Ask for the page."""
    parts = urlsplit(seat.page)
    query = urlsplit(seat.url).query
    path = parts.path if parts.path != "/" else f"/?{query}"
    request = f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n"
    try:
        async with asyncio.timeout(STEP_S):
            reader, writer = await asyncio.open_connection(address, port)
            try:
                writer.write(request.encode("ascii", "replace"))
                answer = await reader.read(MAX_HEAD_BYTES)
            finally:
                writer.close()
    except (OSError, TimeoutError) as error:
        about = f"the server accepts, but does not answer: {type(error).__name__}"
        return Finding("HTTP", about, "wait, and try again; it may be busy", "problem")
    return explain_http(answer, parts.path)


def explain_http(answer: bytes, path: str) -> Finding:
    """Return what the answer to a request for the page says.

    Args:
        answer: the beginning of the answer.
        path: the path of the page.
    """
    head, _, body = answer.decode("utf-8", "replace").partition("\r\n\r\n")
    words = head.partition("\r\n")[0].split(maxsplit=2)
    if len(words) < 2 or not words[0].startswith("HTTP/") or not words[1].isdecimal():
        return Finding("HTTP", "another program answers there", "check the port", "problem")
    status = int(words[1])
    said = " ".join(body.split())[:MAX_SAID]
    if status == HTTPStatus.OK:
        return Finding("HTTP", "the page comes")
    if status in (301, 302, 303, 307, 308, 511):
        about = f"the answer is {status}: another server, such as the wifi's login page"
        return Finding("HTTP", about, "log in to the wifi first", "problem")
    if status in (401, 403, 404):
        # A program may connect with a token where there is no page of a class.
        about = f"there is no page {path} ({status}): {said}"
        return Finding("HTTP", about, "compare the code with that of the teacher", "note")
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        about = "this machine has sent too many wrong codes"
        return Finding("HTTP", about, "wait 10 seconds", "problem")
    return Finding("HTTP", f"the answer is {status}: {said}", ASK_TEACHER, "problem")


async def _try_websocket(seat: Seat) -> AsyncIterator[Finding]:
    """Connect, and wait for a tick."""
    began = time.monotonic()
    try:
        async with connect(seat.url, proxy=None, open_timeout=STEP_S) as websocket:
            took_ms = (time.monotonic() - began) * 1000
            yield Finding("websocket", f"the server answers 101 ({took_ms:.0f} ms)")
            yield await _wait_for_tick(websocket)
    except InvalidStatus as error:
        said = bytes(error.response.body or b"").decode("utf-8", "replace").strip()
        about = f"the answer is {error.response.status_code} instead of 101: {said}"
        yield Finding("websocket", about, "compare the address with that of the teacher", "problem")
    except (OSError, TimeoutError, InvalidHandshake) as error:
        about = f"the page comes, but no websocket: {type(error).__name__}: {error}"
        fix = "a filter or a virus scanner is between; try another browser or machine"
        yield Finding("websocket", about, fix, "problem")


async def _wait_for_tick(websocket: ClientConnection) -> Finding:
    """Return whether the token is right, and a tick comes."""
    end = time.monotonic() + TICK_S
    try:
        while True:
            left = max(end - time.monotonic(), 0.01)
            tick = read_tick(await asyncio.wait_for(websocket.recv(), left))
            if tick is not None:
                return Finding("tick", f"the first came: {tick['symbol']}, number {tick['seq']}")
    except TimeoutError:
        about = f"connected, but no tick came in {TICK_S:g} s: the market may be paused"
        return Finding("tick", about, "ask the teacher", "note")
    except ConnectionClosed as closed:
        code, reason = (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "")
        if code == POLICY:
            return Finding("token", f"closed with 1008: {reason}", "compare the code", "problem")
        about = f"closed with {code}: {reason or 'TCP ended without a close frame'}"
        return Finding("websocket", about, ASK_TEACHER, "problem")


def read_tick(message: str | bytes) -> dict[str, Any] | None:
    """Return the first tick in a message; None if it has none."""
    try:
        found = json.loads(message)
    except ValueError:
        return None
    if isinstance(found, list) and found and isinstance(found[0], dict) and "symbol" in found[0]:
        return {"seq": "?", **found[0]}
    return None
