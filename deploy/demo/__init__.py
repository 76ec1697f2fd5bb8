"""The demo: a sample service behind a real Envoy that asks Tollhouse about every request."""
