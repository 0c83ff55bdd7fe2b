"""The stores of one assigned partition: RocksDB by Quix, with the checkpoint's writes in front.

Writes are gathered in a dictionary and handed to the Quix transaction once, just before the
checkpoint commits: a hot account written a hundred times between two checkpoints costs one write,
one changelog record. All keys of a partition share one key space, so that a record of any key can
reach any account.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

from state.store import MAX_VALUE_BYTES, PartitionStores, ValueTooLargeError

KEY_PREFIX = b"@"
"""Takes the place of the record key that Quix would put before each state key."""

CLEAN_CACHE_BYTES = 1 << 20
CLEAN_CACHE_KEYS = 10_000
"""How much committed state a partition keeps at hand before it forgets and reads again."""


class QuixTransaction(Protocol):
    """What we use of `quixstreams.state.rocksdb.transaction.RocksDBPartitionTransaction`."""

    def get_bytes(self, key: bytes, prefix: bytes) -> bytes | None: ...

    def set_bytes(
        self,
        key: bytes,
        value: bytes,
        prefix: bytes,
        *,
        timestamp: int | None = None,
        ttl: timedelta | None = None,
    ) -> None: ...

    def delete(self, key: bytes, prefix: bytes) -> None: ...


OpenTransaction = Callable[[], QuixTransaction]
"""The running checkpoint's transaction on one store of one partition."""


class DurableRocksStore:
    """Keys that stay until deleted. Values read or written stay cached past the checkpoint."""

    __slots__ = ("_bytes", "_dirty", "_open", "_transaction", "_values")

    def __init__(self, open_transaction: OpenTransaction) -> None:
        self._open = open_transaction
        self._transaction: QuixTransaction | None = None
        self._values: dict[bytes, bytes | None] = {}
        self._dirty: dict[bytes, None] = {}
        self._bytes = 0

    @property
    def cached_bytes(self) -> int:
        """Size of the values at hand, written or read."""
        return self._bytes

    def get(self, key: bytes) -> bytes | None:
        try:
            return self._values[key]
        except KeyError:
            pass
        if self._transaction is None:
            self._transaction = self._open()
        value = self._transaction.get_bytes(key, KEY_PREFIX)
        self._remember(key, value)
        return value

    def set(self, key: bytes, value: bytes) -> None:
        if len(value) > MAX_VALUE_BYTES:
            raise ValueTooLargeError(key, len(value))
        self._remember(key, value)
        self._dirty[key] = None

    def delete(self, key: bytes) -> None:
        self._remember(key, None)
        self._dirty[key] = None

    def hand_over(self) -> None:
        """Write the checkpoint's changes to Quix; the commit must follow before the next write."""
        if not self._dirty:
            return
        transaction = self._open()
        for key in self._dirty:
            value = self._values[key]
            if value is None:
                transaction.delete(key, KEY_PREFIX)
            else:
                transaction.set_bytes(key, value, KEY_PREFIX)

    def new_checkpoint(self) -> None:
        """Start the next checkpoint. The old Quix transaction cannot be used any more."""
        self._transaction = None
        self._dirty.clear()
        if self._bytes > CLEAN_CACHE_BYTES or len(self._values) > CLEAN_CACHE_KEYS:
            self._values.clear()
            self._bytes = 0

    def _remember(self, key: bytes, value: bytes | None) -> None:
        held = self._values.get(key)
        self._bytes += (0 if value is None else len(value)) - (0 if held is None else len(held))
        self._values[key] = value


class ExpiringRocksStore:
    """Keys that each carry a time to live; nothing is cached past the checkpoint.

    Every write has a time to live: the first one of a store without any would stamp an expiry on
    all keys that are there. So nothing but this class writes to the store, and only with one.
    """

    __slots__ = ("_deleted", "_now_ms", "_open", "_transaction", "_written")

    def __init__(self, open_transaction: OpenTransaction) -> None:
        self._open = open_transaction
        self._transaction: QuixTransaction | None = None
        self._written: dict[bytes, tuple[bytes, int, int]] = {}
        self._deleted: set[bytes] = set()
        self._now_ms = 0

    def at(self, now_ms: int) -> None:
        """The time from which the following writes live; the record's broker time."""
        self._now_ms = now_ms

    def get(self, key: bytes) -> bytes | None:
        written = self._written.get(key)
        if written is not None:
            return written[0]
        if key in self._deleted:
            return None
        if self._transaction is None:
            self._transaction = self._open()
        return self._transaction.get_bytes(key, KEY_PREFIX)

    def set(self, key: bytes, value: bytes, ttl_ms: int) -> None:
        if len(value) > MAX_VALUE_BYTES:
            raise ValueTooLargeError(key, len(value))
        if ttl_ms <= 0:
            raise ValueError(f"time to live of {key!r} must be above 0 ms, got {ttl_ms}")
        self._deleted.discard(key)
        self._written[key] = (value, ttl_ms, self._now_ms)

    def delete(self, key: bytes) -> None:
        self._written.pop(key, None)
        self._deleted.add(key)

    def hand_over(self) -> None:
        """Write the checkpoint's changes to Quix, which also drops what has expired by now."""
        transaction = self._open()
        durations: dict[int, timedelta] = {}
        for key, (value, ttl_ms, now_ms) in self._written.items():
            ttl = durations.get(ttl_ms)
            if ttl is None:
                ttl = durations[ttl_ms] = timedelta(milliseconds=ttl_ms)
            transaction.set_bytes(key, value, KEY_PREFIX, timestamp=now_ms, ttl=ttl)
        for key in self._deleted:
            transaction.delete(key, KEY_PREFIX)

    def new_checkpoint(self) -> None:
        """Start the next checkpoint. The old Quix transaction cannot be used any more."""
        self._transaction = None
        self._written.clear()
        self._deleted.clear()


class AssignedPartition:
    """What the runtime holds of one partition from its assignment to its revocation."""

    __slots__ = ("durable", "expiring", "next_offset", "stores", "touched")

    def __init__(
        self, open_durable: OpenTransaction, open_expiring: OpenTransaction, next_offset: int = 0
    ) -> None:
        self.durable = DurableRocksStore(open_durable)
        self.expiring = ExpiringRocksStore(open_expiring)
        self.stores = PartitionStores(durable=self.durable, expiring=self.expiring)
        self.touched = False
        """Whether a record was applied since the last checkpoint."""
        self.next_offset = next_offset
        """The offset of the record that is applied next."""

    def hand_over(self) -> None:
        """Write the checkpoint's changes of both stores to Quix."""
        self.durable.hand_over()
        self.expiring.hand_over()
        self.touched = False

    def new_checkpoint(self) -> None:
        """Start the next checkpoint, the last one being committed or empty."""
        self.durable.new_checkpoint()
        self.expiring.new_checkpoint()
