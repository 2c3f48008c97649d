"""Bounds of the protocol: what a client costs a server, and a server costs a client."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wires import Wire, publish

from tickerkit.errors import ProtocolError
from tickerkit.limits import MAX_COLUMNS, MAX_EPOCH_LENGTH, MAX_SEGMENT_BYTES, MAX_WORDS
from tickerkit.log import Gap, TickLog
from tickerkit.log.dictionary import Dictionary
from tickerkit.protocol import (
    Client,
    Error,
    EveryTickSession,
    Hello,
    PlainClient,
    PricesSession,
    Publication,
    Received,
    V1Session,
)
from tickerkit.protocol.client import MAX_ENDED_EPOCHS, MAX_TEXTS
from tickerkit.protocol.messages import TextColumn, Ticks, encode
from tickerkit.protocol.outbox import MAX_PENDING_BYTES
from tickerkit.protocol.plain_client import MAX_REFUSED, MAX_SEEN
from tickerkit.protocol.prices import PRICES_S
from tickerkit.protocol.symbols import SymbolFilter
from tickerkit.protocol.v1 import MAX_MESSAGE_CHARACTERS, WORD_CHARACTERS
from tickerkit.ticks import Batch, Text, read_ticks


def wide_log(symbols: int, text: int = 0, keep: int = 10**6) -> TickLog:
    """Return a log with a tick of each symbol, and a text of its own in each tick."""
    log = TickLog(keep, epoch="e")
    count = np.arange(symbols)
    columns: dict[str, Any] = {
        "symbol": Text(count.astype(np.int32), [f"S{n}" for n in range(symbols)]),
        "price": count.astype(float),
    }
    if text:
        words = [f"{n:0{text}}" for n in range(symbols)]
        columns["note"] = Text(count.astype(np.int32), words)
    log.append(Batch(symbols, count.astype(np.int64), columns), received=0)
    return log


# --- words ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("history", [0, 10, None])
def test_many_words_come_in_short_messages(history: int | None) -> None:
    """However many words a log has, no message is large, and a client reads on anywhere."""
    log = wide_log(30_000, text=100)
    wire = Wire(log, history=history)
    wire.run()
    publish(log, 2, "A", note="new")
    wire.run()
    frame = wire.log().frame()
    expected = log.frame(last=2 if history == 0 else (history or 30_000) + 2)
    assert frame["symbol"].tolist() == expected["symbol"].tolist()
    assert frame["note"].tolist() == expected["note"].tolist()
    sizes = [len(json.dumps(message)) for message in wire.messages]
    assert sizes[0] < MAX_PENDING_BYTES
    assert max(sizes) < MAX_SEGMENT_BYTES * 1.1  # dumps adds blanks
    assert wire.gaps() == []


def test_words_are_sent_once() -> None:
    """A client that subscribes again is not sent the words again."""
    wire = Wire(wide_log(20_000), history=0)
    session = wire.connect()
    wire.run()
    publish(wire.publication.log)
    wire.run()
    before = len(wire.messages)
    session.receive('{"type":"subscribe","symbols":["S1","A"],"history":0}', wire.now)
    publish(wire.publication.log)
    wire.run()
    assert [message["type"] for message in wire.messages[before:]] == ["at", "ticks"]
    assert wire.log().frame()["symbol"].tolist()[-1] == "A"


def test_client_resumes_while_words_are_sent() -> None:
    """A connection that breaks among the words loses and repeats no tick."""
    log = wide_log(20_000, text=50)
    wire = Wire(log, history=3)
    for _ in range(100):
        publish(log, 1, "AB", note="n")
        wire.cut()
        wire.run(5)
        if wire.seqs():
            break
        wire.session = None
    wire.run()
    seqs = wire.seqs()
    assert seqs == list(range(seqs[0], log.last_seq + 1))
    assert wire.gaps() == []


@pytest.mark.parametrize("many", ["words", "columns", "characters"])
def test_client_takes_a_bounded_number_of_words(many: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """More words or columns of text than a log can hold break the protocol."""
    client = Client()
    client.start_connection()
    client.receive(encode(Hello("e", 1, 1, ["A"], {})))
    monkeypatch.setattr("tickerkit.protocol.words.MAX_CHARACTERS", 10**6)

    def send() -> None:
        for n in range(1000):
            words = [f"{n}.{k}" for k in range(1000)]
            if many == "words":
                symbol, more = TextColumn([0], 1 + 1000 * n, words), {}
            elif many == "columns":
                symbol, more = TextColumn([0]), {f"c{n}": TextColumn([0], 0, ["w"])}
            else:
                symbol, more = TextColumn([0], 1 + n, ["x" * 10_000]), {}
            client.receive(encode(Ticks(n + 1, 1, [0], symbol, [1], more=more)))

    with pytest.raises(ProtocolError, match=many) as caught:
        send()
    assert caught.value.close_code == 1007
    assert client.seq <= MAX_WORDS


def test_client_appends_words_without_copying() -> None:
    """A short message costs the same however many words came before."""
    client = Client()
    client.start_connection()
    client.receive(encode(Hello("e", 1, 1, [f"{n}" for n in range(60_000)], {})))
    symbol = TextColumn([60_000], 60_000, ["new"])
    lists = []
    for seq in range(1, 4):
        [event] = client.receive(encode(Ticks(seq, 1, [0], symbol, [1])))
        assert isinstance(event, Received)
        column = event.batch.columns["symbol"]
        assert isinstance(column, Text)
        lists.append(column.words)
    assert all(words is lists[0] for words in lists)
    assert len(lists[0]) == 60_001


@pytest.mark.parametrize(
    "message",
    [
        Hello("x" * (MAX_EPOCH_LENGTH + 1), 1, 1, [], {}),
        Gap("x" * (MAX_EPOCH_LENGTH + 1), 1, None, ""),
        Ticks(1, 2**40, [], TextColumn([]), []),
        Ticks(1, 0, [], TextColumn([]), [], more={f"{n}": [] for n in range(MAX_COLUMNS + 1)}),
        Ticks(1, 0, [], TextColumn([]), [], more={"x" * 10_000: []}),
    ],
)
def test_message_beyond_the_bounds_breaks_the_protocol(message: Any) -> None:
    """Names, epochs, columns and ticks are bounded."""
    client = Client()
    client.start_connection()
    client.receive(encode(Hello("e", 1, 1, [], {})))
    with pytest.raises(ProtocolError):
        client.receive(encode(message))


@pytest.mark.parametrize("kind", [V1Session, EveryTickSession, PricesSession])
def test_resume_in_an_epoch_that_is_too_long_is_refused_by_name(kind: Any) -> None:
    """Sent back in a gap, it would break the protocol at the client."""
    publication = Publication(TickLog(epoch="e"))
    session = kind(publication, 0.0) if kind is V1Session else kind(publication)

    def answers(length: int) -> list[Any]:
        resume = {"epoch": "x" * length, "seq": 1}
        session.receive(json.dumps({"type": "subscribe", "resume": resume}), 0.0)
        return [json.loads(message) for message in iter(lambda: session.next_message(0.0), None)]

    errors = [answer for answer in answers(MAX_EPOCH_LENGTH + 1) if answer["type"] == "error"]
    assert [error["code"] for error in errors] == ["bad-message"]
    assert "resume.epoch" in errors[0]["message"]
    assert not [answer for answer in answers(MAX_EPOCH_LENGTH) if answer["type"] == "error"]
    assert session.close is None


# --- what a client costs --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [V1Session, EveryTickSession, PricesSession])
def test_client_that_reads_nothing_costs_little(kind: Any) -> None:
    """Whatever it sends, what waits for it is bounded in bytes, and then it is closed."""
    log = wide_log(60_000, text=36)
    publication = Publication(log)
    session = kind(publication, 0.0) if kind is V1Session else kind(publication)
    most = 0
    for n in range(200):
        resume = '{"epoch":"other","seq":5}' if n % 2 else "null"
        session.receive(f'{{"type":"subscribe","resume":{resume},"history":{n}}}', 0.0)
        session.receive(f'{{"x":"{"y" * 100_000}"}}', 0.0)
        log.begin(f"epoch {n}")
        publish(log, 1, "A", note=f"new {n}")
        most = max(most, session._pending.pending_bytes)
    assert most <= 2 * MAX_PENDING_BYTES
    assert session.close is not None
    assert session.close[0] == 1008


# --- filters --------------------------------------------------------------------------------------

NAMES = st.lists(st.sampled_from([f"S{n}" for n in range(50)]), max_size=30, unique=True)


@given(st.lists(NAMES, min_size=1, max_size=5), NAMES, st.lists(NAMES, max_size=2))
@settings(max_examples=50, deadline=None)
def test_filter_selects_its_symbols_as_new_ones_come(
    batches: list[list[str]], wanted: list[str], others: list[list[str]]
) -> None:
    """The mask by code selects the same rows as a comparison of names, in one log or another."""
    chosen = SymbolFilter(wanted)
    for names in (batches, others, batches):
        dictionary = Dictionary()
        for row, batch in enumerate(names):
            for name in batch:
                if name not in dictionary.codes:
                    dictionary.add(name, row)
            codes = np.arange(len(dictionary.words))
            expected = [word in wanted for word in dictionary.words]
            assert chosen.select(codes, dictionary).tolist() == expected


def test_filter_looks_each_symbol_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tick costs a client with ten thousand symbols as much as one with a single symbol."""
    log = wide_log(60_000)
    wire = Wire(log, [f"S{n}" for n in range(0, 60_000, 6)], history=0)
    wire.run()
    looked_up = []
    contains = SymbolFilter.__contains__
    monkeypatch.setattr(
        SymbolFilter,
        "__contains__",
        lambda self, word: looked_up.append(word) or contains(self, word),
        raising=False,
    )
    monkeypatch.setattr(Dictionary, "known_codes", lambda *_: pytest.fail("looks all of them up"))
    monkeypatch.setattr(TickLog, "symbol_codes", lambda *_: pytest.fail("looks all of them up"))
    for n in range(100):
        log.append(read_ticks({"s": f"S{6 * n}", "p": 1}), received=0)
        log.append(read_ticks({"s": f"new {n}", "p": 1}), received=0)
        wire.run()
    assert len(wire.seqs()) == 100
    assert len(looked_up) <= 100


# --- prices ---------------------------------------------------------------------------------------


def read_prices(session: PricesSession, now: float) -> list[list[dict[str, Any]]]:
    """Return all messages that are due, decoded; none is too large for any client."""
    messages = []
    while (message := session.next_message(now)) is not None:
        assert len(message) <= MAX_SEGMENT_BYTES
        messages.append(json.loads(message))
    return messages


@pytest.mark.parametrize(("symbols", "text"), [(12_000, 0), (3000, 1000)])
def test_many_prices_come_in_parts(symbols: int, text: int) -> None:
    """No array is larger than any client accepts; together they have every symbol once."""
    log = wide_log(symbols, text)
    session = PricesSession(Publication(log))
    parts = read_prices(session, 100)
    assert len(parts) > 1
    assert [tick["seq"] for part in parts for tick in part] == list(range(1, symbols + 1))
    # Then only what has changed, and the later the more was sent.
    publish(log, 3, "AB")
    log.append(read_ticks({"s": "S5", "p": 7}), received=0)
    due = session.due()
    assert due == pytest.approx(100 + (len(parts) + 1) * PRICES_S)
    assert session.next_message(due - 0.01) is None
    [changed] = read_prices(session, due)
    assert [tick["symbol"] for tick in changed] == ["S5", "A", "B"]
    assert read_prices(session, due + 10) == []
    session.receive('{"type":"subscribe","symbols":["S5","S7"]}', due + 10)
    [chosen] = read_prices(session, due + 20)
    assert [tick["symbol"] for tick in chosen] == ["S5", "S7"]


@pytest.mark.parametrize("text", ["no subscription", encode(Error("a", "b", "c")).decode()])
def test_other_messages_of_a_client_do_not_bring_all_prices_again(text: str) -> None:
    """Only a subscription starts from the first symbol: thousands of prices are much to send."""
    session = PricesSession(Publication(wide_log(12_000)))
    first = json.loads(session.next_message(100) or b"")
    session.receive(text, 100)
    rest = [message for message in read_prices(session, 100) if isinstance(message, list)]
    seqs = [tick["seq"] for part in (first, *rest) for tick in part]
    assert seqs == list(range(1, 12_001))
    session.receive(text, 200)
    assert [part for part in read_prices(session, 200) if isinstance(part, list)] == []


def test_prices_that_change_among_the_parts_are_sent() -> None:
    """A symbol that ticks while the parts are sent comes with its newest price."""
    log = wide_log(10_000)
    publication = Publication(log)
    session = PricesSession(publication)
    newest: dict[str, float] = {}
    now = 0.0
    for n in range(300):
        symbol = f"S{n * 7919 % 10_000}"
        log.append(read_ticks({"s": symbol, "p": n + 0.5}), received=0)
        message = session.next_message(now)
        newest |= {tick["symbol"]: tick["price"] for tick in json.loads(message or b"[]")}
        now += 0.03
    publication.ended = True
    for part in read_prices(session, now + 10):
        newest |= {tick["symbol"]: tick["price"] for tick in part}
    expected = log.frame().groupby("symbol", observed=True)["price"].last().to_dict()
    assert newest == expected
    assert session.close is not None


# --- plain messages -------------------------------------------------------------------------------


def receive_plain(data: str | bytes) -> list[Received]:
    """Return what a plain client makes of a message."""
    client = PlainClient()
    client.start_connection()
    events = list(client.receive(data))
    assert all(isinstance(event, Received) for event in events)
    return events  # type: ignore[return-value]


def test_large_plain_message_is_read_in_pieces() -> None:
    """Each piece is short, the ticks are numbered on, and an invalid one is refused alone."""
    each = [f'{{"s":"A{n % 7}","p":{n},"note":"[{{\\"}},{n}"}}' for n in range(20_000)]
    each[500] = '{"s":"","p":1}'
    events = receive_plain(f" [{', '.join(each)}]\n")
    assert len(events) > 10
    assert max(event.batch.count for event in events) < 1000
    assert sum(event.batch.refused for event in events) == 1
    seqs = [seq for event in events for seq in event.seq.tolist()]
    assert seqs == list(range(1, 20_000))
    prices = [price for event in events for price in event.batch.columns["price"].tolist()]  # type: ignore[union-attr]
    assert prices == [n for n in range(20_000) if n != 500]


@pytest.mark.parametrize("item", ['""', "1", '{"s":"A"}', '"[1,1,1,1]"', "[]"])
@pytest.mark.parametrize("count", [2000, 500_000])
def test_plain_message_is_read_up_to_its_thousandth_refusal(item: str, count: int) -> None:
    """The rest of it is not looked at; the error says so."""
    events = receive_plain(f"[{','.join([item] * count)}]")
    refused = sum(event.batch.refused for event in events)
    assert MAX_REFUSED <= refused <= MAX_REFUSED + 1
    assert "its rest was not read" in str(events[-1].batch.errors[0])


@pytest.mark.parametrize(
    "text",
    [
        '{"s":"A","p":1,"x":"' + "y" * 300_000 + '"}',
        '[{"s":"B","p":1},{"s":"A","p":1,"x":"' + "y" * 300_000 + '"}]',
        '[{"s":"B","p":1},{"s":"A","p":1,"x":[' + "1," * 300_000 + "1]}]",
    ],
)
def test_large_tick_is_refused(text: str) -> None:
    """A tick of more than 256 KiB is not decoded; the error names the limit."""
    events = receive_plain(text)
    assert sum(event.batch.refused for event in events) == 1
    assert "is larger than 256 KiB" in str(events[-1].batch.errors[0])


def test_tick_of_too_many_fields_is_refused() -> None:
    """Each field is a column."""
    fields = ",".join(f'"x{n}":1' for n in range(2000))
    [event] = receive_plain(f'{{"s":"A","p":1,{fields}}}')
    assert (event.batch.count, event.batch.refused) == (0, 1)
    assert "has too many fields" in str(event.batch.errors[0])


def test_first_messages_of_a_connection_are_small() -> None:
    """A connection that breaks early gets further than the one before."""
    log = TickLog()
    publish(log, 20_000)
    wire = Wire(log)
    wire.run()
    counts = [message["count"] for message in wire.messages if message["type"] == "ticks"]
    assert counts[0] <= 64
    assert max(counts) == 4096


def test_client_remembers_a_bounded_number_of_ended_epochs() -> None:
    """A server may end as many epochs as it likes."""
    client = Client()
    list(client.receive(encode(Hello("e", 1, 1, [], {}))))
    for n in range(MAX_ENDED_EPOCHS + 100):
        list(client.receive(encode(Gap(f"old {n}", 1, None, "gone"))))
    assert len(client._ended_epochs) <= MAX_ENDED_EPOCHS


def test_word_that_does_not_fit_into_a_message_begins_the_next_one() -> None:
    """The first column's words may leave no room for any of the second's."""
    log = TickLog(epoch="e")
    room = MAX_MESSAGE_CHARACTERS - len("A") - WORD_CHARACTERS
    count = 8
    length = room // count - WORD_CHARACTERS
    texts = [f"{number:0{length}}" for number in range(count)]
    log.append(
        read_ticks([{"s": "A", "p": 1, "note": text, "side": "buy"} for text in texts]), received=0
    )
    wire = Wire(log)
    wire.connect()
    wire.run()
    [received] = [event for event in wire.events if isinstance(event, Received)]
    assert received.batch.count == count
    assert isinstance(side := received.batch.columns["side"], Text)
    assert side.words == ["buy"]


def test_ticks_of_long_text_reach_a_log_in_parts() -> None:
    """Each part takes a log some 10 ms; the position advances with them."""
    client = Client()
    client.start_connection()
    client.receive(encode(Hello("e", 1, 1, [], {"note": "text"})))
    count = MAX_TEXTS - 1
    message = Ticks(
        1,
        count,
        [0] * count,
        TextColumn([0] * count, 0, ["A"]),
        [1.0] * count,
        texts={"note": ["x"] * count},
    )
    parts = []
    for event in client.receive(encode(message)):
        assert isinstance(event, Received)
        parts.append(event.batch.count)
        assert client.seq == sum(parts)
    assert len(parts) > 1
    assert sum(parts) == count
    assert client.known_symbols() == ["A"]


def test_plain_client_notes_a_bounded_number_of_symbols() -> None:
    """They serve an error about a symbol that does not come."""
    client = PlainClient(["A"])
    client.start_connection()
    assert client.known_symbols() == []
    ticks = [{"symbol": f"S{number}", "price": 1} for number in range(MAX_SEEN)]
    for tick in ticks:
        [event] = client.receive(json.dumps(tick))
        assert isinstance(event, Received)
        assert event.batch.count == 0
    client.receive('{"symbol":"late","price":1}')
    assert len(client.known_symbols()) == MAX_SEEN


def test_client_of_all_prices_gets_those_of_a_subscription_anew() -> None:
    """Prices that it had before are sent again, of the symbols that it now wants."""
    publication = Publication(TickLog(epoch="e"))
    publication.log.append(read_ticks([{"s": "A", "p": 1}, {"s": "B", "p": 2}]), received=0)
    session = PricesSession(publication)
    assert len(json.loads(session.next_message(0.0) or b"")) == 2
    session.receive('{"type":"subscribe","symbols":["B"]}', 1.0)
    [tick] = json.loads(session.next_message(1.0) or b"")
    assert tick["symbol"] == "B"


def test_integers_beyond_a_float_are_exact_over_the_wire() -> None:
    """A column without a value in the ticks sent is left out."""
    log = TickLog(epoch="e")
    log.append(read_ticks([{"s": "A", "p": 1, "id": 2**53 + 1}, {"s": "B", "p": 2}]), received=0)
    for symbols, columns in (["A"], {"id": [2**53 + 1]}), (["B"], {}):
        session = V1Session(Publication(log), 0.0)
        session.receive(json.dumps({"type": "subscribe", "symbols": symbols, "history": None}), 0.0)
        messages = [json.loads(each) for each in iter(lambda: session.next_message(0.0), None)]  # noqa: B023
        [ticks] = [each for each in messages if each["type"] == "ticks" and each["count"]]
        assert ticks.get("ints", {}) == columns


def test_closed_session_of_all_prices_sends_nothing_more() -> None:
    """Its prices would come after the reason for the close."""
    publication = Publication(TickLog(epoch="e"))
    session = PricesSession(publication)
    session.receive("x" * 10, 0.0)
    while session.close is None:
        session.receive("x" * 10, 0.0)
    publish(publication.log)
    while session.next_message(1.0):
        pass
    assert session.next_message(1.0) is None
