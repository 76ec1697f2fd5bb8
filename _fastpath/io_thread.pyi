"""The loop of one I/O thread; for other modules of the core only."""
