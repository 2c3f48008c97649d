"""CSV: recordings and other programs' files as text."""
