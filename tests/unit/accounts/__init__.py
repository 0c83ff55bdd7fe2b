"""The accounts pipeline's rules, one by one: given a policy and what was, when a command, then.

`partition.py` holds the partition that the tests talk to, `commands.py` what they say to it.
"""
