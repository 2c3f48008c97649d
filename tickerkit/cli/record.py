"""`tickerkit record`: writes ticks to a file as they come, and resumes a recording."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from tickerkit.cli.heartbeat import Heartbeat
from tickerkit.cli.interrupt import interrupt
from tickerkit.cli.options import (
    Every,
    RetryFor,
    ServersToken,
    Ssl,
    Symbols,
    check_connecting,
    choose_token,
    parse_duration,
    parse_retry_for,
    parse_symbols,
    split_addresses,
)
from tickerkit.cli.record_output import choose_output
from tickerkit.cli.record_progress import watch_recording
from tickerkit.cli.record_result import Result
from tickerkit.cli.source import hide_password, load_source
from tickerkit.cli.terminal import escape_controls

if TYPE_CHECKING:
    from tickerkit.server import TickServer

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
            help="The file to write: .csv .csv.gz .csv.zst .parquet; a folder; folders by value, "
            "as in 'data/day={date}/symbol={symbol}/ticks.parquet'; or - for lines on stdout, "
            "where each tick is written at once.",
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
    format: Annotated[  # noqa: A002
        str | None,
        typer.Option(
            metavar="KIND",
            help="Format of the files in a folder: csv or parquet; of the lines on stdout: csv or "
            "jsonl. csv by default.",
        ),
    ] = None,
    partition: Annotated[
        str | None,
        typer.Option(
            metavar="KEYS",
            help="Lay Parquet files out in folders, as data sets are: by day, hour, symbol, or "
            "several, such as day,symbol. They appear there when the day or hour ends, or the "
            "command.",
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
        float | None,
        typer.Option(
            min=0,
            metavar="SECONDS",
            help="Seconds between two writes; a crash loses at most these ticks. 1 by default, and "
            "0 for stdout.",
        ),
    ] = None,
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
    health: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Write the state of the recording to this small file every two seconds, for "
            "`tickerkit health FILE`.",
        ),
    ] = None,
    every: Every = 10.0,
    token: ServersToken = None,
    retry_for: RetryFor = None,
    ssl: Ssl = None,
) -> None:
    """Record ticks to a file until the source ends, or Ctrl-C.

    --for and --ticks end it earlier. Of a server, the ticks from now on are recorded. An existing
    recording is resumed: ticks since its last one are fetched, and ticks that the server no longer
    has are listed in it as a gap. The file is valid at any moment. The exit code is 1 if the feed
    failed, the source failed before any tick came, ticks could not be written, values of them were
    left out, or only messages came that are no ticks.
    """
    from tickerkit.feed import Feed
    from tickerkit.runtime.portal import portal
    from tickerkit.sources import is_websocket_url

    for_s = None if duration is None else parse_duration("for", duration)
    wanted = parse_symbols(symbols)
    output = choose_output(
        out,
        new=new,
        overwrite=overwrite,
        flush_s=flush,
        format=format,
        fsync=fsync,
        rotate=rotate,
        compression=compression,
        partition=partition,
        max_disk=max_disk,
        raw=raw,
    )
    is_url = is_websocket_url(source)
    if not is_url:
        check_connecting(retry_for, ssl)
    earlier_ticks, resume = output.read_last_tick()
    if interrupt.requested:
        return
    with ExitStack() as stack:
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
            ssl,
            parse_retry_for(retry_for),
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
        recorder = output.record(feed)
        heartbeat = Heartbeat(feed, recorder, health, output.flush_s)
        stack.callback(heartbeat.end)
        stack.callback(recorder.stop)
        began = time.monotonic()
        feed.start()
        name = escape_controls(hide_password(source) if server else feed.url)
        output.print(f"recording {name} to {output.name(recorder)}; Ctrl-C ends it", "bold")
        failing = watch_recording(
            feed, recorder, server, for_s, ticks, is_quiet=output.is_pipe, beat=heartbeat.beat
        )
        took_s = time.monotonic() - began
        heartbeat.begin_end()
        errors = recorder.stats["errors"]
        recorder.stop()
        result = Result(feed, recorder, server, took_s, failing, errors)
        output.print(f"{output.name(recorder)}: {result.format(earlier_ticks)}")
        result.raise_problem()


def _serve_source(text: str, every_s: float, *, raw: bool) -> TickServer:
    """Return a server of a source, on a free port."""
    from tickerkit.server import serve
    from tickerkit.sources import ReplaySource, VenueSource
    from tickerkit.sources.mapped import ReconnectingSource

    source = load_source(text, every_s, "an address such as ws://127.0.0.1:8000/")
    if isinstance(source, ReplaySource):
        # The only reader is the recorder, which must get every tick, however many are due at once.
        source.wait_for, source.max_behind = 1, KEEP // 2
    if raw and isinstance(source, VenueSource | ReconnectingSource):
        # It connects before there is a recorder.
        source.raw_events.hold()
    # While ticks wait for a disk, the recorder reads none, for however long.
    return serve(source, port=0, every=every_s, stall_timeout=None)
