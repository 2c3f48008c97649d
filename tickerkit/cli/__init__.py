"""The command line.

`tickerkit serve | lab | watch | record | replay | verify | convert | doctor`
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from tickerkit.cli.interrupt import ending

__all__ = ["main"]

FAILED = 1
MISUSED = 2
FORCED = 130
# Options whose name differs from the argument of the Python function that they are passed to.
OPTIONS = {"path": "--out", "flush_s": "--flush"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: what follows `tickerkit`; by default what the process was started with.

    Returns:
        The exit code: 0 for done, also by Ctrl-C; 1 for a failure and 2 for bad usage, each told
        in one line on stderr; 130 for a second Ctrl-C, which does not wait for a clean end.
    """
    for stream in (sys.stdout, sys.stderr):
        # A Windows pipe has a code page that lacks the arrows; better a "?" than no output.
        getattr(stream, "reconfigure", dict)(errors="replace")
    # Before anything slow is imported, so that no moment is too early for a clean end.
    with ending.heeding():
        try:
            return _run(sys.argv[1:] if arguments is None else arguments)
        except KeyboardInterrupt:
            return FORCED
        except ImportError as error:
            print(f"tickerkit: {type(error).__name__}: {error}", file=sys.stderr)
            return FAILED


def _run(arguments: Sequence[str]) -> int:
    import typer

    from tickerkit.cli.app import app
    from tickerkit.cli.terminal import complain
    from tickerkit.errors import InvalidArgument, SourceError, TickerkitError
    from tickerkit.formatting import format_value

    # Older typers take it from click, newer ones bring their own; both derive BadParameter from it.
    misuse: type[Exception] = typer.BadParameter.__mro__[1]
    try:
        code = app(list(arguments), prog_name="tickerkit", standalone_mode=False)
    except misuse as error:
        _complain_of_usage(_message(error), arguments)
        return MISUSED
    except InvalidArgument as error:
        option = OPTIONS.get(error.argument, f"--{error.argument.replace('_', '-')}")
        message = f"Invalid {option} {format_value(error.value)}; expected {error.expected}"
        _complain_of_usage(message, arguments)
        return MISUSED
    except SourceError as error:
        complain(error)
        return MISUSED
    except TickerkitError as error:
        complain(error)
        return FAILED
    except OSError as error:
        named = error.filename is not None and error.strerror
        words = f"{error.filename}: {error.strerror}" if named else error
        complain(f"{type(error).__name__}: {words}")
        return FAILED
    return code if isinstance(code, int) else 0


def _message(error: Any) -> str:
    """Return what is wrong with the usage, without typer's preface where a command says it."""
    named = getattr(error, "param", None) or getattr(error, "param_hint", None)
    return str(error.format_message() if named else error.message)


def _complain_of_usage(message: str, arguments: Sequence[str]) -> None:
    from tickerkit.cli.app import app
    from tickerkit.cli.terminal import complain

    names = {getattr(each.callback, "__name__", "") for each in app.registered_commands}
    command = " ".join(["tickerkit", *(name for name in arguments[:1] if name in names)])
    complain(f"{message.rstrip('.')}; see {command} --help")
