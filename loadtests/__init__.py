"""Load, benchmarks and soak: what drives a running Tollhouse hard, and what it is compared with."""
