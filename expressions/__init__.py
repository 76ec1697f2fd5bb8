"""The rule language: CEL, selectors and patterns, each once as semantics and once as a program."""
