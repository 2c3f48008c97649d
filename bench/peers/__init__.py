"""Alternatives to tickerkit, each written as its library's documentation shows."""
