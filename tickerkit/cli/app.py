"""The typer application: every command, and the options of `tickerkit` itself."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tickerkit import __version__
from tickerkit.cli.convert import convert
from tickerkit.cli.doctor import doctor
from tickerkit.cli.exit_codes import MISUSED
from tickerkit.cli.head import head
from tickerkit.cli.health import health
from tickerkit.cli.info import info
from tickerkit.cli.lab import lab
from tickerkit.cli.query import query
from tickerkit.cli.record import record
from tickerkit.cli.relay import relay
from tickerkit.cli.replay import replay
from tickerkit.cli.room import room
from tickerkit.cli.serve import serve
from tickerkit.cli.talk import talk
from tickerkit.cli.verify import verify
from tickerkit.cli.watch import watch

__all__ = ["COMMANDS", "app"]

# In the order of the help. `lab` passes every option that it doesn't know on to JupyterLab.
COMMANDS: dict[str, tuple[Any, dict[str, Any]]] = {
    "serve": (serve, {}),
    "watch": (watch, {}),
    "talk": (talk, {}),
    "room": (room, {}),
    "replay": (replay, {}),
    "relay": (relay, {}),
    "lab": (lab, {"allow_extra_args": True, "ignore_unknown_options": True}),
    "record": (record, {}),
    "health": (health, {}),
    "info": (info, {}),
    "head": (head, {}),
    "verify": (verify, {}),
    "convert": (convert, {}),
    "query": (query, {}),
    "doctor": (doctor, {}),
}

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(is_requested: bool) -> None:
    if is_requested:
        typer.echo(f"tickerkit {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _tickerkit(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", "-V", help="Show the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Live data in notebooks: markets, any websocket that sends JSON, sensors."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(MISUSED)


for name, (command, settings) in COMMANDS.items():
    app.command(name, context_settings=settings or None)(command)
