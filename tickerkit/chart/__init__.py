"""Live pictures of a feed: figures, and a dashboard around one."""

from tickerkit.chart.dashboard import Dashboard, dashboard
from tickerkit.chart.download import Download, File
from tickerkit.chart.feed_chart import chart
from tickerkit.chart.figure import LiveFigure

__all__ = ["Dashboard", "Download", "File", "LiveFigure", "chart", "dashboard"]
