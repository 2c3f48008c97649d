"""NatsBroker: the four verbs against a real server, and what can happen to a stream."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from nats_cluster import NatsCluster

from tickerkit.brokers import NatsBroker, StreamAddress, StreamLimits, nats
from tickerkit.errors import StreamError
from tickerkit.streams import Stored, StreamMessage

T = TypeVar("T")
MAKER = StreamLimits()


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a test's coroutine, and see that it leaves no task behind."""

    async def watched() -> T:
        try:
            return await work
        finally:
            await asyncio.sleep(0)
            left = asyncio.all_tasks() - {asyncio.current_task()}
            assert not left

    return asyncio.run(watched())


def ticks(seq: int, count: int = 1, body: bytes = b"{}") -> StreamMessage:
    """Return a message of ticks."""
    return StreamMessage("ticks", "e1", seq, count, body)


async def fill(broker: NatsBroker, count: int) -> int:
    """Put messages; return the number of the last."""
    number = (await broker.tail()).number
    for seq in range(1, count + 1):
        number = await broker.put(ticks(seq), number)
    return number


async def collect(broker: NatsBroker, start: int, count: int) -> list[int]:
    """Return the numbers of the messages that are read."""
    return [stored.number async for stored in broker.read(start, count)]


def test_new_stream_is_empty(url: str) -> None:
    """The first message follows number 0."""

    async def work() -> None:
        async with NatsBroker(url, create=MAKER) as broker:
            assert await broker.tail() == Stored(0, None)
            assert await broker.first() == 1
            assert await collect(broker, 0, 1) == []
            assert await collect(broker, 0, 5) == []
            assert await broker.put(ticks(1), 0) == 1
            assert await broker.first() == 1

    run(work())


@pytest.mark.parametrize("compress", [False, True])
def test_messages_come_back_as_they_were(url: str, compress: bool) -> None:
    """Each verb returns the message, its number, and when the broker stored it."""
    messages = [
        StreamMessage("epoch", "e1", 1, 0, b'{"type":"hello"}'),
        StreamMessage("ticks", "e1", 1, 1000, b'{"type":"ticks","at":12345}' * 800),
        StreamMessage("gap", "e1", 1001, 5, bytes(range(256))),
        StreamMessage("end", "e1", 1006, 0, b""),
    ]

    async def work() -> None:
        before = time.time_ns()
        async with NatsBroker(url, create=MAKER, compress=compress) as broker:
            for number, message in enumerate(messages):
                assert await broker.put(message, number) == number + 1
                tail = await broker.tail()
                assert tail[:2] == (number + 1, message)
                assert [each async for each in broker.read(number + 1, 1)] == [tail]
        async with NatsBroker(url) as reader:
            read = [each async for each in reader.read(1, 10)]
        assert [each[:2] for each in read] == list(enumerate(messages, 1))
        stamps = [each.stored_ns for each in read]
        assert sorted(stamps) == stamps
        assert before - 10**9 < stamps[0] <= stamps[-1] < time.time_ns() + 10**9

    run(work())


@pytest.mark.parametrize("after", [0, 1, 3, 2**40])
def test_put_after_another_number_is_refused(url: str, after: int) -> None:
    """Also after 0, which some servers took for no condition; the next good one still fits."""

    async def work() -> None:
        async with NatsBroker(url, create=MAKER) as broker:
            assert await fill(broker, 2) == 2
            with pytest.raises(
                StreamError, match=f"another message.*after number {after}"
            ) as caught:
                await broker.put(ticks(3), after)
            assert not caught.value.is_final
            assert (await broker.tail()).number == 2
            assert await broker.put(ticks(3), 2) == 3

    run(work())


def test_later_writer_takes_over(url: str) -> None:
    """Of two makers, the one that appends with the right number wins; the other is refused."""

    async def work() -> None:
        async with NatsBroker(url, create=MAKER) as old, NatsBroker(url, create=MAKER) as new:
            number = await fill(old, 3)
            tail = await new.tail()
            assert tail.number == number
            await new.put(StreamMessage("epoch", "e2", 1, 0, b"{}"), tail.number)
            with pytest.raises(StreamError):
                await old.put(ticks(4), number)
            fenced = (await old.tail()).message
            assert fenced is not None
            assert fenced.epoch == "e2"

    run(work())


def test_read_waits_for_later_messages(url: str) -> None:
    """A reader gets what is there and then what comes, also from a start beyond the end."""

    async def work() -> None:
        async with NatsBroker(url, create=MAKER) as maker, NatsBroker(url) as relay:
            await fill(maker, 2)
            late, early = relay.read(4), relay.read(0)
            waiting = asyncio.ensure_future(anext(late))
            numbers = [(await anext(early)).number for _ in range(2)]
            for number in (2, 3, 4):
                await maker.put(ticks(number + 1), number)
            numbers += [(await anext(early)).number for _ in range(3)]
            assert numbers == [1, 2, 3, 4, 5]
            assert (await waiting).number == 4
            await early.aclose()  # type: ignore[attr-defined]
            await late.aclose()  # type: ignore[attr-defined]

    run(work())


def test_read_of_a_number_of_messages_ends(url: str) -> None:
    """It ends with the messages that are held now."""

    async def work() -> None:
        async with NatsBroker(url, create=MAKER) as broker:
            await fill(broker, 5)
            assert await collect(broker, 2, 0) == []
            assert await collect(broker, 2, 1) == [2]
            assert await collect(broker, 2, 3) == [2, 3, 4]
            assert await collect(broker, 4, 10) == [4, 5]
            assert await collect(broker, 6, 1) == []
            assert await collect(broker, 6, 10) == []

    run(work())


def test_large_stream_comes_whole(url: str) -> None:
    """Flow control is answered: more arrives than the server sends ahead."""
    body = bytes(2**19)

    async def work() -> None:
        async with NatsBroker(url, create=MAKER) as broker:
            for number in range(100):
                await broker.put(ticks(number + 1, 1, body), number)
            sizes = [
                len(stored.message.body)
                async for stored in broker.read(1, 100)
                if stored.message is not None
            ]
            assert sizes == [2**19] * 100

    run(work())


def test_trimmed_stream_begins_at_its_oldest_message(server: NatsCluster, name: str) -> None:
    """A number that is no longer held gives the next one that is."""

    async def work() -> None:
        async with NatsBroker(server.url(name), create=MAKER) as broker:
            await fill(broker, 10)
            config = (await broker.inspect())["config"]
            await server.call(f"STREAM.UPDATE.TICKERKIT_{name}", {**config, "max_msgs": 4})
            assert await broker.first() == 7
            assert await collect(broker, 2, 1) == [7]
            assert await collect(broker, 2, 3) == [7, 8, 9]
            assert (await broker.tail()).number == 10

    run(work())


async def make_by_hand(server: NatsCluster, name: str, **settings: object) -> None:
    """Make a stream as an operator does."""
    config = {
        "name": f"TICKERKIT_{name}",
        "subjects": [f"tickerkit.{name}"],
        "storage": "memory",
        "allow_direct": True,
        "num_replicas": 1,
        **settings,
    }
    answer = await server.call(f"STREAM.CREATE.TICKERKIT_{name}", config)
    assert "error" not in answer, answer


def test_purged_stream_counts_on(server: NatsCluster, name: str) -> None:
    """An empty stream has the number that the next message must follow."""

    async def work() -> None:
        await make_by_hand(server, name)
        async with NatsBroker(server.url(name), create=MAKER) as broker:
            await fill(broker, 5)
            await server.call(f"STREAM.PURGE.TICKERKIT_{name}")
            assert await broker.tail() == Stored(5, None)
            assert await broker.first() == 6
            assert await collect(broker, 1, 1) == []
            with pytest.raises(StreamError):
                await broker.put(ticks(1), 0)
            assert await broker.put(ticks(6), 5) == 6

    run(work())


@pytest.mark.parametrize("storage", ["memory", "file"])
def test_deleted_message_is_passed_over(server: NatsCluster, name: str, storage: str) -> None:
    """Of a stream whose last message was deleted, the tail still has its number."""

    async def work() -> None:
        await make_by_hand(server, name, storage=storage)
        async with NatsBroker(server.url(name), create=MAKER) as broker:
            await fill(broker, 5)
            for number in (3, 5):
                await server.call(f"STREAM.MSG.DELETE.TICKERKIT_{name}", {"seq": number})
            assert await collect(broker, 3, 1) == [4]
            assert await collect(broker, 1, 10) == [1, 2, 4]
            assert await broker.tail() == Stored(5, None)
            assert await broker.put(ticks(6), 5) == 6
            assert (await broker.tail()).message == ticks(6)

    run(work())


def test_deleted_stream_is_made_again(
    server: NatsCluster, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The maker finds an empty stream; a reader notices that nothing comes any more."""
    monkeypatch.setattr(nats, "SILENCE_S", 0.5)

    async def work() -> None:
        url = server.url(name)
        async with NatsBroker(url, create=MAKER) as maker, NatsBroker(url) as relay:
            await fill(maker, 5)
            reading = relay.read(5)
            assert (await anext(reading)).number == 5
            await server.call(f"STREAM.DELETE.TICKERKIT_{name}")
            for verb in (relay.tail, relay.first):
                with pytest.raises(StreamError, match="there is no stream") as caught:
                    await verb()
                assert not caught.value.is_final
            with pytest.raises(StreamError) as caught:
                await maker.put(ticks(6), 5)
            assert not caught.value.is_final
            assert await maker.tail() == Stored(0, None)
            assert await maker.put(ticks(1), 0) == 1
            assert await collect(relay, 5, 1) == []
            assert await collect(relay, 1, 1) == [1]
            with pytest.raises(StreamError):
                await anext(reading)

    run(work())


def test_other_messages_have_none(server: NatsCluster, name: str) -> None:
    """A message of another program, or of a later version, is passed on as a number."""
    import nats as nats_py

    async def work() -> None:
        async with NatsBroker(server.url(name), create=MAKER) as broker:
            client = await nats_py.connect(f"nats://127.0.0.1:{server.servers[0].port}")
            headers = {"Tk-V": "2", "Tk-Kind": "ticks", "Tk-Epoch": "e", "Tk-Seq": "1"}
            subject = f"tickerkit.{name}"
            await client.request(subject, b"hello", timeout=5)
            await client.request(subject, b"", timeout=5, headers={**headers, "Tk-Count": "1"})
            await client.request(subject, b"", timeout=5, headers={"Status": "100"})
            await client.close()
            tail = await broker.tail()
            assert tail[:2] == (3, None)
            assert tail.stored_ns > 0
            read = [each async for each in broker.read(1, 10)]
            assert [each[:2] for each in read] == [(1, None), (2, None), (3, None)]
            assert [each[:2] async for each in broker.read(2, 1)] == [(2, None)]
            assert await broker.put(ticks(1), 3) == 4

    run(work())


@pytest.mark.parametrize(
    "headers",
    [
        b"NATS/1.0",
        b"garbage!",
        b"NATS/1.0 \xff\xff\xff\r\n\r\n",
        b"NATS/1.0\r\nNats-Sequence: x\r\n\r\n",
    ],
)
def test_message_with_damaged_headers_is_passed_over(
    server: NatsCluster, name: str, headers: bytes
) -> None:
    """Readers get the messages after it, over the same connection."""

    async def work() -> None:
        host, port = server.servers[0].host, server.servers[0].port
        async with NatsBroker(server.url(name), create=MAKER) as broker:
            _, writer = await asyncio.open_connection(host, port)
            writer.write(b'CONNECT {"headers":true,"verbose":false}\r\n')
            size, subject = len(headers), f"tickerkit.{name}".encode()
            writer.write(b"HPUB %b %d %d\r\n%b\r\n" % (subject, size, size, headers))
            await writer.drain()
            while (await broker.tail()).number < 1:
                pass
            await broker.put(ticks(1), 1)
            read = [each[:2] async for each in broker.read(1, 2)]
            assert read == [(1, None), (2, ticks(1))]
            assert [each[:2] async for each in broker.read(1, 1)] == [(1, None)]
            writer.close()

    run(work())


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"subjects": ["other"]}, "subjects"),
        ({"subjects": ["tickerkit.{name}", "tickerkit.{name}.>"]}, "subjects"),
        ({"allow_direct": False}, "allow_direct"),
        ({"retention": "workqueue"}, "retention"),
        ({"discard": "new"}, "discard"),
        ({"no_ack": True}, "no_ack"),
        ({"max_msg_size": 1000}, "max_msg_size"),
    ],
)
def test_setting_that_does_not_fit_is_named(
    server: NatsCluster, name: str, settings: dict[str, Any], named: str
) -> None:
    """The error is final, names the setting, and the stream stays as it is."""
    subjects = [each.format(name=name) for each in settings.get("subjects", ["tickerkit.{name}"])]

    async def work() -> None:
        await make_by_hand(server, name, **{**settings, "subjects": subjects})
        broker = NatsBroker(server.url(name), create=MAKER)
        before = (await broker.inspect())["config"]
        for verb in (broker.open, broker.tail, broker.first):
            with pytest.raises(StreamError, match=f"doesn't fit: {named} is") as caught:
                await verb()
            assert caught.value.is_final
        assert (await broker.inspect())["config"] == before
        await broker.close()
        await server.call(f"STREAM.DELETE.TICKERKIT_{name}")

    run(work())


def test_readers_accept_what_only_makers_mind(server: NatsCluster, name: str) -> None:
    """A relay may read a stream that refuses new messages, and a mirror."""

    async def work() -> None:
        await make_by_hand(server, name, discard="new")
        async with NatsBroker(server.url(name)) as relay:
            assert (await relay.tail()).number == 0

    run(work())


def test_mirror_is_read_but_not_written(server: NatsCluster, name: str) -> None:
    """It has the numbers of its origin; the maker's error says to publish there."""

    async def work() -> None:
        url, mirror = server.url(name), server.url(f"{name}-copy")
        async with NatsBroker(url, create=MAKER) as maker:
            await fill(maker, 3)
            origin = {"name": f"TICKERKIT_{name}"}
            await make_by_hand(server, f"{name}-copy", subjects=None, mirror=origin)
            async with NatsBroker(mirror) as relay:
                reading = relay.read(2)
                assert [(await anext(reading)).number for _ in range(2)] == [2, 3]
                await reading.aclose()  # type: ignore[attr-defined]
                assert await collect(relay, 1, 1) == [1]
                assert (await relay.tail()).number == 3
            with pytest.raises(StreamError, match="doesn't fit: mirror is"):
                async with NatsBroker(mirror, create=MAKER):
                    pass

    run(work())


def test_reader_makes_no_stream(url: str) -> None:
    """The error of a relay that starts before its maker says so, and isn't final."""

    async def work() -> None:
        relay = NatsBroker(url)
        with pytest.raises(StreamError, match=r"there is no stream 'test-.*' yet") as caught:
            await relay.open()
        assert not caught.value.is_final
        async with NatsBroker(url, create=MAKER):
            await relay.open()
        await relay.close()

    run(work())


def test_stream_is_made_with_its_limits(url: str) -> None:
    """It is kept in files, on one server if there is one, and its messages can't be deleted."""

    async def work() -> None:
        limits = StreamLimits.parse("24h,2GB")
        async with NatsBroker(url, create=limits) as broker:
            config = (await broker.inspect())["config"]
        assert config["max_bytes"] == 2 * 10**9
        assert config["max_age"] == 24 * 3600 * 10**9
        assert (config["storage"], config["num_replicas"]) == ("file", 1)
        assert (config["discard"], config["allow_direct"]) == ("old", True)
        assert (config["deny_delete"], config["deny_purge"]) == (True, True)
        # Other limits later change nothing.
        async with NatsBroker(url, create=StreamLimits.parse("1h")) as broker:
            assert (await broker.inspect())["config"] == config

    run(work())


def test_two_makers_make_one_stream(url: str) -> None:
    """Both may begin at the same time, with different limits."""

    async def work() -> None:
        makers = [NatsBroker(url, create=StreamLimits.parse(f"{n}h")) for n in range(1, 6)]
        await asyncio.gather(*(maker.open() for maker in makers))
        assert [(await maker.tail()).number for maker in makers] == [0] * 5
        for maker in makers:
            await maker.close()

    run(work())


def test_limits_that_the_broker_can_not_hold_are_final(url: str) -> None:
    """The fix names the argument."""

    async def work() -> None:
        broker = NatsBroker(url, create=StreamLimits.parse("900TB"))
        with pytest.raises(StreamError, match="keep=") as caught:
            await broker.open()
        assert caught.value.is_final
        await broker.close()

    run(work())


def test_copies_need_a_cluster(url: str) -> None:
    """Three copies on one server are refused for good; by default there is one."""

    async def work() -> None:
        broker = NatsBroker(url, create=StreamLimits(replicas=3))
        with pytest.raises(StreamError, match="pass replicas=1") as caught:
            await broker.open()
        assert caught.value.is_final
        await broker.close()

    run(work())


def test_answer_of_another_program_is_an_error(server: NatsCluster, name: str) -> None:
    """Another program may answer at the stream's subject."""
    import nats as nats_py

    async def work() -> None:
        async with NatsBroker(server.url(name), create=MAKER) as broker:
            client = await nats_py.connect(f"nats://127.0.0.1:{server.servers[0].port}")
            answers = [b"hello", b"[1]", b'{"seq": "1"}', b"null"]
            # The stream must not answer as well.
            await server.call(f"STREAM.DELETE.TICKERKIT_{name}")

            async def answer(message: Any) -> None:
                await message.respond(answers.pop())

            await client.subscribe(f"tickerkit.{name}", cb=answer)
            await client.flush()
            while answers:
                with pytest.raises(StreamError, match="answer"):
                    await broker.put(ticks(1), 0)
            await client.close()

    run(work())


def test_message_beyond_the_servers_limit_is_final(url: str) -> None:
    """Trying again would not make it smaller."""

    async def work() -> None:
        async with NatsBroker(url, create=MAKER) as broker:
            with pytest.raises(StreamError, match="at most 1,048,576 bytes; set its max_payload"):
                await broker.put(ticks(1, 1, bytes(2**20 + 1)), 0)
            assert await broker.put(ticks(1), 0) == 1

    run(work())


def test_verbs_open_the_connection(url: str) -> None:
    """`open` may be left out, also with several verbs at once."""

    async def work() -> None:
        broker = NatsBroker(url, create=MAKER)
        found = await asyncio.gather(broker.tail(), broker.first(), broker.put(ticks(1), 0))
        assert found[2] == 1
        await broker.close()

    run(work())


def test_closed_broker_stays_closed(url: str) -> None:
    """Verbs that wait fail, and later ones too; closing again does nothing."""

    async def work() -> None:
        broker = NatsBroker(url, create=MAKER)
        await broker.close()
        with pytest.raises(StreamError, match="was closed") as caught:
            await broker.tail()
        assert caught.value.is_final
        broker = NatsBroker(url, create=MAKER)
        waiting = asyncio.ensure_future(anext(broker.read(1)))
        await fill(other := NatsBroker(url, create=MAKER), 0)
        await broker.open()
        await asyncio.sleep(0)
        await broker.close()
        with pytest.raises(StreamError):
            await waiting
        await other.close()
        await broker.close()

    run(work())


def test_verbs_can_be_cancelled(url: str) -> None:
    """A cancelled verb leaves nothing behind, and the next one works."""

    async def work() -> None:
        async with NatsBroker(url, create=MAKER) as broker:
            number = await fill(broker, 1)
            for rounds in range(30):
                verbs = [
                    asyncio.ensure_future(each)
                    for each in (broker.tail(), broker.first(), anext(broker.read(5)))
                ]
                for _ in range(rounds):
                    await asyncio.sleep(0)
                for verb in verbs:
                    verb.cancel()
                await asyncio.gather(*verbs, return_exceptions=True)
                assert (await broker.tail()).number == number

    run(work())


def test_opening_can_be_cancelled(url: str) -> None:
    """A connection that is being made is closed."""

    async def work() -> None:
        for rounds in range(25):
            broker = NatsBroker(url, create=MAKER)
            opening = asyncio.ensure_future(broker.open())
            for _ in range(rounds):
                await asyncio.sleep(0)
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)
            await broker.close()

    run(work())


def test_missing_package_is_one_sentence(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without nats-py, the error says what to install."""
    for module in ("connection", "nats_client"):
        monkeypatch.delitem(sys.modules, f"tickerkit.brokers.{module}", raising=False)
    monkeypatch.setitem(sys.modules, "nats", None)

    async def work() -> None:
        with pytest.raises(StreamError, match=r"pip install 'tickerkit\[scale\]'") as caught:
            await NatsBroker(url).open()
        assert caught.value.is_final

    run(work())


def test_subject_of_an_acknowledgement_is_read() -> None:
    """Both versions of the broker's subjects give the same place."""
    place = (60, 5, 1_795_925_158_085_254_849, 7)
    tail = "1.60.5.1795925158085254849.7"
    assert nats.read_place(f"$JS.ACK.TICKERKIT_a.c1.{tail}") == place
    assert nats.read_place(f"$JS.ACK.hub.abc123.TICKERKIT_a.c1.{tail}") == place
    assert nats.read_place(f"$JS.ACK.hub.abc123.TICKERKIT_a.c1.{tail}.token") == place
    assert nats.read_place("$JS.FC.TICKERKIT_a.c1.xyz") is None
    assert nats.read_place("") is None


def test_time_of_the_broker_is_read() -> None:
    """To the nanosecond; what is no time is 0."""
    assert nats.parse_time("1970-01-01T00:00:01.000000002Z") == 1_000_000_002
    assert nats.parse_time("1970-01-01T00:00:01Z") == 1_000_000_000
    assert nats.parse_time("soon") == 0
    assert nats.parse_time(None) == 0


def test_address_is_parsed(url: str) -> None:
    """A broker takes an address or its text, and shows no secret."""
    broker = NatsBroker("nats://ann:secret@n1/a")
    assert broker.address == StreamAddress.parse("nats://ann:secret@n1/a")
    assert repr(broker) == "NatsBroker('nats://n1:4222/a')"


def test_leader_is_asked_where_no_copy_answers(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server may not know yet where the copies of a new stream are."""

    async def work() -> None:
        async with NatsBroker(url, create=MAKER) as broker:
            await fill(broker, 3)
            connection = await broker._connect()
            request = connection.request

            async def request_elsewhere(subject: str, *rest: Any) -> Any:
                return await request(subject.replace("$JS.API.DIRECT", "nobody"), *rest)

            monkeypatch.setattr(connection, "request", request_elsewhere)
            for _ in range(5):
                assert await collect(broker, 2, 1) == [2]
            assert await collect(broker, 4, 1) == []

    run(work())
