"""Descriptor trees: the configuration and the decisions of envoyproxy/ratelimit."""
