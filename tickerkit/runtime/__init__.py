"""What everything in the background shares: threads, the registry, cell re-runs, the error log."""
