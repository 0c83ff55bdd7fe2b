"""The `leaky` command line: running the system, and asking, proving and administering it."""
