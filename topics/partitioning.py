"""Which partition a key belongs to: murmur2, as Kafka's Java client computes it.

librdkafka calls the same choice `murmur2_random`; every producer of a keyed topic must use it,
since a pipeline refuses (`misrouted`) what stands in another partition than its account's.
"""

from functools import lru_cache
from struct import unpack_from

PARTITIONER = "murmur2_random"
"""The value of librdkafka's `partitioner` setting for every producer of ours."""

_SEED = 0x9747B28C
_MULTIPLIER = 0x5BD1E995
_MASK = 0xFFFFFFFF
_POSITIVE = 0x7FFFFFFF

_REMEMBERED_ACCOUNTS = 16_384


def partition_for(key: bytes, partitions: int) -> int:
    """The partition, 0 to `partitions` - 1, that `key` belongs to."""
    return (murmur2(key) & _POSITIVE) % partitions


@lru_cache(maxsize=_REMEMBERED_ACCOUNTS)
def partition_of_account(account: str, partitions: int) -> int:
    """The partition of an account's id; recent ones are remembered, as hashing takes 7 µs."""
    return partition_for(account.encode(), partitions)


def murmur2(data: bytes) -> int:
    """MurmurHash2 (Austin Appleby), 32 bits, with the seed that Kafka uses; unsigned."""
    length = len(data)
    value = _SEED ^ length
    whole = length & ~3
    for word in unpack_from(f"<{whole >> 2}I", data):
        mixed = (word * _MULTIPLIER) & _MASK
        mixed = ((mixed ^ (mixed >> 24)) * _MULTIPLIER) & _MASK
        value = ((value * _MULTIPLIER) & _MASK) ^ mixed
    if tail := data[whole:]:
        value = ((value ^ int.from_bytes(tail, "little")) * _MULTIPLIER) & _MASK
    value = ((value ^ (value >> 13)) * _MULTIPLIER) & _MASK
    return value ^ (value >> 15)
