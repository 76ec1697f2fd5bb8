"""Settings of all tests."""

from hypothesis import settings

# A test may wait for a busy machine; nothing here is timed.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
