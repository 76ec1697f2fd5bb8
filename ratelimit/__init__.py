"""Limits, their file formats, the rate limit services and the limits HTTP API."""
