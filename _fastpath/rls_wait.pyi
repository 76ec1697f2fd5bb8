"""Rate limit requests that wait for a store; for other modules of the core only."""
