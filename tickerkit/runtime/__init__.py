"""The background of servers, feeds and figures: threads, registry, cell re-runs, error log."""
