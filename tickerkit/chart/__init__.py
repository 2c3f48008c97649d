"""Charts: live figures of a feed, and a dashboard with a watchlist around one."""

from tickerkit.chart import figure  # noqa: F401  # first, because it sends plotly.js
from tickerkit.chart.desk.dashboard import Dashboard
from tickerkit.chart.desk.opening import dashboard
from tickerkit.chart.feed_chart import chart, check_options
from tickerkit.chart.figure.figure import LiveFigure
from tickerkit.chart.widgets.download import Download
from tickerkit.chart.widgets.transfer import DownloadFile

__all__ = [
    "Dashboard",
    "Download",
    "DownloadFile",
    "LiveFigure",
    "chart",
    "check_options",
    "dashboard",
]
