from hypothesis import settings

# The same examples in every run, and no deadline: nothing here is about time.
settings.register_profile("repeatable", derandomize=True, deadline=None, database=None, max_examples=150)
settings.load_profile("repeatable")
