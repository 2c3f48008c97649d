"""`tickerkit watch`: live prices in the terminal."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tickerkit.cli.interrupt import interrupt
from tickerkit.cli.options import (
    Every,
    RetryFor,
    ServersToken,
    Ssl,
    Symbols,
    check_connecting,
    choose_token,
    parse_retry_for,
    parse_symbols,
    split_addresses,
)
from tickerkit.cli.quote_table import MAX_NUMBERS, format_named_number, format_quote_table
from tickerkit.cli.source import load_source
from tickerkit.cli.terminal import (
    console,
    escape_controls,
    format_retry,
    format_status_dot,
    is_live,
    print_error,
    silence_stdout,
)
from tickerkit.formatting import format_count, format_number

if TYPE_CHECKING:
    from tickerkit.cli.alerts import AlertLines
    from tickerkit.cli.quotes import Quote, QuoteReader
    from tickerkit.feed import Feed
    from tickerkit.server import TickServer

__all__ = ["watch"]

# Unlike "sim:AAPL" and "kraken:BTC/USD".
HOST_AND_PORT = re.compile(r"[^/]*:\d+(/|\?|$)")
DRAW_S = 0.2
MIN_LINE_S = 1.0
KEEP = 500_000
# Lines around the table's rows: header, rule, "and more", and the feed's status on two lines.
OTHER_LINES = 7
# Lines of the last error of a source.
ERROR_LINES = 2


def watch(
    source: Annotated[
        str,
        typer.Argument(
            metavar="URL|SOURCE",
            help='Address of a websocket or of a server\'s page: "ws://127.0.0.1:8000/", with '
            "?token=… if the server needs one; several with the same ticks, tried in turn: "
            '"wss://a/,wss://b/"; or a source as for `tickerkit serve`: "kraken:BTC/USD", '
            '"sim:AAPL,MSFT", "prices.py:fetch".',
        ),
    ],
    symbols: Symbols = None,
    alert: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TEXT",
            help='Print a line each time that this happens: "AAPL > 200", "AAPL bid < 190", '
            '"AAPL crosses 200", "AAPL moves 1% in 5min", "AAPL silent", "AAPL silent 30s", '
            '"AAPL lag > 2" (seconds) or "gap"; * for every symbol. May be given several times.',
        ),
    ] = None,
    every: Every = 10.0,
    token: ServersToken = None,
    retry_for: RetryFor = None,
    ssl: Ssl = None,
) -> None:
    """Show live prices in the terminal until Ctrl-C.

    Symbols without a price, such as sensors, are shown with their other numbers. In a pipe, print a
    line with the time and the new prices, at most once a second.
    """
    from tickerkit.alerts.text import parse_alert
    from tickerkit.cli.alerts import AlertLines
    from tickerkit.cli.quotes import QuoteReader
    from tickerkit.feed import connect
    from tickerkit.server import serve
    from tickerkit.sources import is_websocket_url

    wanted = parse_symbols(symbols)
    for text in alert or ():
        parse_alert(text)  # before anything is started
    if interrupt.requested:
        return
    with ExitStack() as stack:
        urls, server = split_addresses(source), None
        if not is_websocket_url(source) and not HOST_AND_PORT.match(source):
            check_connecting(retry_for, ssl)
            made = load_source(source, every, "an address such as ws://127.0.0.1:8000/")
            server = stack.enter_context(serve(made, port=0, every=every))
            urls = [server.url]
        feed = connect(
            urls,
            symbols=wanted,
            keep=KEEP,
            token=choose_token(urls, token),
            ssl=ssl,
            retry_for=parse_retry_for(retry_for),
        )
        stack.enter_context(feed)
        reader = QuoteReader(feed)
        alerts = AlertLines(feed, alert or (), past=server is not None)
        if is_live():
            _draw_table(reader, server, alerts)
        else:
            try:
                _print_lines(reader, server, alerts)
            except BrokenPipeError:
                silence_stdout()
                return
        if feed.failure is not None:
            raise feed.failure


def _find_problem(reader: QuoteReader, server: TickServer | None) -> str:
    """Return why nothing comes: the connection's problem, or the last error of a source."""
    error = server.stats["last_error"] if server is not None else ""
    return format_retry(reader.feed) or error


def _is_over(reader: QuoteReader, alerts: AlertLines) -> bool:
    """Return whether nothing more will come."""
    return reader.feed.status in ("ended", "failed") and not alerts.is_behind


def _draw_table(reader: QuoteReader, server: TickServer | None, alerts: AlertLines) -> None:
    """Draw a live table; the last one stays on the terminal, and the alerts above it."""
    while not _draw_at_one_size(reader, server, alerts):
        # A terminal that gets narrower wraps the lines of a table again: how many lines there are
        # to draw over is then unknown.
        console.clear()


def _draw_at_one_size(reader: QuoteReader, server: TickServer | None, alerts: AlertLines) -> bool:
    """Draw until the terminal has another size; return True if nothing more comes."""
    size = console.size
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        while console.size == size:
            # Read before the last drawing, which then shows everything.
            is_over = _is_over(reader, alerts)
            for line in alerts.read():
                live.console.print(Text(line, style="yellow"))
            others = OTHER_LINES if server is None else OTHER_LINES + ERROR_LINES
            max_rows = max(size.height - others, 1)
            live.update(_format_screen(reader, max_rows, server), refresh=True)
            if is_over or interrupt.wait(DRAW_S):
                return True
    return False


def _format_screen(reader: QuoteReader, max_rows: int, server: TickServer | None) -> RenderableType:
    quotes = reader.read(max_rows)
    parts: list[RenderableType] = []
    if quotes:
        parts.append(format_quote_table(quotes, reader.feed.units, console.width))
    if (more := len(reader.feed.log.symbols()) - len(quotes)) > 0:
        parts.append(Text(f" … and {more:,} more; --symbols chooses", style="dim"))
    parts.append(_format_feed(reader.feed))
    if server is not None and (error := server.stats["last_error"]):
        parts.append(Text(escape_controls(error), style="yellow"))
    return Group(*parts)


def _format_feed(feed: Feed) -> Table:
    stats = feed.stats
    line = Text(escape_controls(feed.status_detail))
    if feed.status == "live":
        line.append(f"  {stats['rate']:,.0f} ticks/s", style="dim")
    if stats["gaps"]:
        line.append(f"  {format_count(stats['gaps'], 'gap')}", style="yellow")
    if stats["refused"] and feed.status == "live":
        error = escape_controls(stats["last_error"])
        line.append(f"  {stats['refused']:,} refused: {error}", "yellow")
    # The dot has a column of its own, so that a second line begins under the first.
    table = Table.grid(padding=(0, 0, 0, 1))
    table.add_row(format_status_dot(feed.status), line)
    return table


def _print_lines(reader: QuoteReader, server: TickServer | None, alerts: AlertLines) -> None:
    """Print a line for new prices and for each alert, and each new problem to stderr."""
    reported = ""
    print_at = 0.0
    while True:
        is_over = _is_over(reader, alerts)
        for line in alerts.read():
            print(line, flush=True)
        if is_over or time.monotonic() >= print_at:
            quotes = [quote for quote in reader.read() if quote.is_new]
            if quotes:
                newest = max(quote.time for quote in quotes)
                prices = [_format_price(quote, reader.feed.units) for quote in quotes]
                print("  ".join([f"{newest:%Y-%m-%dT%H:%M:%SZ}", *prices]), flush=True)
                print_at = time.monotonic() + MIN_LINE_S
        problem = _find_problem(reader, server)
        if problem and problem != reported:
            print_error(problem)
        reported = problem
        if is_over and reader.feed.status == "ended":
            print_error("the source is finished")
        if is_over or interrupt.wait(DRAW_S):
            return


def _format_price(quote: Quote, units: Mapping[str, str]) -> str:
    symbol = escape_controls(quote.symbol)
    if quote.numbers:
        numbers = [*quote.numbers.items()][:MAX_NUMBERS]
        texts = [format_named_number(name, value, units) for name, value in numbers]
        return " ".join([symbol, *texts])
    if quote.price == quote.price:
        return f"{symbol} {format_number(quote.price, 2)}"
    return f"{symbol} {format_number(quote.bid, 2)}/{format_number(quote.ask, 2)}"
