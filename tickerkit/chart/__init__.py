"""Live pictures of a feed: figures, and a dashboard around one."""

from tickerkit.chart.feed_chart import chart
from tickerkit.chart.figure.figure import LiveFigure
from tickerkit.chart.widgets.dashboard import Dashboard, dashboard
from tickerkit.chart.widgets.download import Download, File

__all__ = ["Dashboard", "Download", "File", "LiveFigure", "chart", "dashboard"]
