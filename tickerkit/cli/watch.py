"""`tickerkit watch`: live prices in the terminal."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tickerkit.cli.interrupt import ending
from tickerkit.cli.server_options import words
from tickerkit.cli.terminal import complain, console, dot, format_retry, is_live, number, printable
from tickerkit.formatting import format_count

if TYPE_CHECKING:
    import pandas as pd

    from tickerkit.cli.quote_table import Board, Quote
    from tickerkit.feed import Feed

__all__ = ["watch"]

DRAW_S = 0.2
LINE_S = 1.0
KEEP = 500_000
# What the table needs besides its rows: header, rule, "and more", the feed's state on two lines.
AROUND = 7
MOVES = {1: ("▲", "green"), -1: ("▼", "red"), 0: (" ", "default")}


def watch(
    url: Annotated[
        str,
        typer.Argument(
            metavar="URL",
            help='Of the websocket or of the server\'s page: "ws://127.0.0.1:8000/"; '
            "with ?token=… if it wants one.",
        ),
    ],
    symbols: Annotated[
        str | None, typer.Option(metavar="LIST", help="Only these, as AAPL,MSFT; all by default.")
    ] = None,
) -> None:
    """Show live prices in the terminal, until the end or Ctrl-C.

    In a pipe: at most once a second, a line with the time and the prices that are new.
    """
    from tickerkit.cli.quote_table import Board
    from tickerkit.feed import connect

    wanted = None if symbols is None else words(symbols)
    if wanted == []:
        raise typer.BadParameter("--symbols names none; for example --symbols AAPL,MSFT")
    if ending.asked:
        return
    with connect(url, symbols=wanted, keep=KEEP) as feed:
        board = Board(feed)
        if is_live():
            _draw(board)
        else:
            try:
                _print(board)
            except BrokenPipeError:  # who reads has enough, as `| head` does
                # Python flushes once more at exit.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                return
        if feed.status == "failed":
            feed.wait()  # raises why


def _draw(board: Board) -> None:
    """Keep a table on the terminal; the last one stays there."""
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        while True:
            # Asked before looking, so that the last look misses nothing.
            over = board.feed.status in ("ended", "failed")
            most = max(console.height - AROUND, 1)
            live.update(_picture(board, most), refresh=True)
            if over or ending.wait(DRAW_S):
                return


def _picture(board: Board, most: int) -> RenderableType:
    quotes = board.look(most)
    parts: list[RenderableType] = []
    if quotes:
        parts.append(_table(quotes))
    if (more := len(board.feed.log.symbols()) - len(quotes)) > 0:
        parts.append(Text(f" … and {more:,} more; --symbols chooses", style="dim"))
    parts.append(_state(board.feed))
    return Group(*parts)


def _table(quotes: list[Quote]) -> Table:
    quoted = any(quote.bid == quote.bid or quote.ask == quote.ask for quote in quotes)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=True, show_edge=False)
    table.add_column("symbol", no_wrap=True, overflow="ellipsis", max_width=16)
    names = ["price", "size", *(["bid", "ask"] if quoted else []), "time (UTC)", "ticks"]
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for quote in quotes:
        arrow, colour = MOVES[quote.move]
        price = Text(f"{number(quote.price, 2)} {arrow}", style=colour)
        sides = [number(quote.bid, 2), number(quote.ask, 2)] if quoted else []
        table.add_row(
            Text(printable(quote.symbol), style="bold"),
            price,
            number(quote.size),
            *sides,
            _clock(quote.time),
            f"{quote.ticks:,}",
        )
    return table


def _state(feed: Feed) -> Table:
    stats = feed.stats
    line = Text(printable(feed.status_detail))
    if feed.status == "live":
        line.append(f"  {stats['rate']:,.0f} ticks/s", style="dim")
    if stats["gaps"]:
        line.append(f"  {format_count(stats['gaps'], 'gap')}", style="yellow")
    if stats["refused"] and feed.status == "live":
        line.append(f"  {stats['refused']:,} refused: {printable(stats['last_error'])}", "yellow")
    # A column of its own for the dot, so that a second line begins under the first.
    table = Table.grid(padding=(0, 0, 0, 1))
    table.add_row(dot(feed.status), line)
    return table


def _print(board: Board) -> None:
    """Print a line whenever something is new, and the feed's troubles to stderr."""
    told = ""
    due = 0.0
    while True:
        over = board.feed.status in ("ended", "failed")
        if over or time.monotonic() >= due:
            quotes = [quote for quote in board.look() if quote.new]
            if quotes:
                newest = max(quote.time for quote in quotes)
                print("  ".join([_stamp(newest), *map(_price, quotes)]), flush=True)
                due = time.monotonic() + LINE_S
        trouble = format_retry(board.feed)
        if trouble and trouble != told:
            complain(trouble)
        told = trouble
        if board.feed.status == "ended" and over:
            complain("the source is finished")
        if over or ending.wait(DRAW_S):
            return


def _price(quote: Quote) -> str:
    symbol = printable(quote.symbol)
    if quote.price == quote.price:
        return f"{symbol} {number(quote.price, 2)}"
    return f"{symbol} {number(quote.bid, 2)}/{number(quote.ask, 2)}"


def _stamp(stamp: pd.Timestamp) -> str:
    return f"{stamp:%Y-%m-%dT%H:%M:%SZ}"


def _clock(stamp: pd.Timestamp) -> str:
    """Return a time of today by its hour and milliseconds, an older one by its date."""
    if stamp.date() == type(stamp).now("UTC").date():
        return f"{stamp:%H:%M:%S}.{stamp.microsecond // 1000:03d}"
    return f"{stamp:%Y-%m-%d %H:%M:%S}"
