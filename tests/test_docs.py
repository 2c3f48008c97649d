"""Tests of the pages for people: commands exist, examples run, links lead somewhere."""

from __future__ import annotations

import importlib
import json
import re
import shlex
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import typer.main
from event_server import EventServer, Stream, serve_events
from nats_cluster import NatsCluster

import tickerkit as tk
from tickerkit.brokers.nats import MIN_VERSION
from tickerkit.brokers.settings import DEFAULT_MAX_BYTES
from tickerkit.cli.app import app
from tickerkit.cli.exit_codes import FENCED
from tickerkit.presets.files import load_preset
from tickerkit.presets.preset import Preset
from tickerkit.protocol.v1 import HEARTBEAT_S
from tickerkit.server.metrics import OF_PUBLISHED, OF_STATS
from tickerkit.server.rounds import MAX_AT_ONCE, ROUND_S
from tickerkit.server.thread_server import MAX_READY_LAG_S
from tickerkit.sources import EventsSource
from tickerkit.testing import FakeVenue

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
DOCS = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/*.md"))
PAGES = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "deploy/README.md", *DOCS]
COMMANDS = getattr(typer.main.get_command(app), "commands")  # noqa: B009


def blocks(text: str, *languages: str) -> list[str]:
    """Return the code blocks of a page in these languages.

    "python network" are examples that need a network, "python broker" those that need a broker.
    """
    return [
        code
        for kind, code in re.findall(r"^```(\w[\w ]*)\n(.*?)^```$", text, re.M | re.S)
        if kind in languages
    ]


def shell_lines(text: str) -> list[list[str]]:
    """Return the words of each line that a page gives to be typed in a shell."""
    lines = "\n".join(blocks(text, "sh", "zsh", "powershell")).splitlines()
    inline = re.findall(r"`((?:tickerkit|make) [^`]*)`", text)
    return [shlex.split(line.replace("\\", "/"), comments=True) for line in (*lines, *inline)]


def typed(text: str, program: str) -> list[list[str]]:
    """Return what follows a program's name on each such line."""
    return [
        words[1:] for words in shell_lines(text) if words and words[0].rpartition("/")[2] == program
    ]


@pytest.fixture
def free_port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Have servers take a free port where the README takes 8000; stop all of them after."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    monkeypatch.setattr(tk, "serve", partial(tk.serve, port=port))
    monkeypatch.setattr(tk, "room", partial(tk.room, port=0, process=False))
    yield port
    tk.stop_all()


def test_every_example_of_the_readme_runs(
    free_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Python blocks run one after the other, as the cells of a notebook would."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    examples = blocks(README, "python")
    assert len(examples) >= 4
    for code in examples:
        exec(compile(code, "README.md", "exec"), names)
    assert isinstance(names["feed"], tk.Feed)
    assert (tmp_path / "ticks.csv").stat().st_size > 0


def test_examples_of_the_docs_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The addresses of relays lead to one server, as if its log were that of two relays."""
    monkeypatch.chdir(tmp_path)
    with tk.serve(tk.simulate("AAPL", rate=1000, seed=1), port=0) as server:
        examples = [
            code for name in DOCS for code in blocks((ROOT / name).read_text("utf-8"), "python")
        ]
        assert examples
        for code in examples:
            local = re.sub(r"ws://127\.0\.0\.1:\d+/", server.url, code)
            exec(compile(local, "docs", "exec"), {})
        tk.stop_all()


def test_examples_that_need_a_broker_run_with_one_on_this_machine(
    free_port: int, tmp_path: Path
) -> None:
    """A maker publishes, a relay serves the same ticks, and a feed tries two addresses."""
    names: dict[str, object] = {"tk": tk, "source": tk.simulate("AAPL", rate=100, seed=1)}
    (code,) = blocks(README, "python broker")
    with NatsCluster(tmp_path) as brokers:
        local = re.sub(r"nats://[^/\"]+/(\w+)", lambda match: brokers.url(match[1]), code)
        local = local.replace("port=8001", "port=0")
        serving, connecting = local.split("feed = ")
        exec(compile(serving, "README.md", "exec"), names)
        relay = names["relay"]
        assert isinstance(relay, tk.TickServer)
        at_relay = re.sub(r"ws://[^/\"]+/", relay.url, f"feed = {connecting}")
        exec(compile(at_relay, "README.md", "exec"), names)
        feed = names["feed"]
        assert isinstance(feed, tk.Feed)
        assert feed.wait().url == relay.url
        tk.stop_all()


@pytest.fixture
def venues(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, FakeVenue]]:
    """Run the venues of the README on this machine, and have `tk.venue` connect to them."""
    symbols = {"kraken": ["BTC/USD", "ETH/USD"], "binance": ["BTCUSDT", "ETHUSDT"]}

    def load_local(name: str) -> Preset:
        preset = load_preset(name)
        sockets = tuple(replace(each, url=fakes[name].url) for each in preset.sockets)
        assert preset.backfill is not None
        backfill = replace(preset.backfill, base=fakes[name].rest)
        return replace(preset, sockets=sockets, backfill=backfill)

    with ExitStack() as stack:
        fakes = {name: stack.enter_context(FakeVenue(name, each)) for name, each in symbols.items()}
        module = importlib.import_module("tickerkit.sources.venue")
        monkeypatch.setattr(module, "load_preset", load_local)
        yield fakes


@pytest.fixture
def wikimedia() -> Iterator[EventServer]:
    """Run an event stream with one edit, of the form that Wikimedia documents."""
    edit = (
        'event: message\nid: [{"topic": "eqiad.mediawiki.recentchange", "offset": -1}]\n'
        'data: {"type": "edit", "wiki": "enwiki", "timestamp": 1723161255, "bot": false, '
        '"length": {"old": 100, "new": 110}, "title": "Websocket"}\n\n'
    )

    def handle(stream: Stream) -> None:
        stream.begin(kind="text/event-stream; charset=utf-8")
        stream.send(":ok\n\n" + edit)
        stream.idle()

    with serve_events(handle) as server:
        yield server


def test_examples_that_need_a_network_run_with_servers_on_this_machine(
    venues: dict[str, FakeVenue],
    wikimedia: EventServer,
    free_port: int,
    until: Callable[..., None],
) -> None:
    """They run one after the other."""
    names: dict[str, object] = {"tk": tk}
    examples = blocks(README, "python network")
    assert len(examples) >= 4
    for code in examples:
        local = code.replace("wss://ws.kraken.com/v2", venues["kraken"].url)
        local = re.sub(r"https://stream\.wikimedia\.org[^\"]*", wikimedia.url, local)
        exec(compile(local, "README.md", "exec"), names)
    assert isinstance(names["feed"], tk.Feed)
    assert set(names["feed"].wait().latest().index) <= {"BTCUSDT", "ETHUSDT"}
    edits = names["edits"]
    assert isinstance(edits, EventsSource)
    until(lambda: edits._has_ticks)
    assert edits.unknown == {}


def test_every_command_is_documented_and_every_documented_command_exists() -> None:
    """The README's command lines name all commands of `tickerkit`, and no other."""
    named = {words[0] for words in typed(README, "tickerkit")}
    assert named == set(COMMANDS)


@pytest.mark.parametrize("name", ["README.md", "deploy/README.md", *DOCS])
def test_documented_options_exist(name: str) -> None:
    """Each option of a documented command line is one of that command's."""
    text = (ROOT / name).read_text(encoding="utf-8")
    for command, *words in typed(text, "tickerkit"):
        known = {option for each in COMMANDS[command].params for option in each.opts}
        assert {word for word in words if word.startswith("-")} - {"-"} <= known


def test_metrics_that_the_docs_name_exist() -> None:
    """Each name in a query for Prometheus is one that a server has."""
    text = "".join((ROOT / name).read_text(encoding="utf-8") for name in DOCS)
    named = set(re.findall(r"\btickerkit_(\w+)\b", text))
    known = {
        f"{each.name}_total" if each.is_counter else each.name
        for each in (*OF_STATS, *OF_PUBLISHED)
    }
    assert named
    assert named <= known


def test_limits_that_the_docs_name_are_those_of_the_code() -> None:
    """A number that is changed in one place is changed in both."""
    text = (ROOT / "docs" / "many-machines.md").read_text(encoding="utf-8")
    assert f"after {MAX_READY_LAG_S:g} seconds it asks for no new readers" in text
    assert f"exit code {FENCED}" in text
    assert f"something at least every {HEARTBEAT_S:g} seconds" in text
    assert f"Versions before {'.'.join(map(str, MIN_VERSION))} " in text
    rounds = f"more than {MAX_AT_ONCE} readers, a server makes at most {1 / ROUND_S:g} rounds"
    assert rounds in text
    assert f"with at most {DEFAULT_MAX_BYTES / 1e9:g} GB, about" in text


def test_indicators_that_the_docs_list_are_those_of_the_code() -> None:
    """The table has each of them with its description and place, in the same order."""
    text = (ROOT / "docs" / "desk.md").read_text(encoding="utf-8")
    places = {"price": "over the price", "own": "below"}
    assert re.findall(r"^\| `([^`]*)` \| (.*) \| (over the price|below) \|$", text, re.M) == [
        (each.example, each.description, places[each.pane]) for each in tk.indicators().itertuples()
    ]


def test_queries_that_the_docs_name_are_valid(tmp_path: Path) -> None:
    """Prometheus itself reads them as the conditions of alarms."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool was not found")
    text = "".join((ROOT / name).read_text(encoding="utf-8") for name in DOCS)
    queries = re.findall(r"^\| `([^`]*\btickerkit_[^`]*)` \|", text, re.M)
    assert queries
    rules = [{"alert": f"query{number}", "expr": each} for number, each in enumerate(queries)]
    (tmp_path / "rules").write_text(json.dumps({"groups": [{"name": "docs", "rules": rules}]}))
    command = [promtool, "check", "rules", str(tmp_path / "rules")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_make_has_the_documented_targets() -> None:
    """README and CONTRIBUTING name each target of the Makefile but help, and no other."""
    documented = {words[0] for words in (*typed(README, "make"), *typed(CONTRIBUTING, "make"))}
    (phony,) = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.M)
    assert documented | {"help"} == set(phony.split())


def test_make_help_lists_every_target() -> None:
    """`make` without a target lists every target."""
    (phony,) = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.M)
    listed = set(re.findall(r'^\t@echo "make ([\w-]+) ', MAKEFILE, re.M))
    assert listed | {"help"} == set(phony.split())
    assert re.search(r"^(\w+):", MAKEFILE, re.M).group(1) == "help"  # type: ignore[union-attr]


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_to_files_and_headings_that_exist(name: str) -> None:
    """Each relative link of a page is a file of the project, or a heading of the page."""
    text = (ROOT / name).read_text(encoding="utf-8")
    headings = {
        re.sub(r"[^\w -]", "", title).lower().replace(" ", "-")
        for title in re.findall(r"^#+ (.*)$", text, re.M)
    }
    for target in re.findall(r"\]\(([^)]+)\)", text):
        file, _, heading = target.partition("#")
        if "://" not in file:
            assert (ROOT / name).parent.joinpath(file).exists(), target
            assert not heading or file or heading in headings, target


def test_every_name_that_a_page_uses_is_on_the_front_page() -> None:
    """Each `tk.name` of README, CHANGELOG and docs is exported."""
    pages = ("README.md", "CHANGELOG.md", *DOCS)
    text = "".join((ROOT / name).read_text(encoding="utf-8") for name in pages)
    assert set(re.findall(r"\btk\.(\w+)", text)) <= set(tk.__all__)


def test_changelog_begins_with_this_version() -> None:
    """The newest entry is the version that is installed."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.findall(r"^## (\S+)", text, re.M)[0]
    assert newest == tk.__version__
    assert f'version = "{newest}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
