"""The compiled core: everything that decides without the interpreter lock."""
