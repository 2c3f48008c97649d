"""`tickerkit record`: writes ticks to a file as they come, and resumes a recording."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from tickerkit.cli.exit_codes import FAILED, UsageError
from tickerkit.cli.interrupt import interrupt
from tickerkit.cli.options import (
    Every,
    ServersToken,
    Symbols,
    choose_token,
    parse_duration,
    parse_symbols,
    split_addresses,
)
from tickerkit.cli.record_progress import print_result, watch_recording
from tickerkit.cli.source import hide_password, load_source
from tickerkit.cli.terminal import escape_controls, print_error, print_line, show_busy
from tickerkit.errors import RecordingExists, TickerkitError
from tickerkit.formatting import format_count

if TYPE_CHECKING:
    from tickerkit.log import Position
    from tickerkit.server import TickServer
    from tickerkit.storage.files import Mode
    from tickerkit.storage.paths import Naming

__all__ = ["record"]

# Ticks that the feed holds. It reads nothing while half of them wait to be written, so that a slow
# disk loses none: they wait in the server's log.
KEEP = 1_000_000


def record(
    source: Annotated[
        str,
        typer.Argument(
            metavar="URL|SOURCE",
            help='A websocket such as "ws://127.0.0.1:8000/"; several with the same ticks, tried '
            'in turn: "wss://a/,wss://b/"; or a source as for `tickerkit serve`: "sim:AAPL,MSFT", '
            '"prices.py:fetch", "-" for stdin.',
        ),
    ],
    out: Annotated[
        str,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="The file to write: .csv .csv.gz .csv.zst .parquet, or a folder.",
        ),
    ],
    duration: Annotated[
        str | None,
        typer.Option(
            "--for", metavar="TIME", help="End after this time, such as 90s, 10m, 2h or 1d."
        ),
    ] = None,
    ticks: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="End after exactly N ticks.")
    ] = None,
    symbols: Symbols = None,
    raw: Annotated[
        bool,
        typer.Option(
            "--raw",
            help="Also keep each message as received, as lines of JSON; of a venue also what was "
            "sent, and REST answers, without keys.",
        ),
    ] = False,
    rotate: Annotated[
        str | None,
        typer.Option(
            metavar="WHEN",
            help="Begin a new file each day, each hour, or at a size: day, hour, 100MB.",
        ),
    ] = None,
    compression: Annotated[
        str | None,
        typer.Option(metavar="KIND", help="Compression of the files in a folder: gzip or zstd."),
    ] = None,
    partition: Annotated[
        str | None,
        typer.Option(
            metavar="KEYS",
            help="Lay Parquet files out in folders, as data sets are: day, symbol, or day,symbol.",
        ),
    ] = None,
    max_disk: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="Limit the size of all files together, those of earlier runs too, such as 10GB.",
        ),
    ] = None,
    flush: Annotated[
        float,
        typer.Option(
            min=0,
            metavar="SECONDS",
            help="Seconds between two writes; a crash loses at most these ticks.",
        ),
    ] = 1.0,
    fsync: Annotated[
        bool,
        typer.Option(
            "--fsync",
            help="Wait for the disk at each write, so that a power failure loses no more.",
        ),
    ] = False,
    new: Annotated[
        bool, typer.Option("--new", help="Refuse to write to an existing file.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing file.")
    ] = False,
    every: Every = 10.0,
    token: ServersToken = None,
) -> None:
    """Record ticks to a file until the source ends, or Ctrl-C.

    --for and --ticks end it earlier. An existing recording is resumed: ticks since its last one are
    fetched, and ticks that the server no longer has are listed in it as a gap. The file is valid at
    any moment. The exit code is 1 if the feed failed, the source failed before any tick came,
    ticks could not be written, or values of them were left out.
    """
    from tickerkit.feed import Feed
    from tickerkit.runtime.portal import portal
    from tickerkit.sources import is_websocket_url
    from tickerkit.storage.paths import naming_from_path

    if new and overwrite:
        raise UsageError("--new and --overwrite contradict each other; pass one of them")
    for_s = None if duration is None else parse_duration("for", duration)
    wanted = parse_symbols(symbols)
    mode: Mode = "new" if new else "overwrite" if overwrite else "append"
    naming = naming_from_path(
        out, rotates=rotate is not None, compression=compression, partition=partition
    )
    if mode == "new" and not naming.timed and naming.files():
        raise TickerkitError(f"{out} exists; leave out --new to resume it, or pass --overwrite")
    earlier_ticks, resume = _read_last_tick(naming) if mode == "append" else (0, None)
    if interrupt.requested:
        return
    with ExitStack() as stack:
        is_url = is_websocket_url(source)
        server = None if is_url else stack.enter_context(_serve_source(source, every, raw=raw))
        urls = [server.url] if server else split_addresses(source)
        # Record a server's ticks from now on, but every tick of a source that is served here.
        history = 0 if server is None else None
        feed = Feed(
            urls,
            wanted,
            history,
            KEEP,
            choose_token(urls, token),
            resume=resume,
            limit=ticks,
            max_unwritten=KEEP // 2,
            # The port of a server made here differs each time.
            source=hide_password(source) if server else None,
        )
        stack.callback(feed.stop)
        # The recorder is made before the feed is started, so that it misses no tick. It may use
        # the background thread, which a feed enters only when it is started.
        portal.enter(feed)
        stack.callback(portal.leave, feed)
        try:
            recorder = feed.record(
                out,
                mode=mode,
                flush_s=flush,
                fsync=fsync,
                rotate=rotate,
                compression=compression,
                partition=partition,
                max_disk=max_disk,
                raw=raw,
            )
        except RecordingExists as error:
            fix = "leave out --new to resume it, or pass --overwrite"
            raise TickerkitError(f"{error.path} exists; {fix}") from None
        stack.callback(recorder.stop)
        began = time.monotonic()
        feed.start()
        name = escape_controls(hide_password(source) if server else feed.url)
        to = escape_controls(recorder.path)
        print_line(f"recording {name} to {to}; Ctrl-C ends it", "bold")
        failing = watch_recording(feed, recorder, server, for_s, ticks)
        took_s = time.monotonic() - began
        errors = recorder.stats["errors"]
        recorder.stop()
        stats = recorder.stats
        print_result(feed, recorder, earlier_ticks, took_s)
        if feed.failure is not None:
            raise feed.failure
        if feed.status == "connecting" and not interrupt.requested:
            reason = feed.status_reason or f"no answer in {took_s:.1f} s"
            raise TickerkitError(f"could not connect to {feed.url}: {reason}")
        if server is not None and not feed.log.stop and server.stats["last_error"]:
            raise TickerkitError(f"no tick came: {server.stats['last_error']}")
        if stats["lost"] or failing or stats["errors"] > errors:
            lost = format_count(stats["lost"], "tick")
            prefix = f"{lost} could not be written: " if stats["lost"] else ""
            print_error(f"{prefix}{stats['last_error']}")
            raise typer.Exit(FAILED)
        if stats["misfits"]:
            names = ", ".join(f"{name} ({count:,})" for name, count in stats["misfits"].items())
            problem = "values were left out: no column holds them exactly"
            print_error(f"{problem}: {escape_controls(names)}")
            raise typer.Exit(FAILED)


def _read_last_tick(naming: Naming) -> tuple[int, Position | None]:
    """Return how many ticks the recording has in its one file, and the position of its last tick.

    The count is 0 for a recording of several files, since a new file begins.
    """
    from tickerkit.storage.earlier_files import find_last_tick

    with show_busy("reading the recording, to resume it"):
        last = find_last_tick(naming, lambda error: print_error(f"skipped: {error}"))
    if last is None:
        return 0, None
    return 0 if naming.timed else last.rows, last.position


def _serve_source(text: str, every_s: float, *, raw: bool) -> TickServer:
    """Return a server of a source, on a free port."""
    from tickerkit.server import serve
    from tickerkit.sources import ReplaySource, VenueSource
    from tickerkit.sources.mapped import ReconnectingSource

    source = load_source(text, every_s, "an address such as ws://127.0.0.1:8000/")
    if isinstance(source, ReplaySource):
        source.wait_for = 1
    if raw and isinstance(source, VenueSource | ReconnectingSource):
        # It connects before there is a recorder.
        source.raw_events.hold()
    return serve(source, port=0, every=every_s)
