"""Client facts: the name and the program of a client, as its request states them."""

from __future__ import annotations

import re
from urllib.parse import parse_qs

from websockets.datastructures import Headers

__all__ = ["MAX_NAME_CHARACTERS", "UNKNOWN_PROGRAM", "clean_name", "find_program", "read_name"]

MAX_NAME_CHARACTERS = 32
UNKNOWN_PROGRAM = "?"
MAX_PROGRAM_CHARACTERS = 20
# By a part of the User-Agent. Browsers also name those that they descend from, so the order counts:
# Edge says Chrome and Safari, Chrome says Safari, and all say Mozilla.
PROGRAMS = {
    "Edg": "Edge",
    "OPR/": "Opera",
    "SamsungBrowser/": "Samsung",
    "Firefox/": "Firefox",
    "FxiOS/": "Firefox",
    "CriOS/": "Chrome",
    "Chrome/": "Chrome",
    "Chromium/": "Chrome",
    "Safari/": "Safari",
    "websockets/": "websockets",
    "aiohttp/": "aiohttp",
    "undici": "node",
}
PRODUCT = re.compile(r"[A-Za-z][A-Za-z0-9._+-]*")


def read_name(path: str) -> str:
    """Return the name in a request's path, as in `/ticks?name=ana`; empty without one."""
    return clean_name(parse_qs(path.partition("?")[2]).get("name", [""])[0])


def clean_name(name: str) -> str:
    """Return a name that can be shown: one line, printable, at most 32 characters."""
    words = "".join(sign if sign.isprintable() else " " for sign in name).split()
    return " ".join(words)[:MAX_NAME_CHARACTERS].rstrip()


def find_program(headers: Headers) -> str:
    """Return the short name of the program that sent a request; `?` if it does not say.

    A program that isn't known is named by the first word of its User-Agent.
    """
    agent = " ".join(headers.get_all("User-Agent"))
    for part, program in PROGRAMS.items():
        if part in agent:
            return program
    found = PRODUCT.match(agent)
    return found[0][:MAX_PROGRAM_CHARACTERS] if found else UNKNOWN_PROGRAM
