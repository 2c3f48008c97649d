"""Parquet: ticks as columnar files: how they are read, written whole, and finished."""
