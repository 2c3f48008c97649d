"""Replay: a recording played as if it were live: its ticks, its playhead and its controls."""
