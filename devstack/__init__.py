"""The embedded servers of a development machine: Kafka, PostgreSQL and Valkey.

One command (`python -m devstack up|down|status`) starts, stops and shows them; `leaky run` and
the tests use the same code through `devstack.stack.Devstack`. The programs come from packages:
Java, PostgreSQL and Valkey from wheels, Kafka's jars by coordinates with pinned SHA-256 digests.
A server whose address is set in the environment is used from there and never started.
"""
