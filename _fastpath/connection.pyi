"""One HTTP/2 connection; for other modules of the core only."""
