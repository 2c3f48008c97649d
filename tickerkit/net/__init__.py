"""Network code for both ends of a connection: liveness, TLS, addresses and URLs."""
