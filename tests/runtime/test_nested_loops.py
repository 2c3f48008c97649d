"""nested_loops: `asyncio.run` inside a running loop, on request."""

from __future__ import annotations

from commands import run_python

CODE = """
import asyncio
import warnings
import tickerkit as tk

async def inner():
    return "inner"

async def outer():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the coroutine that never ran
        try:
            asyncio.run(inner())
        except RuntimeError as error:
            print("before:", type(error).__name__)
    tk.allow_nested_loops()
    tk.allow_nested_loops()
    print("after:", asyncio.run(inner()))
    server = tk.serve(None, port=0)
    feed = tk.connect(server.url)
    server.publish({"symbol": "A", "price": 1})
    print("feed:", len(feed.wait(1).frame()))
    tk.stop_all()

asyncio.run(outer())
"""


def test_asyncio_run_nests_once_allowed() -> None:
    """`asyncio.run` fails in a running loop, works once allowed, and tickerkit still works."""
    # In another process: the patch can't be undone.
    done = run_python("-W", "ignore", "-c", CODE)
    assert done.stderr == ""
    assert done.stdout.split("\n") == ["before: RuntimeError", "after: inner", "feed: 1", ""]
