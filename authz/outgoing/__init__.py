"""Calls to other servers: bounded clients for HTTP and gRPC that every evaluator uses."""
