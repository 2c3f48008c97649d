"""LiveFigure: a plotly FigureWidget that streams, and its page side in JavaScript."""
