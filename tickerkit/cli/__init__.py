"""The command line: `tickerkit serve`, `record`, `doctor` and others; `app` lists them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from tickerkit.cli.exit_codes import FAILED, FORCED, MISUSED, UsageError
from tickerkit.cli.interrupt import interrupt

__all__ = ["main"]

# Options whose name differs from the argument of the Python function that they are passed to.
OPTIONS = {
    "flush_s": "--flush",
    "path": "--out",
    "symbol": "SYMBOL",
    "url": "URL",
    "venue": "VENUE",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: the words after `tickerkit`; by default those of this process.

    Returns:
        The exit code: 0 for success, also after Ctrl-C; 1 for a failure and 2 for wrong usage, each
        with one line on stderr; 130 after a second Ctrl-C, which ends the command without cleanup.
    """
    for stream in (sys.stdout, sys.stderr):
        # A pipe on Windows has a code page without arrows: print "?" instead of failing.
        getattr(stream, "reconfigure", dict)(errors="replace")
    # Signals are handled before anything slow is imported, so Ctrl-C ends cleanly at any moment.
    with interrupt.handle_signals():
        try:
            return _run(sys.argv[1:] if arguments is None else arguments)
        except KeyboardInterrupt:
            return FORCED
        except ImportError as error:
            print(f"tickerkit: {type(error).__name__}: {error}", file=sys.stderr)
            return FAILED


def _run(arguments: Sequence[str]) -> int:
    from tickerkit.cli.app import app
    from tickerkit.cli.terminal import print_error
    from tickerkit.errors import InvalidArgument, SourceError, TickerkitError
    from tickerkit.formatting import format_value

    try:
        code = app(list(arguments), prog_name="tickerkit", standalone_mode=False)
    except UsageError as error:
        return _report_misuse(error, arguments)
    except InvalidArgument as error:
        named = error.argument
        # A variable of the environment, such as NATS_CREDS, keeps its name.
        option = OPTIONS.get(named, named if named.isupper() else f"--{named.replace('_', '-')}")
        message = f"Invalid {option} {format_value(error.value)}; expected {error.expected}"
        return _report_misuse(message, arguments)
    except SourceError as error:
        print_error(error)
        return MISUSED
    except TickerkitError as error:
        print_error(error)
        return FAILED
    except OSError as error:
        is_named = error.filename is not None and error.strerror
        reason = f"{error.filename}: {error.strerror}" if is_named else error
        print_error(f"{type(error).__name__}: {reason}")
        return FAILED
    except Exception as error:
        # The base class of typer's usage errors is public since typer 0.28 only. In every version
        # they have the exit code of a misuse.
        if getattr(error, "exit_code", None) != MISUSED:
            raise
        usage: Any = error
        return _report_misuse(usage.format_message(), arguments)
    return code if isinstance(code, int) else 0


def _report_misuse(message: object, arguments: Sequence[str]) -> int:
    from tickerkit.cli.app import COMMANDS
    from tickerkit.cli.terminal import print_error

    command = " ".join(["tickerkit", *(name for name in arguments[:1] if name in COMMANDS)])
    print_error(f"{str(message).rstrip('.')}; see {command} --help")
    return MISUSED
