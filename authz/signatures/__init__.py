"""Signatures of HTTP requests (RFC 9421) made with a shared secret."""
