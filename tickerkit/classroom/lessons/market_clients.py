"""Clients of lesson 6: the model answer of each task, built step by step, and known mistakes."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["SOLUTIONS", "WRONG"]

IMPORTS = """
import json

from websockets.sync.client import connect
"""

KNOCK = """
from websockets.sync.client import connect


def client(url):
    with connect(url):
        pass
"""

LISTEN = """
from websockets.sync.client import connect


def client(url):
    with connect(url) as ws:
        for message in ws:
            pass
"""

SPEAK = f"""{IMPORTS}

def client(url):
    with connect(url) as ws:
        ws.send(json.dumps({{"type": "subscribe", "symbols": None}}))
        for message in ws:
            pass
"""

FIND = """
def answer(question, ticks):
    first, last = question["from"], question["to"]
    prices = [
        ticks[seq]["price"]
        for seq in sorted(ticks)
        if first <= seq <= last and ticks[seq]["symbol"] == question["symbol"]
    ]
    if question["question"] == "count":
        return len(prices)
    if question["question"] == "min":
        return min(prices)
    return prices[-1]
"""

ANSWER = f"""{IMPORTS}
{FIND}

def client(url):
    ticks = {{}}
    with connect(url) as ws:
        ws.send(json.dumps({{"type": "subscribe", "symbols": None}}))
        for message in ws:
            data = json.loads(message)
            if isinstance(data, list):
                for tick in data:
                    ticks[tick["seq"]] = tick
            elif data["type"] == "ask":
                value = answer(data, ticks)
                ws.send(json.dumps({{"type": "answer", "id": data["id"], "value": value}}))
"""

SURVIVE = f"""
import json
import random
import time

from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import connect

{FIND}

def client(url):
    ticks, wait = {{}}, 0.2
    while True:
        after = f"&after={{max(ticks)}}" if ticks else ""
        try:
            with connect(url + after) as ws:
                ws.send(json.dumps({{"type": "subscribe", "symbols": None}}))
                for message in ws:
                    data = json.loads(message)
                    if isinstance(data, list):
                        wait = 0.2
                        for tick in data:
                            ticks[tick["seq"]] = tick
                    elif data["type"] == "ask" and data["question"] != "gap":
                        value = answer(data, ticks)
                        ws.send(json.dumps({{"type": "answer", "id": data["id"], "value": value}}))
        except (ConnectionClosed, InvalidHandshake, OSError):
            pass
        time.sleep(wait * random.uniform(1, 1.5))
        wait = min(2 * wait, 5)
"""

SLOW = SURVIVE.replace("ticks, wait = {}, 0.2", "ticks, wait, gap = {}, 0.2, None").replace(
    """\
                    elif data["type"] == "ask" and data["question"] != "gap":
                        value = answer(data, ticks)
""",
    """\
                    elif data["type"] == "gap":
                        gap = [data["from"], data["to"]]
                    elif data["type"] == "ask":
                        value = gap if data["question"] == "gap" else answer(data, ticks)
""",
)

LEAVE = """
from websockets.sync.client import connect


def leave(url):
    with connect(url) as ws:
        ws.close(1000, "thank you, see you tomorrow")
"""

SOLUTIONS: Mapping[str, str] = {
    "knock": KNOCK,
    "listen": LISTEN,
    "speak": SPEAK,
    "answer": ANSWER,
    "survive": SURVIVE,
    "slow": SLOW,
    "leave": LEAVE,
}

# For each task: what to replace in its model answer by what.
WRONG: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "knock": {
        "never": ("with connect(url):\n        pass", "connect"),
        "nameless": ("connect(url)", 'connect(url.partition("&name")[0])'),
    },
    "listen": {"returned": ("            pass", "            break")},
    "speak": {
        "no json": ('json.dumps({"type": "subscribe", "symbols": None})', '"subscribe"'),
        "binary": ("None}))", 'None}).encode())'),
    },
    "answer": {
        "no id": ('"id": data["id"], ', ""),
        "wrong": ("return len(prices)", "return len(prices) + 1"),
    },
    "survive": {
        "ended": ("        except (ConnectionClosed", "        except (KeyError"),
        "no after": ("connect(url + after)", "connect(url)"),
    },
    "slow": {
        "no gap": ('data["type"] == "gap"', 'data["type"] == "hole"'),
        "wrong gap": ('[data["from"], data["to"]]', '[data["from"], data["to"] + 1]'),
    },
    "leave": {
        "no reason": ('1000, "thank you, see you tomorrow"', "1000"),
        "code": ("1000", "1001"),
    },
}  # fmt: skip
