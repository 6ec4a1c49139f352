"""Settings of all tests."""

from hypothesis import settings

# An example's time says more of the machine's load than of the code; speed is measured in benchmarks.
settings.register_profile("project", deadline=None)
settings.load_profile("project")
