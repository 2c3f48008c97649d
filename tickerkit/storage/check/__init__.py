"""What may be wrong with a recording: found, listed and told."""
