"""A server in a process of its own: `tk.serve(..., process=True)`.

A computation in this process delays every thread in it, the background thread too. So
`ProcessServer` starts `python -m tickerkit.server.process` and sends it commands through a pipe.
Another pipe carries the answers, and between them the messages that a client of `tickerkit.v1`
would receive: `ProcessServer` makes its own log a mirror of them, with the same epoch and seqs. The
new process ends when the process that started it ends, even if that one is killed.
"""

from tickerkit.server.process.server import ProcessServer

__all__ = ["ProcessServer"]
