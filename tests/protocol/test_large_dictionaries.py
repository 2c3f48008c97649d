"""Large dictionaries: symbols and words reach each client in messages of a bounded size."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from wires import Wire

from tickerkit.errors import ProtocolError
from tickerkit.limits import (
    MAX_DICTIONARY_BYTES,
    MAX_MISFIT_NAMES,
    MAX_SEGMENT_BYTES,
    MAX_SYMBOLS,
)
from tickerkit.log import TickLog
from tickerkit.protocol import Client
from tickerkit.protocol.messages import Hello, Misfits, encode
from tickerkit.protocol.words import ReceivedWords
from tickerkit.ticks import read_ticks

BIG = 2**53 + 1


def large_log(ticks: int = 6_000) -> TickLog:
    """Return a log with many symbols, long words, and one column of free text."""
    log = TickLog(epoch="e")
    frame = pd.DataFrame(
        {
            "symbol": [f"symbol {number:06}" for number in range(ticks)],
            "price": 1.0,
            # With escapes, each takes six times as many bytes.
            "note": [f"{number:06}" + "\x01" * 90 for number in range(ticks)],
            "side": ["buy", "sell"] * (ticks // 2),
        }
    )
    log.append(read_ticks(frame), received=0)
    word_count = MAX_DICTIONARY_BYTES // 4000 + 1
    texts = [{"s": "A", "p": 1, "free": f"{number:04}" * 1000} for number in range(word_count)]
    log.append(read_ticks(texts), received=0)
    return log


def drain(wire: Wire) -> list[bytes]:
    """Deliver everything; return what the client got."""
    session = wire.session or wire.connect()
    raw: list[bytes] = []
    while True:
        for reply in wire.client.take_replies():
            session.receive(reply.decode(), wire.now)
        message = session.next_message(wire.now)
        if message is None:
            return raw
        raw.append(message)
        wire.events += wire.client.receive(message)


@pytest.mark.parametrize("history", [0, 10, None])
def test_no_message_is_large_however_many_words_there_are(history: int | None) -> None:
    """A late client gets all words it needs in messages of at most 512 kB, and every tick."""
    log = large_log()
    wire = Wire(log, history=history)
    raw = drain(wire)
    assert max(map(len, raw)) <= MAX_SEGMENT_BYTES
    # A tick with an early symbol and early words: no segment from here on has them.
    log.append(
        read_ticks([{"s": "symbol 005999", "p": 2, "note": log.frame()["note"][5_999]}]), received=0
    )
    raw += drain(wire)
    assert max(map(len, raw)) <= MAX_SEGMENT_BYTES
    got = wire.log().frame()
    expected = log.frame(last=len(got))
    assert len(got) == (log.stop if history is None else history + 1)
    for name in ("seq", "symbol", "note", "free"):
        if name in got:
            values, wanted = got[name].astype(object), expected[name].astype(object)
            assert values.fillna("").tolist() == wanted.fillna("").tolist()


def test_full_symbol_dictionary_arrives() -> None:
    """A client that joins a log of 65,536 symbols gets the next tick of each."""
    log = TickLog(1000, epoch="e")
    names = [f"S{number}" for number in range(MAX_SYMBOLS)]
    log.append(read_ticks(pd.DataFrame({"symbol": names, "price": 1.0})), received=0)
    wire = Wire(log, history=0)
    raw = drain(wire)
    log.append(read_ticks([{"s": name, "p": 2} for name in (names[0], names[-1])]), received=0)
    raw += drain(wire)
    assert wire.log().frame()["symbol"].tolist() == [names[0], names[-1]]
    assert max(map(len, raw)) <= MAX_SEGMENT_BYTES


def test_client_that_is_cut_among_the_words_resumes_exactly() -> None:
    """Cut after any of the messages that bring words, a client has every tick once."""
    log = large_log(1_200)
    whole = Wire(log, history=3)
    count = len(drain(whole))
    for most in range(count + 2):
        wire = Wire(log, history=3)
        wire.connect()
        for _ in range(most):
            wire.step()
        wire.cut()
        drain(wire)
        assert wire.seqs() == whole.seqs()
        assert wire.gaps() == []


def test_client_forgets_the_words_of_a_column_without_its_dictionary(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither its memory nor its hello for readers of the connection has them any longer."""
    monkeypatch.setattr("tickerkit.log.columns.MAX_WORDS", 20)
    log = TickLog(epoch="e")
    wire = Wire(log)
    for start in range(0, 40, 10):
        ids = [{"symbol": "A", "price": 1, "id": f"w{n}"} for n in range(start, start + 10)]
        log.append(read_ticks(ids), received=0)
        wire.run()
    assert isinstance(wire.client, Client)
    hello = json.loads(wire.client.current_hello() or b"")
    assert (hello["symbols"], hello["columns"]) == (["A"], {})
    assert wire.log().frame()["id"].tolist() == [f"w{n}" for n in range(40)]


def test_forgotten_words_leave_room_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound of characters counts the words that are kept."""
    monkeypatch.setattr("tickerkit.protocol.words.MAX_CHARACTERS", 10)
    words = ReceivedWords()
    for _ in range(3):
        words.extend("id", 0, ["x" * 6])
        words.forget("id")
    words.forget("id")
    words.extend("symbol", 0, ["x" * 6])
    with pytest.raises(ProtocolError, match="more than 10 characters"):
        words.extend("id", 0, ["x" * 6])


def test_symbols_and_words_have_bounds_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound of symbols is that of a log's symbols, not that of a column's words."""
    monkeypatch.setattr("tickerkit.protocol.words.MAX_SYMBOLS", 2)
    monkeypatch.setattr("tickerkit.protocol.words.MAX_WORDS", 3)
    words = ReceivedWords()
    words.extend("symbol", 0, ["A", "B"])
    words.extend("note", 0, ["a", "b", "c"])
    for name, bound in (("symbol", 2), ("note", 3)):
        with pytest.raises(ProtocolError, match=f"has more than {bound} words"):
            words.extend(name, bound, ["more"])


@pytest.mark.parametrize("history", [150, None])
def test_column_without_its_dictionary_is_sent_again_as_text(
    history: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Messages that were cached with codes of the dictionary are not sent to those who join."""
    monkeypatch.setattr("tickerkit.log.columns.MAX_WORDS", 200)
    log = TickLog(epoch="e")
    early, cut, late = Wire(log), Wire(log), Wire(log, history=history)
    for wire in (cut, late):
        wire.serve(log, early.publication)
    for start in range(0, 210, 10):
        ids = [{"symbol": "A", "price": 1, "id": f"w{n}"} for n in range(start, start + 10)]
        log.append(read_ticks(ids), received=0)
        early.run()
        if start < 60:
            cut.run()
    assert "id" not in log.dictionaries
    cut.cut()
    for wire in (cut, late):
        wire.run()
        frame = wire.log().frame()
        assert frame["id"].tolist() == [f"w{seq - 1}" for seq in frame["seq"]]
        assert frame["seq"].iloc[-1] == 210


def test_counts_of_many_names_are_added_up_by_the_names_of_the_server() -> None:
    """Names beyond the bound share one count, which grows by what each of them has grown."""
    client = Client()
    list(client.receive(encode(Hello("e", 1, 1, [], {}))))
    names = [f"c{n}" for n in range(MAX_MISFIT_NAMES)]
    for counts in (dict.fromkeys(names, 1), {"x": 5}, {"(others)": 3}, {"x": 6}):
        list(client.receive(encode(Misfits(counts))))
    assert client.misfits["(others)"] == 9
    assert len(client.misfits) == MAX_MISFIT_NAMES + 1


def test_long_names_of_counts_are_cut() -> None:
    """A hostile server could otherwise fill the memory of a feed with a few hundred names."""
    client = Client()
    list(client.receive(encode(Hello("e", 1, 1, [], {}))))
    for n in range(3):
        list(client.receive(encode(Misfits({"x" * 100_000 + str(n): 1, f"{n}" * 100_000: 1}))))
    assert max(map(len, client.misfits)) == max(map(len, client._server_misfits)) == 64


def test_misfits_are_announced_before_the_ticks_that_lack_them() -> None:
    """A client knows what was left out as soon as it has the tick, and only since it connected."""
    log = TickLog(epoch="e")
    log.append(read_ticks([{"s": "A", "p": 1, "note": value} for value in (1.5, "x")]), received=0)
    wire = Wire(log, history=0)
    drain(wire)
    client = wire.client
    assert isinstance(client, Client)
    assert client.misfits == {}
    log.append(read_ticks({"s": "A", "p": 1, "note": "y", "deep": []}), received=0)
    types = [json.loads(message)["type"] for message in drain(wire)]
    assert types == ["misfits", "ticks"]
    assert client.misfits == {"note": 1, "deep": 1}
    # What happened while it was away is told by the next hello.
    wire.cut()
    log.append(read_ticks({"s": "A", "p": 1, "note": "z"}), received=0)
    drain(wire)
    assert client.misfits == {"note": 2, "deep": 1}
    # A server that is started anew counts from 0.
    other = TickLog(epoch="f")
    other.append(read_ticks([{"s": "A", "p": 1, "note": v} for v in (1, "x")]), received=0)
    wire.serve(other)
    drain(wire)
    assert client.misfits == {"note": 3, "deep": 1}


@pytest.mark.parametrize(
    "changes",
    [
        {"ints": {"id": [1, 2]}},
        {"ints": {"id": [2**63]}},
        {"ints": {"id": [1.5]}},
        {"ints": {"seq": [1]}},
        {"texts": {"id": ["a", "b"]}},
        {"texts": {"price": ["a"]}},
    ],
)
def test_wrong_integers_and_texts_break_the_protocol(changes: dict[str, object]) -> None:
    """Columns that have the wrong length, type, size or name end the connection."""
    client = Client()
    client.start_connection()
    hello = {"type": "hello", "epoch": "e", "first": 1, "next": 1, "symbols": ["A"], "columns": {}}
    client.receive(json.dumps(hello))
    ticks = {"type": "ticks", "seq": 1, "count": 1, "time": [1], "symbol": {"codes": [0]}}
    with pytest.raises(ProtocolError):
        client.receive(json.dumps({**ticks, "price": [1], **changes}))
