"""Desk: the dashboard of one feed or several: chart, watchlist, ribbon of events, and state."""
