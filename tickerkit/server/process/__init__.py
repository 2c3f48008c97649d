"""A server in a process of its own: `tk.serve(..., process=True)`.

A computation in this process holds back every thread in it, the background thread too. So
`ProcessServer` starts `python -m tickerkit.server.process` and sends it commands through a pipe;
another pipe brings the answers. Between these come the messages that any reader of `tickerkit.v1`
gets, from which the log here is made a mirror: the same epoch and the same seqs. The process ends
when the one that started it does, however that ends.
"""

from tickerkit.server.process.server import ProcessServer

__all__ = ["ProcessServer"]
