"""A server whose source brings ticks that another log has numbered: a relay."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from relays import RelayedEvents, hello, ticks

import tickerkit as tk
from tickerkit.errors import SourceError, StreamError
from tickerkit.log import Gap
from tickerkit.protocol import CaughtUp, End, Taken
from tickerkit.server.thread_server import ThreadServer

Until = Callable[..., None]

STREAM: list[Taken] = [
    hello("E1", 101),
    ticks("E1", 101, 105),
    Gap("E1", 106, 110, "lost"),
    ticks("E1", 111, 115),
    CaughtUp(0),
]


def held(log: tk.TickLog) -> list[int]:
    """Return the seqs in a log."""
    seqs: list[int] = log.frame()["seq"].tolist()
    return seqs


@pytest.mark.parametrize("process", [False, pytest.param(True, marks=pytest.mark.process)])
def test_readers_get_the_numbers_of_the_stream(process: bool, until: Until) -> None:
    """Also from a relay in a process of its own, which has an origin of its own."""
    with tk.serve(RelayedEvents(STREAM), port=0, process=process) as server:
        until(lambda: server.log.last_seq == 115)
        with tk.connect(server.url, history=None) as feed:
            feed.wait(10)
            until(lambda: len(feed.gaps))
            assert held(feed.log) == held(server.log) == [*range(101, 106), *range(111, 116)]
            assert feed.frame()["epoch"].tolist() == ["E1"] * 10
            assert feed.gaps["from"].tolist() == server.gaps["from"].tolist() == [106]


@pytest.mark.parametrize("process", [False, pytest.param(True, marks=pytest.mark.process)])
def test_relay_that_can_not_catch_up_does_not_listen(process: bool) -> None:
    """`tk.serve` raises the reason, and leaves nothing behind."""
    failed = RelayedEvents([], StreamError("nats://host/x", "the login is refused", is_final=True))
    with pytest.raises(StreamError, match="the login is refused"):
        tk.serve(failed, port=0, process=process)


def test_feed_of_a_relay_ends_with_the_stream_and_not_with_the_relay(until: Until) -> None:
    """A relay that fails is no end: its readers go on elsewhere."""
    failed = RelayedEvents(STREAM, StreamError("nats://host/x", "it was deleted", is_final=True))
    with tk.serve(failed, port=0) as server, tk.connect(server.url) as feed:
        until(lambda: server.stats["last_error"])
        until(lambda: feed.status == "live")
        assert server.status == "listening"
    ended = RelayedEvents([*STREAM, End()])
    with tk.serve(ended, port=0) as server, tk.connect(server.url) as feed:
        until(lambda: feed.status == "ended")
        assert server.status == "ended"


def test_stream_goes_on_after_its_end_if_the_maker_is_started_again(until: Until) -> None:
    """Readers that come then are not sent away."""
    again = [*STREAM, End(), Gap("E1", 116, None, "restarted"), hello("E2"), ticks("E2", 1, 3)]
    with tk.serve(RelayedEvents(again), port=0) as server:
        until(lambda: server.log.stop == 13 and server.status == "listening")


def test_feed_of_an_epoch_that_is_on_its_way_connects_until_it_has_come(until: Until) -> None:
    """It had the ticks up to there from another relay."""
    with (
        tk.serve(RelayedEvents(STREAM), port=0) as server,
        tk.connect(server.url, resume=("E2", 50)) as feed,
    ):
        assert isinstance(server, ThreadServer)
        until(lambda: "this relay has not caught up; connect again" in feed.status_reason)
        news = [Gap("E1", 116, None, "restarted"), hello("E2"), ticks("E2", 1, 60)]
        asyncio.run(server._intake.take(news))
        feed.wait(10)
        assert held(feed.log) == list(range(51, 61))
        assert len(feed.gaps) == 0


@pytest.mark.parametrize("fails", [False, True])
def test_reader_of_an_unknown_epoch_may_come_when_the_source_is_gone(
    fails: bool, until: Until
) -> None:
    """If it has ended, nothing more will come. If it has failed, another relay may know more."""
    error = RuntimeError("a fault") if fails else None
    source = RelayedEvents([*STREAM, End()], error, is_finished=True)
    with tk.serve(source, port=0) as server:
        assert isinstance(server, ThreadServer)
        worker = server._worker
        assert worker is not None
        until(lambda: not worker._thread.is_alive())
        with tk.connect(server.url, resume=("X", 50)) as feed:
            if fails:
                until(lambda: "this relay has not caught up" in feed.status_reason)
                assert feed.status == "reconnecting"
            else:
                feed.wait(10)
                assert feed.gaps["from"].tolist() == [51, 1, 106]
        assert server.stats["refused"] == int(fails)


def test_publish_at_a_relay_is_refused() -> None:
    """The tick would get a number that the maker gives to another."""
    with tk.serve(RelayedEvents(STREAM), port=0) as server:
        with pytest.raises(
            SourceError, match=r"^this server is a relay: .*; publish at that server$"
        ):
            server.publish({"symbol": "A", "price": 1})
        assert server.stats["refused"] == 0


@pytest.mark.parametrize("what", ["send", "gap"])
def test_source_of_a_relay_may_not_count_by_itself(what: str, until: Until) -> None:
    """Its ticks and gaps come with their numbers, or not at all."""

    class Counting(RelayedEvents):
        async def run(self, out: tk.Outlet) -> None:
            await out.take(self.events)
            await (out.send({"symbol": "A", "price": 1}) if what == "send" else out.gap(1, "lost"))

    with tk.serve(Counting(STREAM), port=0) as server:
        until(lambda: "publish at that server" in server.stats["last_error"])
        until(lambda: server.log.last_seq == 115)
        assert len(server.log) == 10
