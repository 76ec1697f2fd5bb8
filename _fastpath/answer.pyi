"""Answers of one stream; for other modules of the core only."""
