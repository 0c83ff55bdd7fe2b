"""What an account remembers, and the arithmetic on it.

Buckets, windows, quotas, holds, the account record, its byte codec and the store's interface.
Integers only; time is an argument; nothing here knows Kafka, a clock or a file.
"""
