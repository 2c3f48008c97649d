"""LiveFigure: a plotly FigureWidget that streams, and its page side in JavaScript."""

from tickerkit.chart.figure.plotlyjs import send_plotly_js_early

# Here, because this runs before any module of the folder imports plotly's FigureWidget.
send_plotly_js_early()
