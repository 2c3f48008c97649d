"""The seven exercises of lesson 6: what they ask, their hints, and what mistakes are told."""

from __future__ import annotations

from tickerkit.classroom.lessons.trial import COME_BACK, NAMELESS, NEVER, RETURNED, Trial

__all__ = ["TRIALS"]

TRIALS = (
    Trial(
        1,
        "knock",
        "client(url): connect to the class.",
        "The server has sent 101, and your name is on the board.",
        (
            "In lesson 1 you connected by hand. Here `connect` of websockets does it.",
            "`with connect(url) as ws:` connects, and closes at the end of the block.",
            "A block needs at least one line; `pass` does nothing.",
        ),
        wrong=(("never", NEVER), ("nameless", NAMELESS)),
    ),
    Trial(
        2,
        "listen",
        "client(url): stay connected, and take each message.",
        "Three pings in a row came back with their bytes. Find them in the tap.",
        (
            "Your client leaves when its function returns.",
            "`for message in ws:` waits for each message, until the connection ends.",
            "In class this takes 30 seconds. Run the cell again: the client goes on.",
        ),
        wrong=(("returned", RETURNED),),
    ),
    Trial(
        3,
        "speak",
        "client(url): send a subscribe message, and stay.",
        "The server has taken your text. In the tap, your frame has the mask bit set.",
        (
            "Send it once, after connecting, before the loop.",
            '`json.dumps` makes text of a dict: {"type": "subscribe", "symbols": None}',
            '`ws.send(json.dumps({"type": "subscribe", "symbols": None}))`',
        ),
        meanings={
            "json": "The server can't read your text. `json.dumps` makes JSON of a dict.",
            "binary": "You have sent bytes. Send the text that `json.dumps` returns.",
        },
        wrong=(
            (
                "no json",
                "The server can't read your text. `json.dumps` makes JSON of a dict.",
            ),
            ("binary", "You have sent bytes. Send the text that `json.dumps` returns."),
        ),
    ),
    Trial(
        4,
        "answer",
        "client(url): keep each tick, and answer three questions in a row.",
        "Three right answers in a row. Now your wire breaks: see the next exercise.",
        (
            'A list has ticks: keep each by its number, `ticks[tick["seq"]] = tick`.',
            'A question is a dict: if data["type"] == "ask", send id and value.',
            "Take the prices of one symbol, from seq `from` to `to`, both included, by rising seq.",
        ),
        meanings={
            "no answer": "No answer came. Send a dict with type, id and value, as JSON text.",
            "empty answer": "A wrong answer. Take one symbol, and both ends of the range.",
            "wrong answer": "A wrong answer. Take one symbol, and both ends of the range.",
        },
        wrong=(
            ("no id", "No answer came. Send a dict with type, id and value, as JSON text."),
            ("wrong", "A wrong answer. Take one symbol, and both ends of the range."),
        ),
    ),
    Trial(
        5,
        "survive",
        "client(url): come back after five breaks, and lose nothing.",
        "Five breaks, and every tick once: none is missing, none came twice.",
        (
            "Put `connect` and the loop into `try`, and that into `while True:`.",
            'Come back to `url + f"&after={max(ticks)}"`, if there are ticks.',
            "Sleep 0.2 s times random.uniform(1, 1.5), twice as long each time, until ticks come.",
        ),
        ended=COME_BACK,
        meanings={
            "no after": "Come back with &after= and your newest seq, or ticks are missing.",
            "no growth": "Wait longer after each attempt that failed.",
            "too often": "You came back too often. Wait before each attempt.",
            "no chance": "Add chance to your waits, or all clients come at once.",
            "empty answer": "Ticks are missing, or you have counted some twice.",
            "wrong answer": "Ticks are missing, or you have counted some twice.",
        },
        wrong=(
            ("ended", COME_BACK),
            ("no after", "Come back with &after= and your newest seq, or ticks are missing."),
        ),
    ),
    Trial(
        6,
        "slow",
        "client(url): keep the range of the newest gap, and tell it.",
        "You know exactly what you have missed.",
        (
            'A gap comes as a dict: data["type"] == "gap".',
            'Keep [data["from"], data["to"]] until the question comes.',
            'The question has data["question"] == "gap"; its value is that list.',
        ),
        ended=COME_BACK,
        meanings={
            "no answer": "No answer came to the question about the gap.",
            "empty answer": "You answered None: keep the range when the gap comes.",
            "wrong answer": 'The range is ["from", "to"] of the gap object, as it came.',
        },
        wrong=(
            ("no gap", "You answered None: keep the range when the gap comes."),
            ("wrong gap", 'The range is ["from", "to"] of the gap object, as it came.'),
        ),
    ),
    Trial(
        7,
        "leave",
        "leave(url): connect, and close with code 1000 and a reason.",
        "1000, with a reason, before TCP ended. The market is closed.",
        (
            "A connection of websockets has `close`.",
            "`close` takes a code and a reason.",
            'In the block: `ws.close(1000, "a reason of your own")`',
        ),
        ended="",
        wrong=(
            ("no reason", "The server says: close 1000 came without a reason."),
            ("code", "The server says: you closed with 1001; expected 1000 and a reason."),
        ),
    ),
)
