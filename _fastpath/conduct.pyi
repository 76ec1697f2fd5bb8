"""What a peer may make us do per second; for other modules of the core only."""
