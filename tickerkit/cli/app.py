"""The commands, put together."""

from __future__ import annotations

from typing import Annotated

import typer

from tickerkit import __version__
from tickerkit.cli.convert import convert
from tickerkit.cli.doctor import doctor
from tickerkit.cli.lab import lab
from tickerkit.cli.record import record
from tickerkit.cli.replay import replay
from tickerkit.cli.serve import serve
from tickerkit.cli.verify import verify
from tickerkit.cli.watch import watch

__all__ = ["app"]

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
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
    """Live market data: a websocket server, a feed that loses nothing, and notebooks."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(2)


app.command()(serve)
app.command()(watch)
app.command()(replay)
# Its own options and those of JupyterLab can stand in any order.
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(lab)
app.command()(record)
app.command()(verify)
app.command()(convert)
app.command()(doctor)
