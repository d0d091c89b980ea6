"""Settings shared by all tests: property tests draw the same examples every time."""

from hypothesis import settings

settings.register_profile("steady", derandomize=True, max_examples=60, deadline=None)
settings.load_profile("steady")
