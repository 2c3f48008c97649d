"""Lesson 3a, the tutorial that does not run: its five faults, and its server after the mending."""

from __future__ import annotations

import re
from random import Random
from typing import Any

from tickerkit.classroom.lessons.exercise import Exercise, Outcome, Prediction
from tickerkit.classroom.lessons.judging import describe
from tickerkit.classroom.lessons.mended_script import MENDED_SCRIPT

__all__ = ["EXERCISES", "PREDICTIONS"]

MAX_LINES = 3

# What a line of the printed server is, and why it is not the one at fault; "" for that which is.
# The first pattern that an answer matches counts.
NO_CLIENT = "This line runs when a client has connected. The server ended before any could."
HAS_RUN = "The server runs now, so this line has done its work."
DEFINES = "This line only defines the function; nothing has called it yet."
NOT_REACHED = "The error came before this line."
LINES: tuple[dict[str, str], ...] = (
    {
        r"run_forever": NOT_REACHED,
        r"websockets\.serve|get_event_loop\(\)\.run_until_complete": "",
        r"async def": DEFINES,
        r"send\(|fetch_stock_prices\(|sleep\(|while": NO_CLIENT,
        r"import": "The imports worked: the error comes from a later line of server.py.",
    },
    {
        r"def send_stock_prices|\(websocket, path\)|^path$": "",
        r"serve\(|run\(main|serve_forever|async def main": HAS_RUN,
        r"send\(|fetch_stock_prices\(|sleep\(|while": (
            "The function was never entered: its call lacked an argument."
        ),
        r"import": "The imports worked. Which line says how many arguments the function has?",
    },
    {
        r"fetch_stock_prices\(": "",
        r"\.send\(|sleep\(": NOT_REACHED,
        r"serve\(|run\(main|serve_forever|async def": HAS_RUN,
        r"import": "The name that is missing is no module's. Which line uses it?",
    },
    {
        r"\.send\(": "",
        r"fetch_stock_prices\(|return": "The function returned a list, as it should. Who took it?",
        r"sleep\(": NOT_REACHED,
        r"serve\(|run\(main|serve_forever|async def": HAS_RUN,
        r"import": "The imports worked. Which line was given something that it does not take?",
    },
    {
        r"json|import": "",
        r"\.send\(": "",
        r"fetch_stock_prices\(|return": "This line worked. Which name does the error say?",
        r"sleep\(": NOT_REACHED,
        r"serve\(|run\(main|serve_forever|async def": HAS_RUN,
    },
)
PRAISE = (
    "A server needs a running event loop, and here none runs yet.",
    "websockets calls the function with one argument, the connection; it takes two.",
    "Nothing defines fetch_stock_prices.",
    "The prices are a list; a message is text or bytes.",
    "It uses json, and nothing imports that.",
)
HINTS = (
    (
        "Read the last line of the terminal first: it says what is missing.",
        "Above it stand the lines that led there. Which of them is in server.py?",
        "It is the line that makes the server: websockets.serve(…).",
    ),
    (
        "The last line names a function of server.py, and an argument that it did not get.",
        "The caller is in websockets; the function is in server.py. Who of the two can you change?",
        "Look at the line that begins with async def.",
    ),
    (
        "A NameError means: at this line, the name has no value.",
        "Search server.py for the name. How often is it there?",
        "It is the line that calls the function which nobody wrote.",
    ),
    (
        "Of the lines above the error, find the last that is in server.py.",
        "What does that line hand over: text, bytes, or something else?",
        "It is the line that sends.",
    ),
    (
        "A NameError again: which name?",
        "Modules need a line at the top.",
        "The line that uses json is enough as an answer.",
    ),
)
# What an answer to each of the five would wrongly be.
MISTAKES: tuple[tuple[str, ...], ...] = (
    ("await websocket.send(stock_prices)", "asyncio.get_event_loop().run_forever()"),
    ("asyncio.run(main())", "await websocket.send(stock_prices)"),
    ("await websocket.send(stock_prices)", "asyncio.run(main())"),
    ("await asyncio.sleep(10)", "asyncio.run(main())"),
    ("await asyncio.sleep(10)", "asyncio.run(main())"),
)
RIGHT = (
    'websockets.serve(send_stock_prices, "localhost", 8000)',
    "async def send_stock_prices(websocket, path):",
    "stock_prices = fetch_stock_prices()",
    "await websocket.send(stock_prices)",
    "await websocket.send(json.dumps(stock_prices))",
)


def _find_line_sentence(number: int, answer: str) -> str | None:
    """Return why a line is not at fault, "" for the one that is, and None for no line."""
    text = " ".join(answer.split())
    for pattern, sentence in LINES[number].items():
        if re.search(pattern, text):
            return sentence
    return None


def _judge_line(number: int, answer: Any) -> Outcome:
    kind = "a line of server.py, as text"
    if not isinstance(answer, str):
        said = "Copy the line itself, between single quotes: '…'."
        return Outcome(False, 0, said, kind, describe(answer))
    if not answer.strip():
        said = "Copy the line that is at fault from server.py."
        return Outcome(False, 0, said, kind)
    if len(answer.strip().splitlines()) > MAX_LINES:
        return Outcome(False, 0, "This is more than one line. Which of them is it?", kind)
    sentence = _find_line_sentence(number, answer)
    if sentence is None:
        said = "server.py has no line like this one; copy it from there."
        return Outcome(False, 0, said, kind, describe(answer))
    if sentence:
        return Outcome(False, 0, sentence, kind, describe(answer.strip()))
    return Outcome(True, 1, PRAISE[number])


def _make_line_exercise(number: int) -> Exercise:
    def judge(answer: Any, _: Random) -> Outcome:
        return _judge_line(number, answer)

    names = ("first", "second", "third", "fourth", "fifth")
    wrong = {
        f"line = {line!r}": _find_line_sentence(number, line) or "" for line in MISTAKES[number]
    }
    return Exercise(
        key=f"3a{number + 1}",
        task=f"Name the line of server.py that is the {names[number]} fault.",
        judge=judge,
        hints=HINTS[number],
        solution=f"line = {RIGHT[number]!r}",
        wrong=wrong,
    )


EXERCISES: tuple[Exercise, ...] = (*map(_make_line_exercise, range(len(LINES))), MENDED_SCRIPT)

_QUESTION = "Which error will the server's terminal show: NameError, TypeError or RuntimeError?"
PREDICTIONS = {
    "3a": Prediction(
        "A program makes three HTTP requests, one after the other. How many TCP connections does "
        "it need?",
        1,
        "HTTP/1.1 keeps a connection open for the next request (RFC 9112, section 9.3).",
    ),
    "3a1": Prediction(
        _QUESTION,
        "RuntimeError",
        "websockets.serve needs a running event loop, and the tutorial calls it before any runs.",
    ),
    "3a2": Prediction(
        _QUESTION, "TypeError", "The function takes two arguments, and is called with one."
    ),
    "3a3": Prediction(_QUESTION, "NameError", "Nothing defines fetch_stock_prices."),
    "3a4": Prediction(_QUESTION, "TypeError", "send() takes text or bytes, not a list of dicts."),
    "3a5": Prediction(_QUESTION, "NameError", "Nothing imports json."),
}
