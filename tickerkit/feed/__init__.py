"""Feed: a connection that fills a log in the notebook, and the ways to read and record it."""

from tickerkit.feed.connect import connect
from tickerkit.feed.feed import Feed
from tickerkit.feed.recorder import Recorder

__all__ = ["Feed", "Recorder", "connect"]
