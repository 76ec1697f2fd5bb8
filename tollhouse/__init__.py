"""The program: command line, settings, assembly, listeners and the HTTP side."""

__version__ = "0.1.0"
