"""The rights in `deploy/nats-users.conf`: enough for a maker and a relay, and no more."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nats
import pytest
from nats_cluster import NatsCluster

from tickerkit.brokers import NatsBroker, StreamAddress, StreamLimits, connection
from tickerkit.errors import StreamError
from tickerkit.streams import StreamMessage

USERS = Path(__file__).parents[2] / "deploy" / "nats-users.conf"
STREAM = "TICKERKIT_crypto"
PASSWORDS = {"maker": "maker1", "relay": "relay1"}


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsCluster]:
    """Return a server with these users, and with the stream, which the maker has made."""
    with pytest.MonkeyPatch.context() as patch:
        for user, password in PASSWORDS.items():
            patch.setenv(f"{user.upper()}_PASSWORD", password)
        folder = tmp_path_factory.mktemp("nats")
        with NatsCluster(folder, extra=USERS.read_text(encoding="utf-8")) as cluster:
            asyncio.run(write(address_of(cluster, "maker"), 3))
            yield cluster


def address_of(cluster: NatsCluster, user: str, name: str = "crypto") -> str:
    """Return the address of a stream for a user."""
    return cluster.url(name).replace("://", f"://{user}:{PASSWORDS[user]}@")


async def write(address: str, count: int) -> None:
    """Make the stream if it is missing, and append messages."""
    async with NatsBroker(address, create=StreamLimits()) as broker:
        number = (await broker.tail()).number
        for _ in range(count):
            number = await broker.put(StreamMessage("ticks", "e", number + 1, 1, b"{}"), number)


async def ask(cluster: NatsCluster, user: str, subject: str, arguments: object) -> dict[str, Any]:
    """Send a request as a user; return the answer, or {} if the user lacks the right."""
    denied = asyncio.Event()

    async def note(error: Exception) -> None:
        assert "permissions violation" in str(error)
        denied.set()

    client = await nats.connect(address_of(cluster, user).rpartition("/")[0], error_cb=note)
    request = client.request(subject, json.dumps(arguments).encode(), timeout=5)
    tasks = [asyncio.ensure_future(each) for each in (request, denied.wait())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return {} if denied.is_set() else dict(json.loads((await tasks[0]).data))
    finally:
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await client.close()


def count_messages(cluster: NatsCluster) -> int:
    """Return how many messages the stream holds."""
    asking = ask(cluster, "maker", f"$JS.API.STREAM.INFO.{STREAM}", {})
    return int(asyncio.run(asking)["state"]["messages"])


def test_relay_may_read_all(secured: NatsCluster) -> None:
    """It looks messages up, and reads them with a consumer, as relays do."""

    async def work() -> None:
        async with NatsBroker(address_of(secured, "relay")) as broker:
            last = (await broker.tail()).number
            assert await broker.first() == 1
            assert [each.number async for each in broker.read(2, 1)] == [2]
            found = [each.number async for each in broker.read(1, last)]
            assert found == list(range(1, last + 1))

    asyncio.run(work())


def test_relay_may_follow_the_stream(secured: NatsCluster) -> None:
    """What the maker appends later comes, too."""

    async def work() -> None:
        async with NatsBroker(address_of(secured, "relay")) as broker:
            last = (await broker.tail()).number
            reading = broker.read(last)
            await anext(reading)
            await write(address_of(secured, "maker"), 1)
            assert (await anext(reading)).number == last + 1
            await reading.aclose()  # type: ignore[attr-defined]

    asyncio.run(work())


@pytest.mark.parametrize(
    "subject",
    [
        "tickerkit.crypto",
        f"$JS.API.STREAM.DELETE.{STREAM}",
        f"$JS.API.STREAM.PURGE.{STREAM}",
        f"$JS.API.STREAM.UPDATE.{STREAM}",
        f"$JS.API.STREAM.MSG.DELETE.{STREAM}",
        "$JS.API.STREAM.CREATE.TICKERKIT_other",
    ],
)
def test_relay_may_not_write(secured: NatsCluster, subject: str) -> None:
    """Neither ticks nor the stream itself can be changed."""
    before = count_messages(secured)
    config = {"name": STREAM, "subjects": ["tickerkit.crypto"], "seq": 1}
    assert asyncio.run(ask(secured, "relay", subject, config)) == {}
    assert count_messages(secured) == before


def test_relay_can_not_have_the_broker_write_into_the_stream(secured: NatsCluster) -> None:
    """The broker refuses a consumer that would send to the stream that it reads."""
    consumer = {"name": "loop", "deliver_subject": "tickerkit.crypto", "ack_policy": "none"}
    subject = f"$JS.API.CONSUMER.CREATE.{STREAM}.loop"
    made = ask(secured, "relay", subject, {"stream_name": STREAM, "config": consumer})
    assert asyncio.run(made)["error"]["err_code"] == 10081


def test_users_may_not_use_another_stream(
    secured: NatsCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rights name the stream, so that the broker refuses; the error says so."""
    other = "$JS.API.STREAM.INFO.TICKERKIT_other"
    for user in PASSWORDS:
        assert asyncio.run(ask(secured, user, other, {})) == {}
    monkeypatch.setattr(connection, "ANSWER_S", 0.2)
    with pytest.raises(StreamError, match="permissions violation"):
        asyncio.run(write(address_of(secured, "maker", "other"), 1))


def test_right_that_is_missing_is_named_beside_other_requests(
    secured: NatsCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that is answered hides no reason of another one, and is no reason itself."""
    monkeypatch.setattr(connection, "ANSWER_S", 0.3)

    async def work() -> None:
        asking = connection.Connection(StreamAddress.parse(address_of(secured, "maker")))
        try:
            denied = asyncio.ensure_future(asking.call(f"DIRECT.GET.{STREAM}", {"seq": 1}))
            for _ in range(3):  # the refusal comes before the second answer
                await asking.call("INFO")
            with pytest.raises(StreamError, match="permissions violation") as caught:
                await denied
            assert caught.value.is_final
            client = asking._client
            assert client is not None
            other = client.explain("nats://host/a", "no answer", "$JS.API.INFO")
            assert other.problem == "no answer"
            assert not other.is_final
        finally:
            await asking.close()

    asyncio.run(work())


def test_maker_may_not_delete_its_stream(secured: NatsCluster) -> None:
    """A maker that is broken into can append to the stream only."""
    for subject in ("DELETE", "PURGE", "UPDATE"):
        asking = ask(secured, "maker", f"$JS.API.STREAM.{subject}.{STREAM}", {"name": STREAM})
        assert asyncio.run(asking) == {}
    assert count_messages(secured) >= 3


@pytest.mark.parametrize("user", PASSWORDS)
def test_users_may_see_the_limits_of_their_account(secured: NatsCluster, user: str) -> None:
    """`tickerkit doctor` shows them."""
    assert "limits" in asyncio.run(ask(secured, user, "$JS.API.INFO", {}))
