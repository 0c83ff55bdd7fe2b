"""Where a partition stands: the last record applied, and the partition's clock.

The position lives in the partition's own state and is written in the transaction that holds the
record's other writes, so state and position cannot disagree. Live processing and a replay both
apply records by `run_record`: what a replay proves is what ran.
"""

import struct
from typing import NamedTuple

from pipelines.runtime.processor import Outputs, Processor, Record
from state.store import DurableStore, PartitionStores

POSITION_KEY = b"!position"
"""The position's key. The exclamation mark keeps it apart from every key of a pipeline."""

_VERSION = 1
_LAYOUT = struct.Struct(">Bqq")
"""Codec version, offset of the last record applied, clock in epoch milliseconds."""


class Position(NamedTuple):
    """`last_offset` has been applied; `clock_ms` never went back on the way there."""

    last_offset: int
    clock_ms: int


class UnknownPositionVersionError(RuntimeError):
    """The stored position was written by other code than this."""

    def __init__(self, value: bytes) -> None:
        super().__init__(
            f"the partition's stored position {value!r} is not of version {_VERSION} "
            f"with {_LAYOUT.size} bytes; run the release that wrote it, or rebuild the state"
        )


def read_position(store: DurableStore) -> Position | None:
    """The partition's position, None before its first record.

    Raises `UnknownPositionVersionError` if the bytes are not ours.
    """
    value = store.get(POSITION_KEY)
    if value is None:
        return None
    if len(value) != _LAYOUT.size or value[0] != _VERSION:
        raise UnknownPositionVersionError(value)
    _, last_offset, clock_ms = _LAYOUT.unpack(value)
    return Position(last_offset, clock_ms)


def write_position(store: DurableStore, position: Position) -> None:
    """Replace the partition's position."""
    store.set(POSITION_KEY, _LAYOUT.pack(_VERSION, position.last_offset, position.clock_ms))


def run_record(processor: Processor, record: Record, stores: PartitionStores) -> Outputs | None:
    """Apply one record to its partition's stores; None if it had been applied before.

    The time the processor is given is the record's broker time, or the partition's clock where
    that is later: brokers' clocks may step back, a partition's never does. Whatever the processor
    raises passes through, and the position then stays where it was.
    """
    position = read_position(stores.durable)
    now_ms = record.timestamp_ms
    if position is not None:
        if record.offset <= position.last_offset:
            return None
        now_ms = max(now_ms, position.clock_ms)
    outputs = processor.process(record, now_ms, stores)
    write_position(stores.durable, Position(record.offset, now_ms))
    return outputs
