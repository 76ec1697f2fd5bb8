"""From an I/O thread to the interpreter; for other modules of the core only."""
