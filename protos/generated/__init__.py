"""Written by `python -m protos.generate`."""
