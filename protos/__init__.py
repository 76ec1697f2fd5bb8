"""Wire contracts that no maintained package provides; see README.md."""
