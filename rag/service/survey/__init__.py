"""What a service shows of a whole library: comparison, audit, graph."""
