"""A server in a process of its own: `tk.serve(..., process=True)`.

`ServerProcess` starts `python -m tickerkit.server.process`, tells it through pipes what to do, and
hears its answers. Between these comes its log, as the messages that any reader of `tickerkit.v1`
gets, so that the log here is a mirror: the same epoch and the same seqs. When the process that
started it is gone, so is the other.
"""

from tickerkit.server.process.server import ServerProcess

__all__ = ["ServerProcess"]
