"""`tickerkit relay`, and `tickerkit serve --publish`: a stream on the command line."""

from __future__ import annotations

import re
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import Command, InProcess, on_posix, port_is_free
from nats_cluster import NatsCluster
from nats_logins import Operator
from peers import LOCAL, free_port
from rich.text import Text
from streamed import held, prices, row

import tickerkit as tk
from tickerkit.cli import serving

pytestmark = on_posix

Start = Callable[..., InProcess]
Until = Callable[..., None]


@pytest.fixture(autouse=True)
def short_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a command that waits for its maker try again soon."""
    monkeypatch.setattr("tickerkit.cli.relay.WAIT_S", 0.05)
    monkeypatch.setattr("tickerkit.cli.relay.RETRY_S", 0.05)


def address(command: Command | InProcess) -> str:
    """Return the websocket that a command prints."""
    return command.until(r"^ +websocket +(ws://\S+)")[1]


def is_written(server: tk.TickServer, seq: int) -> bool:
    """Return whether the broker has a server's ticks up to a seq."""
    return bool(server.published["seq"] == seq)


# --- relay ----------------------------------------------------------------------------------------


def test_relay_prints_its_addresses_once_it_has_caught_up(
    start: Start, stream_url: str, until: Until
) -> None:
    """Readers get the ticks with the seqs of the maker."""
    with tk.serve(None, port=0, publish=stream_url) as server:
        server.publish(prices(1, 3))
        until(lambda: is_written(server, 3))
        with start("relay", stream_url, "--port", "0") as command:
            with tk.connect(address(command), history=None) as feed:
                until(lambda: len(feed.log) == 3)
                assert held(feed.log) == held(server.log)
            assert command.end() == 0
        assert command.out.startswith(f"relaying {stream_url}\n")
        assert "stopped after 3 ticks and 1 connection" in command.out
        assert command.err == ""


def test_relay_of_another_server_takes_its_token(start: Start, until: Until) -> None:
    """It is in the address, in --upstream-token, or in a variable; the relay's own differs."""
    with tk.serve(None, port=0, token="sesame") as server:
        plain = f"ws://{LOCAL}:{server.port}/"
        for arguments in ([server.url], [f"{plain},{plain}", "--upstream-token", "sesame"]):
            with start("relay", *arguments, "--port", "0", "--token", "own") as command:
                assert address(command).endswith("/?token=own")
                assert command.end() == 0
            assert "sesame" not in command.out + command.err
        with start("relay", plain, "--port", "0") as command:
            assert command.wait() == 1
        assert re.fullmatch(r"tickerkit: ws://.* refused .*\n", command.err)


@pytest.mark.process
def test_relay_ends_with_a_signal(stream_url: str) -> None:
    """The exit code is 0, and the port is free; the token of its maker came from a variable."""
    with tk.serve(None, port=0, token="sesame", publish=stream_url) as server:
        plain = f"ws://{LOCAL}:{server.port}/"
        with Command("relay", plain, "--port", "0", TICKERKIT_UPSTREAM_TOKEN="sesame") as command:
            found = address(command)
            assert command.end() == 0
        assert command.err == ""
        assert port_is_free(int(re.findall(r":(\d+)/", found)[0]))


@pytest.mark.parametrize("kind", ["stream", "websocket"])
def test_relay_waits_for_its_maker(kind: str, start: Start, stream_url: str) -> None:
    """One line on stderr says so; nothing else is printed before it listens."""
    port = free_port() if kind == "websocket" else 0
    url = f"ws://{LOCAL}:{port}/" if kind == "websocket" else stream_url
    publish = stream_url if kind == "stream" else None
    with start("relay", url, "--port", "0") as command:
        problem = "there is no stream" if kind == "stream" else "nothing listens there yet"
        command.until(rf"^tickerkit: waiting for {url}: {problem}", stream="err")
        assert command.out == ""
        with tk.serve(None, port=port, publish=publish):
            address(command)
        assert command.end() == 0
    assert command.err.count("\n") == 1


def test_interrupt_ends_the_wait_for_a_maker(start: Start, stream_url: str) -> None:
    """As of any command, with exit code 0."""
    with start("relay", stream_url, "--port", "0") as command:
        command.until("waiting for", stream="err")
        assert command.end() == 0
    assert command.out == ""


def test_wait_that_is_over_is_not_reported_again(capsys: pytest.CaptureFixture[str]) -> None:
    """An error is reported after the start only if it came after the start."""
    errors = iter(["old", "old", "new", "new"])

    def wait(_: float) -> bool:
        server.stats["last_error"] = next(errors, "")
        return not server.stats["last_error"]

    server: Any = types.SimpleNamespace(published=None, source=None)
    server.stats = {"status": "listening", "turned_away": 0}
    serving.watch_server(server, Text, wait, told="old")
    assert capsys.readouterr().err == "tickerkit: new\n"


def test_variable_that_is_wrong_keeps_its_name(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is no option."""
    monkeypatch.setenv("NATS_CREDS", "/no/file")
    with start("relay", "nats://host/a") as command:
        assert command.wait() == 2
    assert command.err.startswith("tickerkit: Invalid NATS_CREDS '")


def test_credentials_are_a_file_or_its_variable(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without them the login is refused at once, and the command ends."""
    operator = Operator()
    creds = operator.write_creds(tmp_path / "sesame.creds", "maker")
    with NatsCluster(tmp_path, extra=operator.config) as cluster:
        url = cluster.url("a")
        with start("relay", url, "--port", "0") as command:
            assert command.wait() == 1
        assert re.fullmatch(r"tickerkit: nats://\S+ .* refuses the login .*\n", command.err)
        with start("serve", "sim:A", "--port", "0", "--publish", url, "--creds", creds) as maker:
            address(maker)
            with start("relay", url, "--port", "0", "--creds", str(creds)) as relay:
                address(relay)
                assert relay.end() == 0
            monkeypatch.setenv("NATS_CREDS", str(creds))
            with start("relay", url, "--port", "0") as relay:
                address(relay)
                assert relay.end() == 0
            assert maker.end() == 0
        for each in (maker, relay):
            assert "sesame" not in each.out + each.err


def test_login_of_an_address_is_shown_nowhere(
    start: Start, stream_url: str, stream_name: str
) -> None:
    """Neither by the maker, nor by the relay, nor while they wait."""
    secret = stream_url.replace("nats://", "nats://ann:sesame@")
    with start("relay", secret, "--port", "0") as relay:
        relay.until("waiting for", stream="err")
        with start("serve", "sim:A", "--port", "0", "--publish", secret) as maker:
            address(maker)
            maker.until(rf"^ +published to +{stream_url}$")
            address(relay)
            assert maker.end() == 0
        assert relay.end() == 0
    nobody = f"nats://ann:sesame@{LOCAL}:{free_port()}/{stream_name}"
    with start("relay", nobody, "--port", "0") as alone:
        alone.until("waiting for", stream="err")
        assert alone.end() == 0
    for each in (relay, maker, alone):
        assert "sesame" not in each.out + each.err
        assert "ann" not in each.out + each.err


@pytest.mark.parametrize(
    ("arguments", "about"),
    [
        (["relay", "nats://ann:sesame@host"], "URL 'nats://host'"),
        (["relay", "nats://ann:sesame@host:99999/a"], "URL 'nats://host:99999/a'"),
        (["relay", "ftp://ann:sesame@host/"], "URL 'ftp://host/'"),
        (["relay", "nats://host/a", "--upstream-token", "sesame"], "--upstream-token"),
        (["relay", "nats://host/a", "--creds", "/no/sesame"], "--creds"),
        (["relay", "nats://host/a", "--cert", __file__], "--key"),
        (["relay", "ws://host/", "--creds", "sesame"], "--creds"),
        (["relay", "ws://host/", "--cert", __file__], "--cert"),
        (["relay", "ws://host/", "--token", "a", "--no-token"], "--no-token"),
        (["serve", "sim:A", "--publish", "nats://ann:sesame@host"], "--publish 'nats://host'"),
        (["serve", "sim:A", "--publish", "ws://host/"], "--publish 'ws://host/'"),
        (["serve", "sim:A", "--publish", "nats://host/a", "--keep", "3 apples"], "--keep"),
        (["serve", "sim:A", "--keep", "1GB"], "--keep is about the stream of --publish"),
        (["serve", "sim:A", "--creds", "sesame"], "--creds is about the stream of --publish"),
    ],
)
def test_bad_arguments_are_one_line(arguments: list[str], about: str, start: Start) -> None:
    """The exit code is 2, and no secret is shown."""
    with start(*arguments) as command:
        assert command.wait() == 2
    assert about in command.err
    assert command.err.count("\n") == 1
    assert command.out == ""
    assert "sesame" not in command.err


# --- serve --publish ------------------------------------------------------------------------------


def test_maker_that_another_one_replaces_ends(start: Start, stream_url: str) -> None:
    """The exit code 3 says that it must not be started again."""
    with start(
        "serve", "sim:A", "--port", "0", "--publish", stream_url, "--keep", "24h"
    ) as command:
        address(command)
        with tk.serve(None, port=0, publish=stream_url) as second:
            second.publish(row(1))
            assert command.wait() == 3
    line = f"tickerkit: another server has taken over {stream_url}; this one ends"
    assert command.err.splitlines()[-1] == line
    assert "stopped after" in command.out
