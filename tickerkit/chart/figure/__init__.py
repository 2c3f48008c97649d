"""LiveFigure: a plotly FigureWidget that is appended to, and its side in the page."""
