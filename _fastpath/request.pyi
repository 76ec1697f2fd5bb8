"""Requests as nghttp2 reports them; for other modules of the core only."""
