"""The consumer under Quix Streams, made quick to take over partitions.

Quix asks for the watermarks of each input and changelog partition one by one, and each question
waits behind a fetch that the broker holds for up to half a second: 48 questions for 12 partitions.
Here they are asked together before the assignment, and Quix's questions answered from that.
"""

from collections.abc import Mapping
from types import MappingProxyType

from confluent_kafka import IsolationLevel, Message, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from quixstreams.internal_consumer import InternalConsumer

Watermarks = Mapping[tuple[str, int], tuple[int, int]]
"""By (topic, partition): the first offset the log has, and the next one it will give."""

_REQUEST_TIMEOUT_S = 10.0

_LONGEST_POLL_S = 0.25
"""Quix ends a restore at the first poll that finds nothing, after waiting a second for it."""


class AssignmentConsumer(InternalConsumer):
    """Quix's consumer, which may be told watermarks before it is asked for them."""

    _told: Watermarks = MappingProxyType({})

    def tell_watermarks(self, watermarks: Watermarks) -> None:
        """Answer with these until told others; an empty mapping asks the broker again."""
        self._told = watermarks

    def assign(self, partitions: list[TopicPartition]) -> None:
        """Assign, changelogs from their first record on, until Quix seeks to where a store ends.

        Without a place to start the client would look for a committed offset, find none, and fall
        back to the beginning, even after a seek that came meanwhile.
        """
        super().assign([self._with_start(p) for p in partitions])

    def _with_start(self, partition: TopicPartition) -> TopicPartition:
        told = self._told.get((partition.topic, partition.partition))
        if told is None or not self._topics[partition.topic].is_changelog:
            return partition
        return TopicPartition(partition.topic, partition.partition, told[0])

    def get_watermark_offsets(
        self, partition: TopicPartition, timeout: float | None = None, cached: bool = False
    ) -> tuple[int, int]:
        told = self._told.get((partition.topic, partition.partition))
        if told is not None:
            return told
        low, high = super().get_watermark_offsets(partition, timeout=timeout, cached=cached)
        return low, high

    def poll(self, timeout: float | None = None) -> Message | None:
        return super().poll(_LONGEST_POLL_S if timeout is None else min(timeout, _LONGEST_POLL_S))


def ask_watermarks(admin: AdminClient, partitions: list[TopicPartition]) -> Watermarks:
    """First and next offset of each partition, whatever transactions are open on it."""
    first = _offsets(admin, partitions, OffsetSpec.earliest())
    following = _offsets(admin, partitions, OffsetSpec.latest())
    return {key: (first[key], following[key]) for key in first}


def _offsets(
    admin: AdminClient, partitions: list[TopicPartition], spec: OffsetSpec
) -> dict[tuple[str, int], int]:
    futures = admin.list_offsets(
        {TopicPartition(p.topic, p.partition): spec for p in partitions},
        isolation_level=IsolationLevel.READ_UNCOMMITTED,
        request_timeout=_REQUEST_TIMEOUT_S,
    )
    return {(p.topic, p.partition): future.result().offset for p, future in futures.items()}
