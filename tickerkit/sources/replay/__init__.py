"""A recording played as if it were live: its ticks, the playhead, and the controls."""
