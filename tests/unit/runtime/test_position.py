"""One record applied: the offset guard, the partition's clock, and what is written when."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.runtime.position import (
    POSITION_KEY,
    Position,
    UnknownPositionVersionError,
    read_position,
    run_record,
    write_position,
)
from pipelines.runtime.processor import OutputRecord, Outputs, Record
from state.store import MemoryStore, PartitionStores


class Recorder:
    """A processor that answers every record with the time it was given."""

    def __init__(self) -> None:
        self.times: list[int] = []

    def process(self, record: Record, now_ms: int, stores: PartitionStores) -> Outputs:
        if record.value == b"break":
            raise ZeroDivisionError
        stores.durable.set(b"last value", record.value or b"")
        self.times.append(now_ms)
        return Outputs(transactional=[OutputRecord("events", None, b"%d" % now_ms)])

    def next_wakeup_ms(self, partition: int, stores: PartitionStores) -> int | None:  # noqa: ARG002 - the contract's
        return None

    def forget(self, partition: int) -> None:
        """It has no caches."""


def empty_stores() -> PartitionStores:
    return PartitionStores(durable=MemoryStore(), expiring=MemoryStore())


def record(offset: int, timestamp_ms: int = 1_000, value: bytes = b"v") -> Record:
    return Record("commands", 0, offset, timestamp_ms, b"key", value)


def test_a_partition_without_records_has_no_position() -> None:
    assert read_position(MemoryStore()) is None


def test_an_applied_record_leaves_its_offset_and_time_as_the_position() -> None:
    stores = empty_stores()
    outputs = run_record(Recorder(), record(7, timestamp_ms=1_234), stores)
    assert outputs is not None
    assert outputs.transactional[0].value == b"1234"
    assert read_position(stores.durable) == Position(last_offset=7, clock_ms=1_234)


@pytest.mark.parametrize("offset", [6, 7])
def test_a_record_at_or_below_the_position_is_skipped_and_changes_nothing(offset: int) -> None:
    processor, stores = Recorder(), empty_stores()
    run_record(processor, record(7), stores)
    assert run_record(processor, record(offset, 9_000, b"other"), stores) is None
    assert read_position(stores.durable) == Position(7, 1_000)
    assert stores.durable.get(b"last value") == b"v"


def test_gaps_between_offsets_are_as_transactions_leave_them() -> None:
    stores = empty_stores()
    run_record(Recorder(), record(7), stores)
    assert run_record(Recorder(), record(9), stores) is not None


@given(st.lists(st.integers(min_value=0, max_value=10_000), min_size=1))
def test_a_partitions_clock_never_goes_back_whatever_the_brokers_do(times: list[int]) -> None:
    processor, stores = Recorder(), empty_stores()
    for offset, timestamp_ms in enumerate(times):
        run_record(processor, record(offset, timestamp_ms), stores)
    assert processor.times == [max(times[: n + 1]) for n in range(len(times))]


def test_what_a_processor_raises_passes_through_and_leaves_the_position() -> None:
    stores = empty_stores()
    run_record(Recorder(), record(1), stores)
    with pytest.raises(ZeroDivisionError):
        run_record(Recorder(), record(2, value=b"break"), stores)
    assert read_position(stores.durable) == Position(1, 1_000)


def test_the_positions_bytes_are_those_of_version_1() -> None:
    store = MemoryStore()
    write_position(store, Position(last_offset=258, clock_ms=1))
    assert store.values == {
        POSITION_KEY: bytes.fromhex("01" + "0000000000000102" + "0000000000000001")
    }


@pytest.mark.parametrize("value", [b"", b"\x01", b"\x02" + bytes(16), bytes(17)])
def test_a_position_of_other_bytes_is_refused(value: bytes) -> None:
    with pytest.raises(UnknownPositionVersionError, match="run the release that wrote it"):
        read_position(MemoryStore({POSITION_KEY: value}))
