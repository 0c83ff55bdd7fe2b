"""What a pipeline is to the runtime: a function from one record and its stores to outputs.

The same `Processor` runs live (on Quix Streams) and in a replay (on dictionaries), so that what a
replay proves is what ran. The runtime around it does all I/O; a processor does none, and reads no
clock: `now_ms` is the record's broker time, made monotonic per partition.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from state.store import PartitionStores

Headers = Sequence[tuple[str, bytes]]


class Record(NamedTuple):
    """One consumed record. `timestamp_ms` is the broker's (LogAppendTime)."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class OutputRecord(NamedTuple):
    """One record to produce. `partition` None: by the key (murmur2_random)."""

    topic: str
    key: bytes | None
    value: bytes
    headers: Headers = ()
    partition: int | None = None


@dataclass(slots=True)
class Outputs:
    """What one record causes.

    `transactional` records become visible with the checkpoint that also commits the state and the
    input's offset (events, dead letters). `prompt` records leave at once and outside of it
    (replies, commands to other pipelines): decided again after a crash, they are equal, and their
    receivers drop the second one.
    """

    transactional: list[OutputRecord] = field(default_factory=list)
    prompt: list[OutputRecord] = field(default_factory=list)


class Processor(Protocol):
    """A pipeline's thinking: deterministic, without I/O, without a clock."""

    def process(self, record: Record, now_ms: int, stores: PartitionStores) -> Outputs:
        """Apply one record.

        Every write goes through `stores`; nothing else is changed but caches that are checked
        against them. Bad input becomes a dead letter in the outputs; an exception means that the
        process must stop (the record is not skipped).
        """
        ...

    def next_wakeup_ms(self, partition: int, stores: PartitionStores) -> int | None:
        """When the partition next needs a tick (epoch ms), None when nothing is pending."""
        ...

    def forget(self, partition: int) -> None:
        """Drop the caches of a partition that was revoked or failed."""
        ...
