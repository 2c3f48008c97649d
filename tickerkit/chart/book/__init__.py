"""Order books in a notebook: the heat map of a book over time, and its ladder."""
