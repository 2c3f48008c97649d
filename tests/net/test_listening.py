"""listening: a server's port, and the reason if it got no socket."""

from __future__ import annotations

import errno
import os
import socket

import pytest
from commands import run_python

from tickerkit.net.listening import find_port

NO_FILES = """
import errno, os, resource
import tickerkit as tk
from tickerkit.classroom import FaultProxy

keep = tk.serve(None, port=0)  # the event loop runs, and has the files that it needs
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
files = []
try:
    while True:
        files.append(os.open(os.devnull, os.O_RDONLY))
except OSError:
    pass
for start in (lambda: tk.serve(None, port=0), FaultProxy("ws://127.0.0.1:1/").start):
    try:
        start()
    except OSError as error:
        print(errno.errorcode[error.errno])
for file in files:
    os.close(file)
print(len(tk.status()))
with tk.serve(None, port=0) as server, tk.connect(server.url) as feed:
    server.publish({"symbol": "A", "price": 1})
    print(len(feed.wait(1).frame()))
keep.stop()
"""


def test_port_is_that_of_the_first_socket() -> None:
    """All sockets of a server have the same port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert find_port([listener]) == listener.getsockname()[1]


def test_server_without_a_socket_is_an_error() -> None:
    """An address for which no socket can be made is an OSError, not an IndexError."""
    with pytest.raises(OSError, match="no socket") as caught:
        find_port([])
    assert caught.value.errno == errno.EADDRNOTAVAIL


@pytest.mark.skipif(os.name != "posix", reason="sets a limit of POSIX")
def test_server_for_which_no_file_is_left_says_so() -> None:
    """The error is EMFILE; nothing is left running, and a later server works."""
    done = run_python("-c", NO_FILES)
    assert (done.stdout.split(), done.stderr) == (["EMFILE", "EMFILE", "1", "1"], "")
