"""StreamRelay: a relay follows its stream, whatever the broker loses, and serves what it has."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import subprocess
import time
import types
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from nats_cluster import NatsCluster
from peers import ask
from soaks import TIMEOUT_S
from streamed import held, prices, resume, row, seqs
from websockets.exceptions import ConnectionClosed

import tickerkit as tk
from tickerkit.brokers import StreamAddress
from tickerkit.classroom import FaultProxy
from tickerkit.errors import StreamError
from tickerkit.log import Position
from tickerkit.protocol import CaughtUp
from tickerkit.server import thread_server
from tickerkit.sources import RelaySource, StreamRelay, stream_relay
from tickerkit.streams import Stored, StreamMessage

Until = Callable[..., None]


def write(
    server: tk.TickServer, first: int, last: int, until: Until, timeout_s: float = 10
) -> None:
    """Publish ticks, and wait until the broker has them."""
    server.publish(prices(first, last))
    wait_written(server, until, timeout_s)


def wait_written(server: tk.TickServer, until: Until, timeout_s: float = 10) -> None:
    """Wait until the broker has all ticks of a server."""
    until(
        lambda: server.published["seq"] == server.log.last_seq and not server.published["behind"],
        timeout_s,
        "all is written",
    )


def settings(name: str, **more: Any) -> dict[str, Any]:
    """Return settings of a stream that an operator makes."""
    return {
        "name": f"TICKERKIT_{name}",
        "subjects": [f"tickerkit.{name}"],
        "allow_direct": True,
        "num_replicas": 1,
        **more,
    }


def call(cluster: NatsCluster, method: str, name: str, arguments: object = None) -> dict[str, Any]:
    """Do what an operator does with a stream."""
    answer = cluster.run_call(f"STREAM.{method}.TICKERKIT_{name}", arguments)
    assert "error" not in answer, answer
    return answer


class CutOff:
    """A relay's own way to its broker, which can be cut."""

    def __init__(self, cluster: NatsCluster, name: str) -> None:
        self._proxy = FaultProxy(f"http://127.0.0.1:{cluster.servers[0].port}")
        self._proxy.start()
        self.url = f"nats://127.0.0.1:{self._proxy.port}/{name}"

    @contextlib.contextmanager
    def cut(self) -> Iterator[None]:
        """Cut the way, and mend it afterwards."""
        self._proxy.refuse()
        self._proxy.reset()
        yield
        self._proxy.refuse(False)


# --- the start ------------------------------------------------------------------------------------


def test_relay_takes_as_many_of_the_newest_ticks_as_it_holds(stream_url: str, until: Until) -> None:
    """A message may begin with older ones; they are reported as no gap."""
    with tk.serve(None, port=0, publish=stream_url) as server:
        for first in range(1, 1000, 90):
            write(server, first, min(first + 89, 1000), until)
        with tk.serve(stream_url, port=0, history=100) as relay:
            assert held(relay.log) == held(server.log)[-100:]
            assert relay.gaps.empty
            assert relay.stats["gap_ticks"] == 0
            assert (relay.stats["stream"], relay.stats["behind"]) == ("live", 0)
            assert relay.stats["stream_resets"] == 0


@pytest.mark.parametrize("is_made", [False, True])
def test_relay_waits_for_its_maker(
    is_made: bool, nats: NatsCluster, stream_name: str, stream_url: str
) -> None:
    """There is no stream yet, or nothing in it: `tk.serve` returns once the maker has begun."""
    if is_made:
        call(nats, "CREATE", stream_name, settings(stream_name))
    problem = "the stream holds nothing yet" if is_made else "there is no stream"
    with pytest.raises(StreamError, match=problem) as caught:
        tk.serve(tk.relay(stream_url, wait_s=0.1), port=0)
    assert not caught.value.is_final
    source = tk.relay(stream_url, wait_s=None)
    with ThreadPoolExecutor(1) as pool:
        serving = pool.submit(tk.serve, source, port=0)
        while problem not in source.status:
            assert not serving.done()
            time.sleep(0.005)
        with tk.serve(None, port=0, publish=stream_url) as server, serving.result(10) as relay:
            assert relay.log.epoch == server.log.epoch


@pytest.mark.process
def test_relay_in_a_process_has_the_time_that_it_was_given(
    stream_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit for the start of a process does not hold for what its stream takes."""
    monkeypatch.setattr("tickerkit.server.process.server.START_S", 0.01)
    with (
        tk.serve(None, port=0, publish=stream_url) as server,
        tk.serve(stream_url, port=0, process=True) as relay,
    ):
        assert relay.status == "listening"
        assert server.status == "listening"


def run_away(
    monkeypatch: pytest.MonkeyPatch, *heard_s: float | None, wait_s: float | None
) -> list[float]:
    """Run a source of a stream that is away; return its pauses before the attempts.

    Args:
        monkeypatch: replaces the clock.
        *heard_s: how long each attempt gets messages before it fails; None if it gets none.
        wait_s: as for `tk.relay`.
    """
    clock, pauses, left = [0.0], list[float](), list(heard_s)

    async def note(pause_s: float) -> None:
        pauses.append(pause_s)
        clock[0] += pause_s

    class Away(RelaySource):
        async def _follow(self, out: tk.Outlet) -> None:
            clock[0] += 0.5
            if left and (lasted_s := left.pop(0)) is not None:
                self._note_contact()
                clock[0] += lasted_s
            is_final = not left and wait_s is None
            raise StreamError(self.address, "it is away", is_final=is_final)

    fake = types.SimpleNamespace(monotonic=lambda: clock[0])
    monkeypatch.setattr("tickerkit.sources.relay.time", fake)
    monkeypatch.setattr("tickerkit.sources.relay.asyncio", types.SimpleNamespace(sleep=note))
    outlet: Any = types.SimpleNamespace(report=lambda error: None)
    with pytest.raises(StreamError, match="it is away"):
        Away("nats://host/a", wait_s).run(outlet).send(None)
    return pauses


def test_wait_of_a_relay_is_no_longer_than_was_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where attempts have become rare, and take half a second each."""
    pauses = run_away(monkeypatch, wait_s=10)
    assert sum(pauses) + 0.5 * len(pauses) == pytest.approx(10)


def test_stream_that_sent_something_is_tried_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attempts become rare while it is away, and only then."""
    pauses = run_away(monkeypatch, None, None, None, 3600, None, None, wait_s=None)
    assert pauses == [0.2, 0.4, 0.8, 0.1, 0.2]


def test_stream_that_is_lost_again_at_once_is_sought_ever_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its end may be told each time, and yet nothing can be read."""
    assert run_away(monkeypatch, 0, 0, 0, 0, wait_s=None) == [0.2, 0.4, 0.8]


@pytest.mark.parametrize("status", ["", "it is away"])
def test_relay_that_reads_nothing_lags_though_it_is_told_of_further_ticks(status: str) -> None:
    """How long the newest message took says nothing then."""
    relay = StreamRelay(StreamAddress.parse("nats://host/a"))
    relay._note_contact(behind=5)
    relay.caught_up_s -= 60
    relay.status = status
    assert relay.lag_s >= 60


def test_old_ticks_are_no_lag(
    stream_url: str, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    """A relay of a quiet stream is ready, and one whose clock differs from the broker's."""
    hour_later = types.SimpleNamespace(
        monotonic=time.monotonic, time_ns=lambda: time.time_ns() + 3600 * 10**9
    )
    monkeypatch.setattr(stream_relay, "time", hour_later)
    with tk.serve(None, port=0, publish=stream_url) as server:
        write(server, 1, 3, until)
        with tk.serve(stream_url, port=0) as relay:
            assert ask(relay.port, "/readyz")[0] == 200
            assert relay.stats["lag_s"] < 10
            write(server, 4, 6, until)
            until(lambda: len(relay.log) == 6)
            assert ask(relay.port, "/readyz")[0] == 200


# --- a broker that is away ------------------------------------------------------------------------


def test_relay_without_its_broker_serves_what_it_has(
    fragile_nats: NatsCluster, stream_name: str, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    """After some time it asks for no new readers; it recovers by itself."""
    monkeypatch.setattr(thread_server, "MAX_READY_LAG_S", 0.2)
    broker, url = fragile_nats.servers[0], fragile_nats.url(stream_name)
    with tk.serve(None, port=0, publish=url) as server:
        write(server, 1, 3, until)
        with tk.serve(url, port=0) as relay:
            until(lambda: ask(relay.port, "/readyz")[0] == 200)
            broker.kill()
            until(lambda: ask(relay.port, "/readyz")[::2] == (503, "behind\n"))
            assert ask(relay.port, "/healthz")[0] == 200
            assert relay.stats["lag_s"] > 0.2
            assert relay.stats["stream"] != "live"
            assert relay.stats["stream"] in relay.last_error
            server.publish(prices(4, 5))
            with tk.connect(relay.url, history=None) as feed:
                until(lambda: len(feed.log) == 3)
                broker.start()
                until(lambda: len(feed.log) == 5)
                assert feed.gaps.empty
            until(lambda: ask(relay.port, "/readyz")[0] == 200)
            assert relay.stats["stream"] == "live"
            assert relay.stats["stream_resets"] >= 1


# --- a stream that loses something ----------------------------------------------------------------


def test_ticks_trimmed_before_a_lagging_relay_read_them_are_a_gap(
    nats: NatsCluster, stream_name: str, stream_url: str, until: Until
) -> None:
    """It is exact, and only there: a relay that had read them has none."""
    way = CutOff(nats, stream_name)
    with tk.serve(None, port=0, publish=stream_url) as server:
        write(server, 1, 10, until)
        with tk.serve(stream_url, port=0) as fast, tk.serve(way.url, port=0) as lagging:
            with way.cut():
                for first in (11, 21, 31):
                    write(server, first, first + 9, until)
                until(lambda: len(fast.log) == 40)
                config = call(nats, "INFO", stream_name)["config"]
                call(nats, "UPDATE", stream_name, {**config, "max_msgs": 1})
            until(lambda: lagging.log.last_seq == 40)
            assert seqs(lagging.log) == [*range(1, 11), *range(31, 41)]
            assert lagging.gaps[["from", "to"]].values.tolist() == [[11, 30]]
            assert lagging.stats["gap_ticks"] == 20
            assert held(fast.log) == held(server.log)
            assert fast.gaps.empty


def test_deleted_stream_is_made_and_written_again(
    nats: NatsCluster,
    stream_name: str,
    stream_url: str,
    monkeypatch: pytest.MonkeyPatch,
    until: Until,
) -> None:
    """Neither the relay that had read it nor a later one lacks anything."""
    monkeypatch.setattr("tickerkit.brokers.nats.SILENCE_S", 1.5)
    with (
        tk.serve(None, port=0, publish=stream_url) as server,
        tk.serve(stream_url, port=0) as relay,
    ):
        write(server, 1, 10, until)
        until(lambda: len(relay.log) == 10)
        call(nats, "DELETE", stream_name)
        write(server, 11, 20, until)
        until(lambda: len(relay.log) == 20)
        with tk.serve(stream_url, port=0) as later:
            for each in (relay, later):
                assert held(each.log) == held(server.log)
                assert each.gaps.empty
        assert server.published["republished"] == 10
        until(lambda: relay.stats["stream"] == "live")


def test_purged_stream_goes_on(
    nats: NatsCluster, stream_name: str, stream_url: str, until: Until
) -> None:
    """A relay that had read it has all; a later one begins with what has come since."""
    call(nats, "CREATE", stream_name, settings(stream_name))
    with (
        tk.serve(None, port=0, publish=stream_url) as server,
        tk.serve(stream_url, port=0) as relay,
    ):
        write(server, 1, 10, until)
        until(lambda: len(relay.log) == 10)
        call(nats, "PURGE", stream_name)
        write(server, 11, 20, until)
        until(lambda: len(relay.log) == 20)
        with tk.serve(stream_url, port=0) as later:
            assert seqs(later.log) == list(range(11, 21))
            assert later.gaps.empty
        assert held(relay.log) == held(server.log)
        assert relay.gaps.empty


def test_broker_that_went_back_to_an_older_copy_is_written_again(
    tmp_path: Path, until: Until
) -> None:
    """The relay that had read more goes on, and a later one has all."""
    with NatsCluster(tmp_path) as cluster:
        broker, url = cluster.servers[0], cluster.url("back")
        store, copy = broker.folder / "store", tmp_path / "copy"
        with tk.serve(None, port=0, publish=url) as server, tk.serve(url, port=0) as relay:
            write(server, 1, 10, until)
            broker.stop()
            shutil.copytree(store, copy)
            broker.start()
            for first in (11, 21, 31):
                write(server, first, first + 9, until)
            until(lambda: len(relay.log) == 40)
            broker.stop()
            shutil.rmtree(store)
            copy.rename(store)
            broker.start()
            write(server, 41, 50, until)
            until(lambda: len(relay.log) == 50)
            assert server.published["republished"] == 30
            with tk.serve(url, port=0) as later:
                for each in (relay, later):
                    assert held(each.log) == held(server.log)
                    assert each.gaps.empty


def test_look_at_what_the_broker_has_lost_does_not_hold_up_later_ones() -> None:
    """What it saw never comes, and the relay has caught up nonetheless."""
    relay = StreamRelay(StreamAddress.parse("nats://host/a"))
    lost, reached, ahead = (
        stream_relay._Look(Stored(number, None), questions=number, number=number, at_s=number)
        for number in (1, 2, 3)
    )
    relay._looks.extend([lost, reached, ahead])
    follower: Any = types.SimpleNamespace(
        holds=lambda tail: tail is reached.tail, position=Position("e", 1)
    )
    taken: list[Any] = []

    async def take(events: list[Any]) -> None:
        taken.extend(events)

    outlet: Any = types.SimpleNamespace(take=take)
    asyncio.run(relay._report_looks(follower, outlet))
    assert taken == [CaughtUp(2)]
    assert [*relay._looks] == [ahead]
    assert relay.caught_up_s == 2


def test_many_looks_do_not_crowd_out_the_oldest() -> None:
    """A log that lags catches up with some of them, however many questions readers ask."""
    relay = StreamRelay(StreamAddress.parse("nats://host/a"))
    follower: Any = types.SimpleNamespace(
        holds=lambda tail: False,
        is_behind=lambda tail, number: False,
        position=Position("e", 1),
    )
    count = 2 * stream_relay.MAX_LOOKS

    async def look() -> None:
        outlet: Any = None
        for n in range(1, count + 1):
            tail = Stored(n, StreamMessage("ticks", "e", n, 1, b""))
            await relay._take_look(stream_relay._Look(tail, n, 0, n / count), follower, outlet)

    asyncio.run(look())
    assert len(relay._looks) == stream_relay.MAX_LOOKS
    assert (relay._looks[0].questions, relay._looks[-1].questions) == (1, count)


# --- readers from elsewhere -----------------------------------------------------------------------


def test_reader_of_a_foreign_epoch_gets_its_gap_once_the_relay_has_looked(
    stream_url: str, until: Until
) -> None:
    """Until then the connection is closed with 1013: try again later."""
    with (
        tk.serve(None, port=0, publish=stream_url) as server,
        tk.serve(stream_url, port=0) as relay,
    ):
        write(server, 1, 3, until)
        until(lambda: len(relay.log) == 3)
        with pytest.raises(ConnectionClosed) as caught:
            resume(relay, "foreign", 7)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1013

        def answer() -> list[dict[str, Any]]:
            with contextlib.suppress(ConnectionClosed):
                return resume(relay, "foreign", 7)
            return []

        found: list[dict[str, Any]] = []
        until(lambda: found.extend(answer()) or found)
        gap = {key: found[0].get(key) for key in ("type", "epoch", "from", "to")}
        assert gap == {"type": "gap", "epoch": "foreign", "from": 8, "to": None}


def test_reader_of_an_epoch_that_has_not_come_yet_waits_for_it(
    nats: NatsCluster, stream_name: str, stream_url: str, until: Until
) -> None:
    """The maker was restarted, and this relay does not know it yet: no gap is reported."""
    way = CutOff(nats, stream_name)
    first = tk.serve(None, port=0, publish=stream_url)
    write(first, 1, 3, until)
    with tk.serve(way.url, port=0) as relay:
        with way.cut():
            first.stop()
            second = tk.serve(None, port=0, publish=stream_url)
            write(second, 1, 5, until)
            with tk.connect(second.url, history=None) as feed:
                until(lambda: len(feed.log) == 5)
            for _ in range(3):
                with pytest.raises(ConnectionClosed):
                    resume(relay, second.log.epoch, 5)
        until(lambda: relay.log.epoch == second.log.epoch and len(relay.log) == 8)
        answer = resume(relay, second.log.epoch, 5)
        assert [each["type"] for each in answer] == ["at"], json.dumps(answer)


# --- worse ----------------------------------------------------------------------------------------


@pytest.mark.soak
@pytest.mark.timeout(TIMEOUT_S)
def test_three_brokers_killed_at_once_lose_nothing(tmp_path: Path, until: Until) -> None:
    """They are started again with their files."""
    with NatsCluster(tmp_path, 3) as cluster:
        url = cluster.url("three")
        with tk.serve(None, port=0, publish=url) as server, tk.serve(url, port=0) as relay:
            write(server, 1, 1000, until)
            for broker in cluster.servers:
                broker.kill()
            server.publish(prices(1001, 2000))
            for broker in cluster.servers:
                broker.start()
            wait_written(server, until, 60)
            until(lambda: len(relay.log) == 2000, 60)
            with tk.serve(url, port=0) as later:
                for each in (relay, later):
                    assert held(each.log) == held(server.log)
                    assert each.gaps.empty


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Mount a file system of a few megabytes, or skip the test."""
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("may not mount a tmpfs")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.soak
@pytest.mark.timeout(TIMEOUT_S)
def test_full_disk_of_a_broker_pauses_relays(tmp_path: Path, until: Until) -> None:
    """The maker serves on, and writes all once there is room and the broker was restarted."""
    with small_disk(tmp_path / "n1" / "store") as disk, NatsCluster(tmp_path) as cluster:
        broker, url = cluster.servers[0], cluster.url("full")
        with tk.serve(None, port=0, publish=url) as server, tk.serve(url, port=0) as relay:
            write(server, 1, 100, until)
            until(lambda: len(relay.log) == 100)
            (disk / "others").write_bytes(bytes(shutil.disk_usage(disk).free - 100_000))
            number = 100
            while server.published["status"] != "waiting":
                server.publish([row(number + i, note=f"{number + i:0200}") for i in range(1, 1001)])
                number += 1000
                until(lambda: not server.published["behind"] or server.published["errors"])
            assert server.published["last_error"]
            assert len(server.log) == number
            assert server.status == "listening"
            assert relay.log.last_seq < number
            (disk / "others").unlink()
            broker.restart()
            wait_written(server, until, 60)
            until(lambda: relay.log.last_seq == number, 60)
            with tk.serve(url, port=0) as later:
                for each in (relay, later):
                    assert held(each.log) == held(server.log)
                    assert each.gaps.empty
