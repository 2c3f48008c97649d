"""`tickerkit record`: ticks into a file as they come, until the end, or Ctrl-C."""

from __future__ import annotations

import re
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tickerkit.cli.interrupt import ending
from tickerkit.cli.record_progress import attend, tell
from tickerkit.cli.serve import function_of
from tickerkit.cli.server_options import words
from tickerkit.cli.terminal import busy, complain, printable, say
from tickerkit.errors import RecordingExists, SourceError, TickerkitError
from tickerkit.formatting import format_count

if TYPE_CHECKING:
    from tickerkit.feed import Feed
    from tickerkit.log import Position
    from tickerkit.server import TickServer
    from tickerkit.storage.atomic import Mode
    from tickerkit.storage.paths import Naming

__all__ = ["record"]

FAILED = 1
# The recorder is behind by a second at most; this is for a disk that hangs.
KEEP = 1_000_000
KINDS = (
    'a recording, "sim:AAPL,MSFT", "prices.py:fetch", or an address such as ws://127.0.0.1:8000/'
)
UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def record(
    source: Annotated[
        str,
        typer.Argument(
            metavar="URL|SOURCE",
            help='A websocket, as "ws://127.0.0.1:8000/", or a source as for `tickerkit serve`: '
            '"sim:AAPL,MSFT", "prices.py:fetch".',
        ),
    ],
    out: Annotated[
        str,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="Where to: .csv .csv.gz .csv.zst .parquet, or a folder.",
        ),
    ],
    duration: Annotated[
        str | None,
        typer.Option("--for", metavar="TIME", help="End after so long: 90s, 10m, 2h or 1d."),
    ] = None,
    ticks: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="End after exactly so many ticks.")
    ] = None,
    symbols: Annotated[
        str | None, typer.Option(metavar="LIST", help="Only these, as AAPL,MSFT; all by default.")
    ] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="Keep each message as it came, too: lines of JSON.")
    ] = False,
    rotate: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="Begin a new file each day, or hour, or at 100MB."),
    ] = None,
    compression: Annotated[
        str | None, typer.Option(metavar="KIND", help="gzip or zstd; else by the file's name.")
    ] = None,
    max_disk: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="Write no more than this in all, as 10GB."),
    ] = None,
    flush: Annotated[
        float,
        typer.Option(min=0, metavar="SECONDS", help="At most so much is lost if it is killed."),
    ] = 1.0,
    fsync: Annotated[
        bool, typer.Option("--fsync", help="Nor is more lost when the power fails.")
    ] = False,
    new: Annotated[bool, typer.Option("--new", help="Refuse a file that is there.")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Take the place of a file that is there.")
    ] = False,
    every: Annotated[
        float,
        typer.Option(min=0.001, metavar="SECONDS", help="Seconds between two calls of a function."),
    ] = 10.0,
    token: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What the server wants to see.")
    ] = None,
) -> None:
    """Record ticks to a file, until the end or Ctrl-C.

    The end is that of the source, or what --for or --ticks say.

    A recording that is there is gone on with: what came since its last tick is fetched, and what
    the server no longer has is listed in it as a gap. The file is valid at any moment. Exit code 1
    when the feed failed, or something could not be written.
    """
    from tickerkit.runtime.portal import portal
    from tickerkit.storage.paths import naming_from_path

    if new and overwrite:
        raise typer.BadParameter("--new and --overwrite contradict each other")
    for_s = None if duration is None else _seconds(duration)
    wanted = None if symbols is None else words(symbols)
    if wanted == []:
        raise typer.BadParameter("--symbols names none; for example --symbols AAPL,MSFT")
    mode: Mode = "new" if new else "overwrite" if overwrite else "append"
    naming = naming_from_path(out, rotates=rotate is not None, compression=compression)
    if mode == "new" and not naming.timed and naming.files():
        raise TickerkitError(f"{out} exists; leave out --new to resume it, or pass --overwrite")
    held, resume = _read_last_tick(naming) if mode == "append" else (0, None)
    if ending.asked:
        return
    options = {
        "mode": mode,
        "flush_s": flush,
        "fsync": fsync,
        "rotate": rotate,
        "compression": compression,
        "max_disk": max_disk,
        "raw": raw,
    }
    with ExitStack() as ends:
        server = None if "://" in source else ends.enter_context(_served(source, every))
        # All that a source of our own makes; of a server what comes from now on.
        history = 0 if server is None else None
        feed = _feed(server.url if server else source, wanted, history, token, resume, ticks)
        ends.callback(feed.stop)
        # Before the feed is started, so that the recorder misses nothing.
        # It may want the background thread, which a feed has only when it is started.
        portal.enter()
        ends.callback(portal.leave)
        recorder = _recorder(feed, out, options)
        ends.callback(recorder.stop)
        began = time.monotonic()
        feed.start()
        what = source if server else feed.url
        say(f"recording {printable(what)} to {printable(recorder.path)}; Ctrl-C ends it", "bold")
        failing = attend(feed, recorder, server, for_s, ticks)
        took_s = time.monotonic() - began
        errors = recorder.stats["errors"]
        recorder.stop()
        stats = recorder.stats
        tell(feed, recorder, held, took_s)
        if feed.status == "failed":
            feed.wait()  # raises why
        if feed.status == "connecting" and not ending.asked:
            reason = feed.status_reason or f"no answer in {took_s:.1f} s"
            raise TickerkitError(f"could not connect to {feed.url}: {reason}")
        if stats["lost"] or failing or stats["errors"] > errors:
            lost = (
                f"{format_count(stats['lost'], 'tick')} could not be written: "
                if stats["lost"]
                else ""
            )
            complain(f"{lost}{stats['last_error']}")
            raise typer.Exit(FAILED)


def _seconds(text: str) -> float:
    """Return what "90s", "10m", "2h" or "1d" is in seconds."""
    match = re.fullmatch(r"(\d+\.?\d*)\s*([smhd]?)", text.strip().lower())
    if match is None or not float(match[1]):
        problem = f"--for {printable(text)} is no time; pass one such as 90s, 10m, 2h or 1d"
        raise typer.BadParameter(problem)
    return float(match[1]) * UNITS[match[2]]


def _read_last_tick(naming: Naming) -> tuple[int, Position | None]:
    """Return how many ticks the recording has in its one file, and the position of its last tick.

    A recording of several files has 0 here: a new file begins.
    """
    from tickerkit.storage import load
    from tickerkit.storage.combine import last_tick
    from tickerkit.storage.paths import working_path

    for path in reversed(naming.files()):
        if not any(each.is_file() and each.stat().st_size for each in (path, working_path(path))):
            continue
        with busy(f"reading {path}, to resume it"):
            found = load(path)
        if (last := last_tick(found)) is not None:
            return 0 if naming.timed else len(found.frame), last
    return 0, None


def _served(source: str, every: float) -> TickServer:
    """Return a server of a source, on a free port of this machine."""
    from tickerkit.server import serve
    from tickerkit.sources import ReplaySource, as_source

    try:
        made = as_source(function_of(source), every)
    except SourceError as error:
        # Only an unknown kind of source has a fix, which names Python's kinds.
        fix = f"pass {KINDS}" if error.fix else ""
        raise SourceError(source, error.problem, error.argument, fix) from None
    if isinstance(made, ReplaySource):
        made.wait_for = 1
    return serve(made, port=0, every=every)


def _feed(
    url: str,
    symbols: list[str] | None,
    history: int | None,
    token: str | None,
    resume: Position | None,
    limit: int | None,
) -> Feed:
    """Return a feed that is not started, and takes at most `limit` ticks."""
    from tickerkit.feed import Feed

    return Feed(url, symbols, history, KEEP, token, resume=resume, limit=limit)


def _recorder(feed: Feed, path: str, options: dict[str, Any]) -> Any:
    try:
        return feed.record(path, **options)
    except RecordingExists as error:
        problem = f"{error.path} exists; leave out --new to resume it, or pass --overwrite"
        raise TickerkitError(problem) from None
