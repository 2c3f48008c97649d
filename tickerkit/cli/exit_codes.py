"""Exit codes of the commands, and the error for wrong usage."""

from __future__ import annotations

__all__ = ["FAILED", "FENCED", "FORCED", "MISUSED", "UsageError"]

FAILED = 1
MISUSED = 2
# Another maker has taken over the stream: to start this one again would take it back.
FENCED = 3
FORCED = 130  # what a shell reports for a process that SIGINT ended: 128 + 2


class UsageError(Exception):
    """An argument of a command is invalid, or contradicts another argument."""
