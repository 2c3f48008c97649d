"""What servers and feeds share in the background: threads, registry, cell re-runs, error log."""
