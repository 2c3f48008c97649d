"""`tickerkit doctor nats://…`: it finds the problems of brokers, streams and makers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import Command, InProcess
from nats_cluster import NatsCluster, free_ports, old_nats_server
from nats_logins import Operator

from tickerkit.brokers import STREAM_SCHEMES, NatsBroker, StreamAddress, StreamLimits
from tickerkit.cli import doctor, stream_doctor
from tickerkit.cli.findings import Finding
from tickerkit.cli.stream_doctor import examine_stream
from tickerkit.streams import StreamMessage


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsCluster]:
    """Return one server for all tests."""
    with NatsCluster(tmp_path_factory.mktemp("nats")) as cluster:
        yield cluster


def examine(url: str, **files: Any) -> dict[str, Finding]:
    """Return the findings about a stream by their names; of several of a name the last."""
    found = asyncio.run(examine_stream(StreamAddress.parse(url, **files)))
    return {each.name: each for each in found}


def publish(url: str, *messages: StreamMessage) -> None:
    """Make a stream, and put messages into it."""

    async def work() -> None:
        async with NatsBroker(url, create=StreamLimits()) as broker:
            for number, message in enumerate(messages):
                await broker.put(message, number)

    asyncio.run(work())


def make_by_hand(server: NatsCluster, name: str, **settings: Any) -> str:
    """Make a stream as an operator does, and return its address."""
    stream = f"TICKERKIT_{name}"
    config = {"name": stream, "subjects": [f"tickerkit.{name}"], "allow_direct": True, **settings}
    answer = server.run_call(f"STREAM.CREATE.{stream}", config)
    assert "error" not in answer, answer
    return server.url(name)


def test_schemes_are_those_of_addresses() -> None:
    """The command knows a stream by the beginning of its address."""
    assert doctor.STREAM_SCHEMES == STREAM_SCHEMES


def test_sound_stream_has_no_problems(server: NatsCluster) -> None:
    """It says who writes, from which epoch and up to which seq; one server is worth a note."""
    url = server.url("sound")
    publish(url, StreamMessage("ticks", "e1", 1, 5000, b"{}"))
    with Command("doctor", url) as command:
        assert command.wait() == 0
    port = server.servers[0].port
    assert f"✓ server         127.0.0.1:{port} is nats-server 2." in command.text
    assert "✓ JetStream      is on" in command.text
    assert "✓ stream         TICKERKIT_sound has 1 message" in command.text
    assert "! replicas       one server holds the stream" in command.text
    assert "sync_interval: always" in command.text
    assert "✓ clock          this machine's and the broker's agree" in command.text
    assert "✓ maker          epoch e1 was published up to seq 5,000" in command.text
    assert "No problems found." in command.text
    assert command.err == ""


def test_missing_stream_is_no_problem(server: NatsCluster, start: Any) -> None:
    """The first server that publishes makes it; the doctor doesn't."""
    command: InProcess = start("doctor", server.url("missing"))
    assert command.wait() == 0
    assert "! stream         there is no stream 'missing' yet" in command.out
    assert server.run_call("STREAM.INFO.TICKERKIT_missing")["error"]["err_code"] == 10059


def test_findings_as_json(server: NatsCluster, start: Any) -> None:
    """One line for programs, without the login."""
    port = server.servers[0].port
    command: InProcess = start("doctor", "--json", f"nats://ann:secret@127.0.0.1:{port}/missing")
    assert command.wait() == 0
    found = json.loads(command.out)
    assert (found["stream"], found["ok"]) == (f"nats://127.0.0.1:{port}/missing", True)
    assert [each["name"] for each in found["findings"]] == ["server", "JetStream", "stream"]
    assert "secret" not in command.out


def test_unreachable_server_is_a_problem(server: NatsCluster, start: Any) -> None:
    """The others are examined all the same."""
    dead, port = free_ports(1)[0], server.servers[0].port
    command: InProcess = start("doctor", f"nats://127.0.0.1:{dead},127.0.0.1:{port}/missing")
    assert command.wait() == 1
    assert f"✗ server         127.0.0.1:{dead} can't be connected to" in command.out
    assert f"✓ server         127.0.0.1:{port} is nats-server" in command.out
    assert "1 problem found." in command.out


def test_no_server_at_all(start: Any) -> None:
    """Nothing else is examined."""
    command: InProcess = start("doctor", f"nats://127.0.0.1:{free_ports(1)[0]}/a")
    assert command.wait() == 1
    assert "JetStream" not in command.out


@pytest.mark.parametrize(
    "arguments",
    [
        ["nats://n1/a", "BTC/USD"],
        ["nats://n1/a", "--all"],
        ["tls://n1/a", "--rest", "http://n1"],
        ["kraken", "--creds", "a.creds"],
        ["--ca", "a.pem"],
    ],
)
def test_options_of_venues_and_streams_are_apart(arguments: list[str], start: Any) -> None:
    """An option that would be ignored is refused."""
    command: InProcess = start("doctor", *arguments)
    assert command.wait() == 2


def test_invalid_address_shows_no_password(start: Any) -> None:
    """The error says what an address is."""
    command: InProcess = start("doctor", "nats://ann:secret@n1/a.b")
    assert command.wait() == 2
    assert "stream's name" in command.err
    assert "secret" not in command.err


def test_old_server_is_a_problem(tmp_path: Path) -> None:
    """Debian's 2.9.10 is refused with its reason."""
    with NatsCluster(tmp_path, program=old_nats_server()) as cluster:
        url = make_by_hand(cluster, "a")
        found = examine(url)
    assert found["server"].level == "problem"
    assert "nats-server 2.9.10: it can lose a stream when it is killed" in found["server"].about
    assert found["server"].fix == "update nats-server to 2.12.3 or later"
    assert found["stream"].about.startswith("TICKERKIT_a has 0 messages")


@pytest.mark.parametrize(
    ("version", "level"),
    [
        ((2, 10, 22), "problem"),
        ((2, 10, 23), "problem"),
        ((2, 12, 2), "problem"),
        ((2, 12, 3), "ok"),
        ((3, 0, 0), "ok"),
    ],
)
def test_version_is_judged(
    server: NatsCluster, monkeypatch: pytest.MonkeyPatch, version: tuple[int, ...], level: str
) -> None:
    """From 2.12.3 on a server is sound."""
    from tickerkit.brokers.connection import Connection

    monkeypatch.setattr(Connection, "version", version)
    assert examine(server.url("missing"))["server"].level == level


def test_server_without_jetstream_is_a_problem(tmp_path: Path) -> None:
    """The fix is a line of its configuration."""
    with NatsCluster(tmp_path, extra="jetstream: disabled") as cluster:
        found = examine(cluster.url("a"))
    assert found["JetStream"].level == "problem"
    assert "jetstream {}" in found["JetStream"].fix


def test_small_messages_are_a_problem(tmp_path: Path) -> None:
    """A message of ticks may have 512 KiB."""
    with NatsCluster(tmp_path, max_payload=100_000) as cluster:
        found = examine(cluster.url("a"))
    assert found["max_payload"].level == "problem"
    assert "100 kB at most" in found["max_payload"].about


@pytest.mark.parametrize(
    ("settings", "name", "level"),
    [
        ({"discard": "new"}, "discard", "problem"),
        ({"allow_direct": False}, "allow_direct", "problem"),
        ({"storage": "memory"}, "storage", "note"),
        ({}, "limits", "note"),
        ({"max_consumers": 3}, "max_consumers", "note"),
    ],
)
def test_settings_are_judged(
    server: NatsCluster, settings: dict[str, Any], name: str, level: str
) -> None:
    """Each that doesn't fit is a problem; what is worth knowing is a note."""
    url = make_by_hand(server, f"set-{name}", **settings)
    found = examine(url)
    assert found[name].level == level
    assert ("maker" in found) is (level == "note")


def test_maker_is_described(server: NatsCluster) -> None:
    """An empty stream, an ended source and a message of another program have their own texts."""
    url = make_by_hand(server, "who")
    assert examine(url)["maker"].about == "nothing was published yet"
    publish(url, StreamMessage("end", "e1", 8, 0, b"{}"))
    about = examine(url)["maker"].about
    assert "epoch e1 was published up to seq 7, " in about
    assert about.endswith(" s ago; its source has ended")

    async def shout() -> None:
        import nats

        client = await nats.connect(f"nats://127.0.0.1:{server.servers[0].port}")
        await client.request("tickerkit.who", b"hello", timeout=5)
        await client.close()

    asyncio.run(shout())
    assert "not one of tickerkit's" in examine(url)["maker"].about


def test_user_of_few_rights_gets_an_answer(
    tmp_path: Path, start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relay's user may not see the account; the rest is examined."""
    from tickerkit.brokers import connection

    monkeypatch.setattr(connection, "ANSWER_S", 0.5)
    operator = Operator()
    stream = "TICKERKIT_a"
    reads = [f"$JS.API.STREAM.INFO.{stream}", f"$JS.API.STREAM.MSG.GET.{stream}"]
    rights = {"pub": {"allow": reads}, "sub": {"allow": ["_INBOX.>"]}}
    maker = operator.write_creds(tmp_path / "maker.creds", "maker")
    relay = operator.write_creds(tmp_path / "relay.creds", "relay", rights)
    with NatsCluster(tmp_path, extra=operator.config) as cluster:
        url = cluster.url("a")

        async def work() -> None:
            async with NatsBroker(StreamAddress.parse(url, creds=maker), create=StreamLimits()):
                pass

        asyncio.run(work())
        command: InProcess = start("doctor", url, "--creds", str(relay))
        assert command.wait() == 0
    assert "! JetStream      this user may not see the account's limits" in command.out
    assert "! maker          nothing was published yet" in command.out


def info(**cluster: Any) -> dict[str, Any]:
    """Return the description of a replicated stream."""
    return {"config": {"num_replicas": 3}, "cluster": {"leader": "n1", **cluster}}


def test_replicas_are_judged() -> None:
    """A copy that is silent or behind is a problem; fewer than three copies are a note."""
    sound = stream_doctor._judge_replicas(info(replicas=[{"name": "n2", "current": True}]))
    assert [each.about for each in sound] == ["3 servers hold the stream; n1 leads"]
    copies = [{"name": "n2", "active": 5_000_000_000}, {"name": "n3", "current": False}]
    lost = stream_doctor._judge_replicas(info(replicas=copies))
    assert [(each.level, each.about) for each in lost] == [
        ("problem", "n2, which holds a copy of the stream, is silent for 5 s"),
        ("problem", "n3, which holds a copy of the stream, is behind"),
    ]
    few = stream_doctor._judge_replicas({"config": {"num_replicas": 2}})
    assert [(each.level, "without either" in each.about) for each in few] == [("note", True)]


@pytest.mark.parametrize(
    ("at_s", "about"),
    [
        (1000.1, "agree within 0.5 s"),
        (1000.6, "agree within 0.5 s"),  # the answer took 0.2 s: at least 0.4 s apart
        (1002.2, "2.0 s ahead of this machine's"),
        (995.0, "5.0 s behind this machine's"),
    ],
)
def test_clocks_are_compared(at_s: float, about: str) -> None:
    """Time on the way doesn't count."""
    stamp = f"1970-01-01T00:16:{at_s - 960:06.3f}Z"
    found = stream_doctor._judge_clock({"ts": stamp}, 1_000_000_000_000, 1_000_200_000_000)
    assert about in found[0].about
    assert stream_doctor._judge_clock({}, 0, 0) == []


def test_account_with_little_room_is_named(tmp_path: Path) -> None:
    """A new stream takes its size from the account's limit at once."""
    accounts = (
        "accounts { A { jetstream { max_file: 500M }, users: [{ user: ann, password: pw }] } }"
    )
    with NatsCluster(tmp_path, extra=accounts, login="ann:pw") as cluster:
        found = examine(cluster.url("a"))
    assert found["JetStream"].level == "note"
    assert "are left for a new stream" in found["JetStream"].about


def test_missing_package_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fix installs it."""
    import sys

    for module in ("connection", "nats_client"):
        monkeypatch.delitem(sys.modules, f"tickerkit.brokers.{module}", raising=False)
    monkeypatch.setitem(sys.modules, "nats", None)
    found = examine("nats://127.0.0.1/a")
    assert found["nats-py"].fix == "pip install 'tickerkit[scale]'"
