"""Connection: logins, TLS, servers that fail, and the clusters that they form."""

from __future__ import annotations

import asyncio
import logging
import shutil
import signal
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from nats_cluster import NatsCluster, free_ports, old_nats_server
from nats_logins import Certificates, Operator, make_certificates

from tickerkit.brokers import NatsBroker, StreamAddress, StreamLimits, connection, nats, nats_client
from tickerkit.errors import StreamError
from tickerkit.streams import StreamMessage

T = TypeVar("T")
MAKER = StreamLimits()
RELAYS_RIGHTS = {
    "pub": {
        "allow": [
            "$JS.API.STREAM.INFO.TICKERKIT_crypto",
            "$JS.API.STREAM.MSG.GET.TICKERKIT_crypto",
            "$JS.API.DIRECT.GET.TICKERKIT_crypto",
            "$JS.API.CONSUMER.CREATE.TICKERKIT_crypto.>",
            "$JS.FC.>",
        ]
    },
    "sub": {"allow": ["_INBOX.>"]},
}
MAKERS_RIGHTS = {
    "pub": {
        "allow": [
            "tickerkit.crypto",
            "$JS.API.STREAM.INFO.TICKERKIT_crypto",
            "$JS.API.STREAM.CREATE.TICKERKIT_crypto",
            "$JS.API.STREAM.MSG.GET.TICKERKIT_crypto",
        ]
    },
    "sub": {"allow": ["_INBOX.>"]},
}


@pytest.fixture(autouse=True)
def nothing_logged(caplog: pytest.LogCaptureFixture) -> Any:
    """See that nats-py logs nothing, whatever fails."""
    yield
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]


def run(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a test's coroutine, and see that it leaves no task behind."""

    async def watched() -> T:
        try:
            return await work()
        finally:
            await asyncio.sleep(0)
            left = asyncio.all_tasks() - {asyncio.current_task()}
            assert not left

    return asyncio.run(watched())


def fail_to_open(broker: NatsBroker) -> StreamError:
    """Return the error of a broker that can't be opened."""

    async def work() -> StreamError:
        try:
            with pytest.raises(StreamError) as caught:
                await broker.open()
        finally:
            await broker.close()
        return caught.value

    return run(work)


def ticks(seq: int) -> StreamMessage:
    """Return a message of one tick."""
    return StreamMessage("ticks", "e1", seq, 1, b"{}")


async def next_problem(verb: Callable[[], Awaitable[object]], but: str = "") -> StreamError:
    """Return the first error of a verb that is another than one with the text `but`."""
    while True:
        try:
            await verb()
        except StreamError as error:
            if not but or but not in error.problem:
                return error


async def insist(verb: Callable[[], Awaitable[T]], limit_s: float = 15) -> T:
    """Return what a verb returns once it works again, as the driver of a machine does."""
    end = time.monotonic() + limit_s
    while True:
        try:
            return await verb()
        except StreamError as error:
            if error.is_final or time.monotonic() > end:
                raise
        await asyncio.sleep(0.05)


async def put_next(broker: NatsBroker) -> int:
    """Append a message after the tail, whatever it is."""
    tail = await broker.tail()
    return await broker.put(ticks(tail.number + 1), tail.number)


# --- who is there ---------------------------------------------------------------------------------


def test_no_server_is_a_passing_error() -> None:
    """The error names each server, and trying again may help."""
    one, two = free_ports(2)
    error = fail_to_open(NatsBroker(f"nats://127.0.0.1:{one},127.0.0.1:{two}/a"))
    assert not error.is_final
    assert f"127.0.0.1:{one}" in str(error)
    assert f"127.0.0.1:{two} can't be connected to (connection refused)" in str(error)
    assert "Errno" not in str(error)


def test_silent_server_is_passed_over(
    server: NatsCluster, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A port that accepts and says nothing costs the time of one attempt."""
    monkeypatch.setattr(connection, "CONNECT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        alone = fail_to_open(NatsBroker(f"nats://127.0.0.1:{port}/a"))
        assert "did not answer within 0.2 s" in str(alone)

        async def work() -> None:
            for _ in range(3):
                other = server.servers[0].port
                url = f"nats://127.0.0.1:{port},127.0.0.1:{other}/{name}"
                async with NatsBroker(url, create=MAKER) as broker:
                    await broker.tail()

        run(work)


def test_closing_ends_an_attempt_to_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    """At whatever step it is, a server that says nothing doesn't hold up the end of a program."""
    monkeypatch.setattr(connection, "CONNECT_S", 3600)

    async def close_after(steps: int, port: int) -> None:
        broker = NatsBroker(f"nats://127.0.0.1:{port},127.0.0.1:{port}/a")
        verbs = [asyncio.ensure_future(verb()) for verb in (broker.tail, broker.first)]
        for _ in range(steps):
            await asyncio.sleep(0)
        await broker.close()
        for verb in verbs:
            with pytest.raises(StreamError, match="was closed"):
                await verb

    with socket.create_server(("127.0.0.1", 0), backlog=256) as silent:
        port = silent.getsockname()[1]
        for steps in range(40):
            run(lambda steps=steps: asyncio.wait_for(close_after(steps, port), 15))


@pytest.mark.parametrize(
    "said", [b"SSH-2.0-OpenSSH_9.2\r\n", b"INFO {not json}\r\n", b"INFO \r\n", b"", b"x" * 100_000]
)
def test_other_program_is_no_broker(said: bytes) -> None:
    """A program that speaks otherwise is an error, not a crash."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def speak() -> None:
            client, _ = listener.accept()
            with client:
                client.sendall(said)
                client.shutdown(socket.SHUT_WR)
                client.recv(1)

        speaking = threading.Thread(target=speak)
        speaking.start()
        error = fail_to_open(NatsBroker(f"nats://127.0.0.1:{listener.getsockname()[1]}/a"))
        speaking.join(10)
    assert not error.is_final


def test_server_without_jetstream_is_named(tmp_path: Path) -> None:
    """Its requests have no responders."""
    with NatsCluster(tmp_path, extra="jetstream: disabled") as cluster:
        error = fail_to_open(NatsBroker(cluster.url("a"), create=MAKER))
    assert "no server of the broker has JetStream" in str(error)


def test_old_server_is_refused(tmp_path: Path) -> None:
    """Debian 12 has 2.9.10, which can lose streams: the error says so, and is final."""
    with NatsCluster(tmp_path, program=old_nats_server()) as cluster:
        error = fail_to_open(NatsBroker(cluster.url("a"), create=MAKER))
    assert error.is_final
    assert "nats-server 2.9.10" in str(error)
    assert "can lose a stream when it is killed; update it to 2.12.3 or later" in str(error)


# --- logins and TLS -------------------------------------------------------------------------------


def test_password_and_token_are_for_logging_in(tmp_path: Path) -> None:
    """A wrong one is a final error, which shows neither."""
    users = 'authorization { user: "ann", password: "right:pw@1" }'
    with NatsCluster(tmp_path / "1", extra=users, login="ann:right%3Apw%401") as cluster:

        async def work() -> None:
            async with NatsBroker(cluster.url("a"), create=MAKER) as broker:
                assert (await broker.tail()).number == 0

        run(work)
        port = cluster.servers[0].port
        for login in ("ann:wrongpw@", "wrongpw@", ""):
            error = fail_to_open(NatsBroker(f"nats://{login}127.0.0.1:{port}/a"))
            assert error.is_final
            assert "refuses the login" in str(error)
            assert "wrongpw" not in f"{error} {error!r} {vars(error)}"
    token = 'authorization { token: "s3cr3t" }'
    with NatsCluster(tmp_path / "2", extra=token, login="s3cr3t") as cluster:
        run(work)


def test_login_that_was_accepted_may_be_refused_for_a_while(tmp_path: Path) -> None:
    """While servers are changed, a maker doesn't give up."""
    with NatsCluster(tmp_path, extra="authorization { token: one }", login="one") as cluster:
        server = cluster.servers[0]

        async def work() -> None:
            async with NatsBroker(cluster.url("a"), create=MAKER) as broker:
                server.stop()
                config = server.config.read_text()
                server.config.write_text(config.replace("token: one", "token: two"))
                server.start()
                cluster.wait_ready()
                error = await next_problem(broker.tail, "connection to the broker ended")
                assert "refuses the login" in str(error)
                assert not error.is_final
                server.stop()
                server.config.write_text(config)
                server.start()
                await insist(broker.tail)

        run(work)


@pytest.fixture(scope="module")
def operator() -> Operator:
    """Return an operator whose users log in with files."""
    return Operator()


@pytest.fixture(scope="module")
def operated(operator: Operator, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a server of that operator."""
    with NatsCluster(tmp_path_factory.mktemp("jwt"), extra=operator.config) as cluster:
        yield cluster


def test_rights_of_makers_and_relays_suffice(
    operated: NatsCluster, operator: Operator, tmp_path: Path
) -> None:
    """With credentials files of few rights all verbs work; a relay can't write."""
    url = operated.url("crypto")
    makers = operator.write_creds(tmp_path / "maker.creds", "maker", MAKERS_RIGHTS)
    relays = operator.write_creds(tmp_path / "relay.creds", "relay", RELAYS_RIGHTS)

    async def work() -> None:
        maker = NatsBroker(StreamAddress.parse(url, creds=makers), create=MAKER)
        relay = NatsBroker(StreamAddress.parse(url, creds=relays))
        async with maker, relay:
            for _ in range(3):
                await put_next(maker)
            assert (await relay.tail()).number == 3
            assert await relay.first() == 1
            assert [each.number async for each in relay.read(2, 1)] == [2]
            assert [each.number async for each in relay.read(4, 1)] == []
            assert [each.number async for each in relay.read(1, 5)] == [1, 2, 3]

    run(work)


def test_missing_right_is_named(
    operated: NatsCluster, operator: Operator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that the server doesn't let through is a final error that says why."""
    monkeypatch.setattr(connection, "ANSWER_S", 0.5)
    rights = {"pub": {"allow": ["$JS.API.STREAM.INFO.>", "$JS.API.STREAM.CREATE.>"]}}
    creds = operator.write_creds(tmp_path / "a.creds", "a", rights)

    async def work() -> None:
        address = StreamAddress.parse(operated.url("denied"), creds=creds)
        async with NatsBroker(address, create=MAKER) as broker:
            with pytest.raises(StreamError, match="permissions violation for publish") as caught:
                await broker.put(ticks(1), 0)
            assert caught.value.is_final

    run(work)


@pytest.mark.parametrize("text", ["", "-----BEGIN NATS USER JWT-----\n", "secret\n" * 9])
def test_file_without_credentials_is_named(
    operated: NatsCluster, tmp_path: Path, text: str
) -> None:
    """nats-py would read it for ever."""
    path = tmp_path / "bad.creds"
    path.write_text(text)
    error = fail_to_open(NatsBroker(StreamAddress.parse(operated.url("crypto"), creds=path)))
    assert error.is_final
    assert "the credentials file has no JWT and seed of a user" in str(error)


def test_credentials_are_read_at_each_connection(
    operated: NatsCluster, operator: Operator, tmp_path: Path
) -> None:
    """A file that is renewed, or missing for a moment, is used for the next connection."""
    path = operator.write_creds(tmp_path / "a.creds", "a")

    async def work() -> None:
        address = StreamAddress.parse(operated.url("renewed"), creds=path)
        async with NatsBroker(address, create=MAKER) as broker:
            path.unlink()
            operated.servers[0].restart()
            operated.wait_ready()
            error = await next_problem(broker.tail, "connection to the broker ended")
            assert "the credentials file can't be read" in str(error)
            assert not error.is_final
            operator.write_creds(path, "b")
            await insist(broker.tail)

    run(work)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Return certificates of one authority."""
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def test_tls_needs_a_trusted_certificate(tmp_path: Path, certificates: Certificates) -> None:
    """With ca= it connects; without, the error names the argument."""
    with NatsCluster(tmp_path, extra=certificates.config) as cluster:

        async def work() -> None:
            for scheme in ("tls", "nats"):
                url = cluster.url("a", scheme=scheme)
                address = StreamAddress.parse(url, ca=certificates.ca)
                async with NatsBroker(address, create=MAKER) as broker:
                    await put_next(broker)

        run(work)
        for scheme in ("tls", "nats"):
            error = fail_to_open(NatsBroker(cluster.url("a", scheme=scheme)))
            assert error.is_final
            assert "does not verify" in str(error)
            assert "ca=" in str(error)


def test_client_shows_its_certificate(tmp_path: Path, certificates: Certificates) -> None:
    """A server may demand one."""
    client = certificates.client
    with NatsCluster(tmp_path, extra=certificates.config_for_clients) as cluster:
        url = cluster.url("a", scheme="tls")

        async def work() -> None:
            address = StreamAddress.parse(url, ca=certificates.ca, cert=client, key=client)
            async with NatsBroker(address, create=MAKER) as broker:
                await put_next(broker)

        run(work)
        fail_to_open(NatsBroker(StreamAddress.parse(url, ca=certificates.ca)))


def test_password_is_not_sent_without_tls(server: NatsCluster) -> None:
    """An address with tls:// refuses a server that doesn't ask for TLS."""
    port = server.servers[0].port
    error = fail_to_open(NatsBroker(f"tls://ann:secret@127.0.0.1:{port}/a"))
    assert error.is_final
    assert "doesn't use TLS; use nats:// instead" in str(error)


def test_file_that_is_no_certificate_is_named(server: NatsCluster, tmp_path: Path) -> None:
    """The error names the arguments."""
    path = tmp_path / "a.pem"
    path.write_text("hello")
    error = fail_to_open(NatsBroker(StreamAddress.parse(server.url("a"), ca=path)))
    assert error.is_final
    assert "ca, cert and key" in str(error)


# --- servers that fail ----------------------------------------------------------------------------


def test_restarted_server_is_connected_to_again(tmp_path: Path) -> None:
    """Verbs and a read that waits fail at once, and work again when the server is back."""
    with NatsCluster(tmp_path) as cluster:
        server = cluster.servers[0]

        async def work() -> None:
            async with NatsBroker(cluster.url("a"), create=MAKER) as broker:
                await put_next(broker)
                for how in (signal.SIGKILL, signal.SIGTERM):
                    waiting = asyncio.ensure_future(anext(broker.read(99)))
                    await broker.first()
                    await asyncio.to_thread(server.stop, how)
                    with pytest.raises(StreamError, match="connection to the broker ended"):
                        await waiting
                    with pytest.raises(StreamError, match="can't be connected to"):
                        await broker.tail()
                    server.start()
                    assert await insist(lambda: put_next(broker)) > 1
                read = [each.number async for each in broker.read(1, 9)]
                assert read == [1, 2, 3]

        run(work)


def test_request_under_way_fails_with_its_connection(tmp_path: Path) -> None:
    """It doesn't wait for its timeout."""
    with NatsCluster(tmp_path) as cluster:
        server = cluster.servers[0]

        async def work() -> None:
            async with NatsBroker(cluster.url("a"), create=MAKER) as broker:
                await broker.tail()
                server.pause()
                waiting = asyncio.ensure_future(broker.put(ticks(1), 0))
                await asyncio.sleep(0.05)
                server.kill()
                with pytest.raises(StreamError, match="connection to the broker ended"):
                    await waiting

        run(work)


def test_paused_server_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests end without an answer, a read with silence; both work afterwards."""
    monkeypatch.setattr(connection, "ANSWER_S", 0.2)
    monkeypatch.setattr(connection, "CONNECT_S", 0.2)
    monkeypatch.setattr(nats, "SILENCE_S", 0.5)
    with NatsCluster(tmp_path) as cluster:
        server = cluster.servers[0]

        async def work() -> None:
            async with NatsBroker(cluster.url("a"), create=MAKER) as broker:
                number = await put_next(broker)
                reading = broker.read(1)
                await anext(reading)
                server.pause()
                with pytest.raises(StreamError, match="no answer within"):
                    await broker.put(ticks(2), number)
                with pytest.raises(StreamError, match=r"sent nothing for 0\.5 s"):
                    await anext(reading)
                server.resume()
                # The message may have been stored, though no answer came.
                assert await insist(lambda: put_next(broker)) in (2, 3)

        run(work)


def test_closing_does_not_wait_for_a_silent_server(
    tmp_path: Path, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TLS would wait 30 s for the server's `close_notify`; a new connection is made beside it."""
    monkeypatch.setattr(connection, "ANSWER_S", 0.2)
    monkeypatch.setattr(nats_client, "CLOSE_S", 0.2)
    with NatsCluster(tmp_path, extra=certificates.config) as cluster:
        server = cluster.servers[0]

        async def work() -> None:
            address = StreamAddress.parse(cluster.url("a", scheme="tls"), ca=certificates.ca)
            async with NatsBroker(address, create=MAKER) as broker:
                await put_next(broker)
                server.pause()
                for _ in range(connection.MAX_UNANSWERED):
                    with pytest.raises(StreamError, match="no answer"):
                        await broker.first()
                server.resume()
                await insist(lambda: put_next(broker))
                server.pause()

        run(lambda: asyncio.wait_for(work(), 15))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a cluster of three servers."""
    with NatsCluster(tmp_path_factory.mktemp("cluster"), 3) as cluster:
        yield cluster


def test_cluster_keeps_three_copies(cluster: NatsCluster) -> None:
    """A stream is made on as many servers as there are, and read on any of them."""

    # A request to a cluster that has just begun may get lost.
    async def check(port: int) -> None:
        relay = NatsBroker(f"nats://127.0.0.1:{port}/copies")
        try:
            assert (await relay.tail()).number == 20
            assert [each.number async for each in relay.read(20, 1)] == [20]
            assert [each.number async for each in relay.read(1, 30)] == list(range(1, 21))
        finally:
            await relay.close()

    async def work() -> None:
        maker = NatsBroker(cluster.url("copies"), create=MAKER)
        await insist(maker.open)
        async with maker:
            while (await insist(maker.tail)).number < 20:
                await insist(lambda: put_next(maker))
            assert (await insist(maker.inspect))["config"]["num_replicas"] == 3
            for server in cluster.servers:
                await insist(lambda port=server.port: check(port))

    run(work)


@pytest.mark.soak
def test_other_servers_are_learned(cluster: NatsCluster) -> None:
    """An address with one server of a cluster suffices when that one ends."""
    server = cluster.servers[0]

    async def work() -> None:
        url = f"nats://127.0.0.1:{server.port}/learned"
        broker = NatsBroker(url, create=StreamLimits(replicas=3))
        await insist(broker.open)
        async with broker:
            await put_next(broker)
            await asyncio.to_thread(server.stop)
            assert await insist(lambda: put_next(broker)) > 1

    run(work)
    server.start()
    cluster.wait_ready()


@pytest.mark.soak
def test_leader_is_killed(cluster: NatsCluster) -> None:
    """A put fails with `StreamError`, and works again when another server leads: within 10 s."""

    async def work() -> None:
        url = cluster.url("killed")
        maker, relay = NatsBroker(url, create=MAKER), NatsBroker(url)
        await insist(maker.open)
        async with maker, relay:
            for _ in range(5):
                await put_next(maker)
            leader = await asyncio.to_thread(cluster.leader, "killed")
            await asyncio.to_thread(leader.kill)
            with pytest.raises(StreamError) as caught:
                await maker.put(ticks(6), 5)
            assert not caught.value.is_final
            number = await insist(lambda: put_next(maker), 30)
            assert number >= 6

            async def read_all() -> list[int]:
                return [each.number async for each in relay.read(1, 99)]

            assert await insist(read_all) == list(range(1, number + 1))
            leader.start()

    run(work)
    cluster.wait_ready()


def test_read_waits_for_a_copy_that_is_behind(
    server: NatsCluster, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A consumer whose copy lacks the newest messages is no end of what is held."""
    read = nats.read_place

    def read_without_pending(subject: str) -> nats.Place | None:
        place = read(subject)
        return place and place._replace(pending=0)

    async def work() -> None:
        async with NatsBroker(server.url(name), create=MAKER) as broker:
            for _ in range(3):
                await put_next(broker)
            make = broker._make_consumer

            async def make_behind(*arguments: Any) -> int:
                await make(*arguments)
                return 0

            monkeypatch.setattr(broker, "_make_consumer", make_behind)
            monkeypatch.setattr(nats, "read_place", read_without_pending)
            assert [each.number async for each in broker.read(1, 9)] == [1, 2, 3]
            assert [each.number async for each in broker.read(2, 2)] == [2, 3]
            assert [each.number async for each in broker.read(4, 9)] == []

    run(work)


def test_read_of_a_stuck_copy_ends(
    server: NatsCluster, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A consumer that sends nothing, though the leader holds more, is given up."""
    monkeypatch.setattr(nats, "QUIET_BEATS", 1)
    monkeypatch.setattr(nats, "HEARTBEAT_S", 0.1)

    async def work() -> None:
        async with NatsBroker(server.url(name), create=MAKER) as broker:
            make = broker._make_consumer

            async def make_stuck(connection: Any, inbox: Any, start: int) -> int:
                return await make(connection, inbox, start + 100)

            monkeypatch.setattr(broker, "_make_consumer", make_stuck)
            await put_next(broker)
            with pytest.raises(StreamError, match="is stuck at number 0"):
                await anext(broker.read(1))

    run(work)


def test_read_beyond_the_end_of_a_stream_that_lost_messages_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After files were put back to an older copy, a reader doesn't wait for a number for ever."""
    monkeypatch.setattr(nats, "QUIET_BEATS", 1)
    monkeypatch.setattr(nats, "HEARTBEAT_S", 0.1)
    with NatsCluster(tmp_path) as cluster:
        server = cluster.servers[0]
        store, copy = server.folder / "store", tmp_path / "copy"

        async def put(count: int) -> None:
            async with NatsBroker(cluster.url("a"), create=MAKER) as broker:
                for _ in range(count):
                    await put_next(broker)

        async def work() -> None:
            async with NatsBroker(cluster.url("a")) as broker:
                assert (await broker.tail()).number == 3
                with pytest.raises(StreamError, match="ends at number 3, before 5") as caught:
                    await anext(broker.read(6))
                assert not caught.value.is_final
                # At the end itself, a quiet stream is waited for.
                waiting = asyncio.ensure_future(anext(broker.read(4)))
                await put(1)
                assert (await waiting).number == 4

        run(lambda: put(3))
        server.stop()
        shutil.copytree(store, copy)
        server.start()
        cluster.wait_ready()
        run(lambda: put(2))
        server.kill()
        shutil.rmtree(store)
        copy.rename(store)
        server.start()
        cluster.wait_ready()
        run(work)
