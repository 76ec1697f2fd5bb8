class Regex:
    """An RE2 regular expression, linear in the text. Safe to share between threads."""

    def __init__(self, pattern: str) -> None:
        """Raises ValueError with RE2's reason for a pattern that it refuses."""

    def search(self, text: str) -> bool:
        """Whether it matches anywhere in `text`."""
