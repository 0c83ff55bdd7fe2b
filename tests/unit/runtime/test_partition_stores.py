"""A partition's stores over real RocksDB partitions of Quix Streams."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from quixstreams.state.rocksdb.partition import RocksDBStorePartition

from pipelines.runtime.partition_stores import (
    CLEAN_CACHE_BYTES,
    AssignedPartition,
    QuixTransaction,
)
from state.store import MAX_VALUE_BYTES, ValueTooLargeError


class RocksPartition:
    """Both stores of one partition on disk, with checkpoints made by hand."""

    def __init__(self, folder: Path) -> None:
        self.durable = RocksDBStorePartition(str(folder / "durable"))
        self.expiring = RocksDBStorePartition(str(folder / "expiring"))
        self._transactions: dict[str, QuixTransaction] = {}
        self.assigned = AssignedPartition(
            lambda: self._transaction("durable", self.durable),
            lambda: self._transaction("expiring", self.expiring),
        )

    def _transaction(self, name: str, partition: RocksDBStorePartition) -> QuixTransaction:
        if name not in self._transactions:
            self._transactions[name] = partition.begin()
        return self._transactions[name]

    def commit(self) -> None:
        self.assigned.hand_over()
        for transaction in self._transactions.values():
            transaction.prepare()  # type: ignore[attr-defined]  # Quix's own, not in our protocol
            transaction.flush()  # type: ignore[attr-defined]  # likewise
        self.abandon()

    def abandon(self) -> None:
        self._transactions.clear()
        self.assigned.new_checkpoint()

    def close(self) -> None:
        self.durable.close()  # type: ignore[no-untyped-call]  # theirs
        self.expiring.close()  # type: ignore[no-untyped-call]  # theirs


@pytest.fixture
def rocks(tmp_path: Path) -> Iterator[RocksPartition]:
    made = RocksPartition(tmp_path)
    yield made
    made.close()


def test_writes_are_read_back_before_and_after_the_checkpoint(rocks: RocksPartition) -> None:
    durable, expiring = rocks.assigned.durable, rocks.assigned.expiring
    durable.set(b"a", b"1")
    expiring.set(b"e", b"2", ttl_ms=60_000)
    assert (durable.get(b"a"), expiring.get(b"e")) == (b"1", b"2")
    rocks.commit()
    assert (durable.get(b"a"), expiring.get(b"e")) == (b"1", b"2")


def test_a_key_written_often_in_a_checkpoint_is_handed_over_once(rocks: RocksPartition) -> None:
    for number in range(100):
        rocks.assigned.durable.set(b"a", b"%d" % number)
    rocks.assigned.hand_over()
    transaction = rocks.durable.begin()
    assert transaction.get_bytes(b"a", b"@") is None
    rocks.commit()
    assert rocks.durable.begin().get_bytes(b"a", b"@") == b"99"


def test_deleted_keys_are_gone_before_and_after_the_checkpoint(rocks: RocksPartition) -> None:
    durable, expiring = rocks.assigned.durable, rocks.assigned.expiring
    durable.set(b"a", b"1")
    expiring.set(b"e", b"2", ttl_ms=60_000)
    rocks.commit()
    durable.delete(b"a")
    expiring.delete(b"e")
    assert (durable.get(b"a"), expiring.get(b"e")) == (None, None)
    rocks.commit()
    assert (durable.get(b"a"), expiring.get(b"e")) == (None, None)


def test_balances_stay_while_entries_expire(rocks: RocksPartition) -> None:
    durable, expiring = rocks.assigned.durable, rocks.assigned.expiring
    expiring.at(1_000)
    durable.set(b"a", b"1")
    expiring.set(b"e", b"2", ttl_ms=500)
    rocks.commit()
    expiring.at(5_000)
    expiring.set(b"later", b"3", ttl_ms=500)
    rocks.commit()
    rocks.commit()
    assert durable.get(b"a") == b"1"
    assert (expiring.get(b"e"), expiring.get(b"later")) == (None, b"3")
    assert rocks.durable.uses_ttl_stamps is False


def test_a_value_too_large_for_a_checkpoint_is_refused_when_written(rocks: RocksPartition) -> None:
    largest, larger = bytes(MAX_VALUE_BYTES), bytes(MAX_VALUE_BYTES + 1)
    rocks.assigned.durable.set(b"a", largest)
    rocks.assigned.expiring.set(b"e", largest, ttl_ms=1)
    with pytest.raises(ValueTooLargeError):
        rocks.assigned.durable.set(b"a", larger)
    with pytest.raises(ValueTooLargeError):
        rocks.assigned.expiring.set(b"e", larger, ttl_ms=1)


def test_an_entry_without_a_time_to_live_is_refused(rocks: RocksPartition) -> None:
    with pytest.raises(ValueError, match="must be above 0 ms"):
        rocks.assigned.expiring.set(b"e", b"1", ttl_ms=0)


def test_what_is_kept_at_hand_is_bounded_and_read_again_from_disk(rocks: RocksPartition) -> None:
    durable = rocks.assigned.durable
    count = 2 * CLEAN_CACHE_BYTES // MAX_VALUE_BYTES
    for number in range(count):
        durable.set(b"%d" % number, bytes([1 + number]) * MAX_VALUE_BYTES)
    rocks.commit()
    assert durable.cached_bytes == 0
    assert durable.get(b"3") == bytes([4]) * MAX_VALUE_BYTES
