"""The messages of a request while they arrive; for other modules of the core only."""
