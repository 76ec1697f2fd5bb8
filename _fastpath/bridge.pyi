"""Calls in the interpreter, made and used by the server; for other modules of the core only."""
