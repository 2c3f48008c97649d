"""What both ends of a connection share: liveness, TLS, addresses."""
