"""`tickerkit room`: a class from a terminal: its address, who is there, and what happens."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tickerkit.cli.interrupt import interrupt
from tickerkit.cli.options import Every, Port
from tickerkit.cli.source import DEMO, hide_password, load_source
from tickerkit.cli.terminal import (
    console,
    escape_controls,
    format_status_dot,
    is_live,
    print_line,
)
from tickerkit.errors import PortTaken, TickerkitError
from tickerkit.formatting import format_count
from tickerkit.net.addresses import is_loopback

if TYPE_CHECKING:
    from tickerkit.classroom.room.room import Room

__all__ = ["room"]

DRAW_S = 0.5
# After this time without anyone from another machine, what may keep them out is listed.
ALONE_S = 60.0
# Lines of a terminal beside the students: the table's header, what is left out, the status.
OTHER_LINES = 6
MIN_ROWS = 3
NAME = "YOUR-NAME"


def room(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE", help="Where the ticks come from, as for `tickerkit serve`."
        ),
    ] = DEMO,
    code: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="The word by which the class joins, such as otter42; one is made by default.",
        ),
    ] = None,
    port: Port = 8000,
    host: Annotated[
        str, typer.Option(metavar="NAME", help="Address to bind; by default all of this machine.")
    ] = "0.0.0.0",
    every: Every = 10.0,
    wifi: Annotated[
        str, typer.Option(metavar="NAME", help="Show a QR code by which phones join this wifi.")
    ] = "",
    wifi_password: Annotated[
        str, typer.Option(metavar="TEXT", envvar="WIFI_PASSWORD", help="The wifi's password.")
    ] = "",
    save: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write all that happens to this file of JSON lines; if it exists, the class goes "
            "on where it ended.",
        ),
    ] = None,
) -> None:
    """Open a class: students join by a code, with a name, until Ctrl-C.

    It prints the address, as a QR code, too, and then who comes and leaves, and why. In a terminal
    it shows the students. A notebook can do more: see `tk.room`.
    """
    from tickerkit.classroom.room.room import room as open_room

    made = load_source(source, every)
    if interrupt.requested:
        return
    try:
        opened = open_room(
            made,
            code,
            port=port,
            host=host,
            save=save,
            every=every,
            process=False,  # nothing else is computed here
        )
    except PortTaken as error:
        raise TickerkitError(f"{error.problem}; stop it, or pass --port 0") from None
    with opened:
        print_line(f"class {opened.code}, with {escape_controls(hide_password(source))}", "bold")
        _print_addresses(opened, wifi, wifi_password)
        print_line("Ctrl-C stops it.", "dim")
        _watch(opened)
        seats = len(opened.snapshot()["seats"])
    print_line(f"stopped after {format_count(seats, 'student')}", "dim")


def _print_addresses(opened: Room, wifi: str, password: str) -> None:
    from tickerkit.classroom.room.joining import list_pages, make_qr_lines, wifi_text

    best = opened.page_for_others
    pages = [page for page in list_pages(opened.port, opened.code) if page != best]
    lines = [("page", best or opened.page)]
    if best and opened.host == "0.0.0.0":
        lines += [("or", page) for page in pages]
    lines += [
        ("for programs", f"{opened.url_for_others or opened.url}&name={NAME}"),
        ("in a terminal", f'tickerkit talk "{opened.url_for_others or opened.url}" --name {NAME}'),
    ]
    if not best:
        lines.append(("", "no other machine reaches it; see tickerkit doctor --class"))
    for name, text in lines:
        print_line(f"  {name:<14} {text}")
    if not is_live():
        return
    codes = [(f"join the wifi {wifi}", wifi_text(wifi, password))] if wifi else []
    for title, text in [*codes, ("open the page", best or opened.page)]:
        print_line(f"  {title}")
        for line in make_qr_lines(text):
            # A reader needs the code darker than its ground, whatever the terminal's colours.
            console.print(Text(f"  {line}", style="black on bright_white"), soft_wrap=True)


def _watch(opened: Room) -> None:
    """Show the students and print what happens, until the command ends."""
    drawing = Live(console=console, auto_refresh=False, transient=True) if is_live() else None
    began, seen, hinted = time.monotonic(), 0, False
    with drawing or nullcontext():
        while not interrupt.requested:
            if opened.status == "stopped":
                return
            snapshot = opened.snapshot(seen)
            for row in snapshot["journal"]:
                seen = max(seen, row["number"])
                console.print(format_event(row), soft_wrap=True)
            alone = all(is_loopback(address) for address in snapshot["reached"])
            if alone and not hinted and time.monotonic() - began > ALONE_S:
                hinted = True
                _print_traps(opened.port)
            if drawing is not None:
                height = max(console.height - OTHER_LINES, MIN_ROWS)
                drawing.update(draw_roster(opened.status, snapshot, height), refresh=True)
            interrupt.wait(DRAW_S)


def _print_traps(port: int) -> None:
    from tickerkit.classroom.room.traps import find_system, list_traps

    print_line("Nobody has come from another machine so far. What may keep them out:", "yellow")
    for trap in list_traps(find_system(), port):
        print_line(f"  {trap.about}")
        print_line(f"    → {trap.fix}", "yellow")


def format_event(row: Mapping[str, Any]) -> Text:
    """Return a line of the journal."""
    clock = datetime.fromtimestamp(row["time"]).strftime("%H:%M:%S")
    facts = [
        row.get("client"),
        str(row.get("address") or "").rpartition(":")[0],
        row.get("code"),
        row.get("reason") or row.get("text"),
        f"before: {row['before']}" if row.get("before") else None,
    ]
    shown = "  ".join(escape_controls(each) for each in facts if each not in (None, ""))
    line = Text(f"{clock}  ", style="dim")
    line.append(f"{escape_controls(row.get('name') or ''):<16} ", "default not dim")
    line.append(f"{escape_controls(row['event'])}  ", "default not dim")
    return line.append(shown)


def draw_roster(status: str, snapshot: Mapping[str, Any], height: int) -> RenderableType:
    """Return the students and the state of the class.

    Args:
        status: the status of the room.
        snapshot: what `Room.snapshot` returns.
        height: how many students have room.
    """
    from tickerkit.classroom.room.seats import count_passed

    seats = sorted(snapshot["seats"], key=lambda seat: not seat["is_connected"])
    here = sum(seat["is_connected"] for seat in seats)
    reached = ", ".join(address for address in snapshot["reached"] if not is_loopback(address))
    line = format_status_dot(status) + Text(f" {status}  {here} of {len(seats)} students here")
    if reached:
        line.append(f"  reached at {reached}", "green")
    if not seats:
        return line
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("name", "status", "program", "ping", "behind", "drops", "passed"):
        is_number = name in ("ping", "behind", "drops", "passed")
        table.add_column(name, justify="right" if is_number else "left", no_wrap=True)
    for seat in seats[:height]:
        passed = count_passed(seat["tasks"])
        ping = seat["ping_ms"]
        table.add_row(
            Text(escape_controls(seat["name"])),
            Text(seat["status"], "green" if seat["is_connected"] else "dim"),
            Text(escape_controls(seat["client"])),
            "" if ping is None else f"{ping:.0f} ms",
            str(seat["behind"] or ""),
            str(seat["drops"] or ""),
            str(passed or ""),
        )
    more = len(seats) - height
    rest = [Text(f"and {more:,} more", "dim")] if more > 0 else []
    return Group(table, *rest, line)
