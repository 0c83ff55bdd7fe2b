"""The store's interface: what the rules need of a key-value store, and nothing more.

A pipeline runs on two stores per partition. The *durable* one never forgets; in the *expiring*
one every key carries a time to live, which is garbage collection only: whether an entry still
counts is decided by a time inside the entry. RocksDB stands behind both in a running pipeline,
a dictionary in tests and in a replay.
"""

from dataclasses import dataclass, field
from typing import Protocol

MAX_VALUE_BYTES = 256 * 1024


class ValueTooLargeError(ValueError):
    """A state value is above `MAX_VALUE_BYTES`; writing it would stop the next checkpoint."""

    def __init__(self, key: bytes, size_bytes: int) -> None:
        super().__init__(
            f"state value of {key!r} has {size_bytes} bytes, at most {MAX_VALUE_BYTES} are allowed"
        )


class DurableStore(Protocol):
    """Keys that stay until they are deleted."""

    def get(self, key: bytes) -> bytes | None: ...
    def set(self, key: bytes, value: bytes) -> None: ...
    def delete(self, key: bytes) -> None: ...


class ExpiringStore(Protocol):
    """Keys that the store may drop once `ttl_ms` of record time has passed."""

    def get(self, key: bytes) -> bytes | None: ...
    def set(self, key: bytes, value: bytes, ttl_ms: int) -> None: ...
    def delete(self, key: bytes) -> None: ...


@dataclass(frozen=True, slots=True)
class PartitionStores:
    """Both stores of one partition, as seen by one record's transaction."""

    durable: DurableStore
    expiring: ExpiringStore


@dataclass(slots=True)
class MemoryStore:
    """A dictionary behind both interfaces: for replays and tests. Ignores times to live."""

    values: dict[bytes, bytes] = field(default_factory=dict)

    def get(self, key: bytes) -> bytes | None:
        return self.values.get(key)

    def set(self, key: bytes, value: bytes, ttl_ms: int = 0) -> None:  # noqa: ARG002 - entries carry their own time
        if len(value) > MAX_VALUE_BYTES:
            raise ValueTooLargeError(key, len(value))
        self.values[key] = value

    def delete(self, key: bytes) -> None:
        self.values.pop(key, None)
