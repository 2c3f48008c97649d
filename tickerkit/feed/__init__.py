"""The feed: a connection that fills a log in the notebook, and the ways to read and keep it."""

from tickerkit.feed.feed import Feed, connect
from tickerkit.feed.recorder import Recorder

__all__ = ["Feed", "Recorder", "connect"]
