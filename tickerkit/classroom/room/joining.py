"""Joining: the addresses of a class, and the QR codes for them."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Any

from tickerkit.classroom.room.traps import find_system, list_traps
from tickerkit.errors import InvalidArgument
from tickerkit.net.interfaces import Address, list_addresses
from tickerkit.validation import check_text

__all__ = ["describe_joining", "list_pages", "make_qr", "make_qr_lines", "wifi_text"]

# White around a code, in modules; readers need four on paper, and two where the ground is white.
BORDER = 4
TERMINAL_BORDER = 2
MAX_QR_CHARACTERS = 1000
# The upper and the lower of two modules in one sign of a terminal.
BLOCKS = {(0, 0): " ", (1, 0): "▀", (0, 1): "▄", (1, 1): "█"}
# They end a field in the text of a wifi.
SPECIAL = re.compile(r"[\\;,:\"]")
EXPECTED_TEXT = f"text of 1 to {MAX_QR_CHARACTERS} characters"


def make_qr(text: str) -> str:
    """Return a QR code as SVG without a size: black on white, also in a dark theme.

    Raises:
        InvalidArgument: the text is empty, or too long for a code that can be read from afar.
    """
    made: str = _make(text).svg_inline(
        border=BORDER, dark="#000", light="#fff", omitsize=True, svgclass=None, lineclass=None
    )
    return made


def make_qr_lines(text: str) -> list[str]:
    """Return a QR code for a terminal: lines of half blocks, to be printed in black on white.

    Raises:
        InvalidArgument: as for `make_qr`.
    """
    rows = [[int(dark) for dark in row] for row in _make(text).matrix_iter(border=TERMINAL_BORDER)]
    if len(rows) % 2:
        rows.append([0] * len(rows[0]))
    pairs = zip(rows[::2], rows[1::2], strict=True)
    return ["".join(BLOCKS[each] for each in zip(*pair, strict=True)) for pair in pairs]


def _make(text: str) -> Any:
    import segno

    check_text("text", text, EXPECTED_TEXT)
    if not 0 < len(text) <= MAX_QR_CHARACTERS:
        raise InvalidArgument("text", text, EXPECTED_TEXT)
    return segno.make(text, error="m", micro=False)


def wifi_text(ssid: str, password: str = "") -> str:
    """Return the text of a QR code by which a phone joins a wifi.

    Args:
        ssid: the name of the wifi.
        password: its password, of WPA; empty for an open wifi.
    """
    check_text("ssid", ssid, "the name of a wifi")
    check_text("password", password, "the password of a wifi")
    ssid, password = (SPECIAL.sub(r"\\\g<0>", each) for each in (ssid, password))
    secret = f"T:WPA;P:{password}" if password else "T:nopass"
    return f"WIFI:{secret};S:{ssid};;"


def describe_joining(
    port: int, code: str = "", *, ssid: str = "", password: str = ""
) -> dict[str, Any]:
    """Return what a class needs to join, for a board; a dict of plain values.

    Args:
        port: the port of the server.
        code: the code of the class, which is the path of its page.
        ssid: the name of the wifi; empty to show none.
        password: the password of the wifi.

    Returns:
        `addresses`: dicts of `address`, `page`, `interface`, `why` and `qr` (SVG), the most likely
        first; those that lead to no other machine are left out unless there is no other.
        `wifi`: an SVG, or empty. `traps`: dicts of `name`, `about`, `fix` and `is_command`.
    """
    return {
        "addresses": [_describe_address(each, port, code) for each in _list_likely()],
        "wifi": make_qr(wifi_text(ssid, password)) if ssid else "",
        "traps": [asdict(trap) for trap in list_traps(find_system(), port)],
    }


def list_pages(port: int, code: str = "") -> list[str]:
    """Return the addresses of a class's page, the most likely to be reached first."""
    return [_make_page(each.address, port, code) for each in _list_likely()]


def _list_likely() -> list[Address]:
    """Return the addresses to show: those of IPv4, which a class listens on, if there are any."""
    found = [each for each in list_addresses() if ":" not in each.address] or list_addresses()
    return [each for each in found if each.is_likely] or found


def _describe_address(address: Address, port: int, code: str) -> dict[str, str]:
    page = _make_page(address.address, port, code)
    return {
        "address": address.address,
        "page": page,
        "interface": address.interface,
        "why": address.why,
        "qr": make_qr(page),
    }


def _make_page(address: str, port: int, code: str) -> str:
    host = f"[{address}]" if ":" in address else address
    return f"http://{host}:{port}/{code}"
