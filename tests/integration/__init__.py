"""One part against the real servers it works with."""
