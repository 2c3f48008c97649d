"""`tickerkit doctor`: prints versions, and problems of this machine, a venue or a stream."""

from __future__ import annotations

import asyncio
import json
import platform
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from tickerkit import __version__
from tickerkit.cli.exit_codes import FAILED, UsageError
from tickerkit.cli.findings import NAME_WIDTH, Finding, print_finding
from tickerkit.cli.interrupt import interrupt
from tickerkit.cli.options import Ca, Cert, Creds, Key, parse_duration
from tickerkit.cli.terminal import console, print_line, show_busy
from tickerkit.formatting import format_count

if TYPE_CHECKING:
    from tickerkit.cli.venue_doctor import Request

__all__ = ["doctor"]

VERSIONS_PER_LINE = 3
POLL_S = 0.05
# As `tickerkit.brokers.STREAM_SCHEMES`, whose import takes its time.
STREAM_SCHEMES = ("nats://", "tls://")


def doctor(
    venue: Annotated[
        str | None,
        typer.Argument(
            metavar="VENUE",
            help="A venue to try, such as kraken, or a stream, such as nats://host:4222/crypto; "
            "without one, this machine is checked.",
        ),
    ] = None,
    symbol: Annotated[
        str | None,
        typer.Argument(
            metavar="SYMBOL", help="A symbol of the venue, such as BTC/USD; a busy one by default."
        ),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Try every venue that tickerkit knows.")
    ] = False,
    duration: Annotated[
        str, typer.Option("--for", metavar="TIME", help="Listen to a venue for this time at most.")
    ] = "30s",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one line for each venue: a JSON object.")
    ] = False,
    url: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL",
            help="The address of the venue's websocket, in place of the known one; once for each "
            "websocket of the venue.",
        ),
    ] = None,
    rest: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="The address that its REST paths follow, in place of the known one."
        ),
    ] = None,
    for_class: Annotated[
        bool,
        typer.Option("--class", help="Check whether students will reach a class on this machine."),
    ] = False,
    reach: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="On a student's machine: try the address of a class, step by step.",
        ),
    ] = None,
    creds: Creds = None,
    ca: Ca = None,
    cert: Cert = None,
    key: Key = None,
) -> None:
    """Find problems of this machine, a class, a venue or a stream.

    A venue is tried for real: it is connected to, subscribed and asked for past trades. What is
    not as tickerkit's preset of the venue says is shown with the line of the preset. Of a stream,
    the servers, their versions, the stream's settings and who writes it are checked; nothing is
    changed. The exit code is 1 if there is a problem.
    """
    if for_class or reach is not None:
        if venue or symbol or every or url or rest or as_json or (for_class and reach):
            raise UsageError("--class and --reach take no venue, no other option, and not both")
        _examine_class(reach)
        return
    if venue is not None and venue.startswith(STREAM_SCHEMES):
        if symbol or every or url or rest:
            raise UsageError("SYMBOL, --all, --url and --rest are for venues; leave them out")
        _examine_stream(venue, {"creds": creds, "ca": ca, "cert": cert, "key": key}, as_json)
        return
    if creds or ca or cert or key:
        raise UsageError(
            "--creds, --ca, --cert and --key are for a stream, such as nats://host/name"
        )
    if venue is None and not every:
        if as_json or url or rest:
            raise UsageError("--json, --url and --rest are for a venue; name one, or pass --all")
        from tickerkit.cli.checks import CHECKS

        _print_versions()
        _run_checks(CHECKS)
        return
    if every and (venue or url or rest):
        raise UsageError("--all tries every venue; leave out VENUE, --url and --rest")
    _examine_venues(venue, symbol, parse_duration("for", duration), as_json, url or [], rest)


def _examine_venues(
    venue: str | None,
    symbol: str | None,
    listen_s: float,
    as_json: bool,
    urls: Sequence[str],
    rest: str | None,
) -> None:
    from tickerkit.cli.venue_doctor import Request, list_requests
    from tickerkit.net.urls import complete_websocket_url

    urls = [complete_websocket_url(each) for each in urls]
    if venue is None:
        requests = list_requests(listen_s)
    else:
        requests = [Request.of(venue, symbol, listen_s, urls, rest)]
    problems = asyncio.run(_run(requests, as_json))
    if not as_json:
        _print_end(problems)
    if problems:
        raise typer.Exit(FAILED)


async def _run(requests: Sequence[Request], as_json: bool) -> int:
    """Examine venues at the same time, print each when it is done; return the problems."""
    from tickerkit.cli.venue_doctor import examine

    tasks = [asyncio.create_task(examine(each)) for each in requests]
    problems = 0
    for request, task in zip(requests, tasks, strict=True):
        with show_busy(f"trying {request.name} {request.symbol}"):
            while not task.done() and not interrupt.requested:
                await asyncio.wait([task], timeout=POLL_S)
        if interrupt.requested:
            break
        findings = task.result()
        problems += sum(each.level == "problem" for each in findings)
        if as_json:
            is_ok = all(each.level != "problem" for each in findings)
            about = {"venue": request.name, "symbol": request.symbol, "ok": is_ok}
            print(json.dumps(about | {"findings": [asdict(each) for each in findings]}), flush=True)
            continue
        print_line(request.about, "bold")
        for finding in findings:
            print_finding(finding)
        print_line("")
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    if interrupt.requested:
        raise typer.Exit
    return problems


def _examine_stream(url: str, files: dict[str, str | None], as_json: bool) -> None:
    from tickerkit.brokers import StreamAddress
    from tickerkit.cli.stream_doctor import examine_stream

    address = StreamAddress.parse(url, **files)
    findings = asyncio.run(_wait_for(examine_stream(address), f"trying {address}"))
    problems = sum(each.level == "problem" for each in findings)
    if as_json:
        about = {"stream": str(address), "ok": not problems}
        print(json.dumps(about | {"findings": [asdict(each) for each in findings]}), flush=True)
    else:
        print_line(str(address), "bold")
        for finding in findings:
            print_finding(finding)
        print_line("")
        _print_end(problems)
    if problems:
        raise typer.Exit(FAILED)


async def _wait_for(work: Coroutine[Any, Any, list[Finding]], doing: str) -> list[Finding]:
    """Return the findings; end the command if it is interrupted."""
    task = asyncio.create_task(work)
    with show_busy(doing):
        while not task.done() and not interrupt.requested:
            await asyncio.wait([task], timeout=POLL_S)
    if interrupt.requested:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        raise typer.Exit
    return task.result()


def _examine_class(reach: str | None) -> None:
    """Check this machine for a class, or try the address of a class."""
    if reach is None:
        from tickerkit.cli.class_doctor import CLASS_CHECKS

        _run_checks(CLASS_CHECKS)
        return
    from tickerkit.cli.reach_doctor import examine_reach

    findings = asyncio.run(_wait_for(examine_reach(reach), "trying the class"))
    for finding in findings:
        print_finding(finding)
    print_line("")
    _finish(sum(each.level == "problem" for each in findings))


def _run_checks(checks: Mapping[str, Callable[[], Iterator[Finding]]]) -> None:
    problems = 0
    for name, check in checks.items():
        try:
            for finding in check():
                problems += finding.level == "problem"
                print_finding(finding)
        except Exception as error:
            problems += 1
            about = f"the check failed: {type(error).__name__}: {error}"
            print_finding(Finding(name, about, level="problem"))
        if interrupt.requested:
            raise typer.Exit
    print_line("")
    _finish(problems)


def _finish(problems: int) -> None:
    """Print how many problems there are.

    Raises:
        Exit: there are some.
    """
    _print_end(problems)
    if problems:
        raise typer.Exit(FAILED)


def _print_end(problems: int) -> None:
    if problems:
        print_line(f"{format_count(problems, 'problem')} found.", "bold red")
    else:
        print_line("No problems found.", "bold green")


def _print_versions() -> None:
    from tickerkit.cli.checks import PACKAGES, find_version

    print_line(
        f"tickerkit {__version__}, Python {platform.python_version()}, "
        f"{platform.system()} {platform.release()} {platform.machine()}",
        "bold",
    )
    table = Table.grid(padding=(0, 3, 0, 1))
    cells = [
        Text.assemble(f"{name:<{NAME_WIDTH}} ", (find_version(name) or "–", "cyan"))
        for name in PACKAGES
    ]
    for index in range(0, len(cells), VERSIONS_PER_LINE):
        table.add_row(*cells[index : index + VERSIONS_PER_LINE])
    console.print(table)
    print_line("")
