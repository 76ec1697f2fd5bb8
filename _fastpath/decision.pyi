"""The decision of a complete request; for other modules of the core only."""
