"""What a pipeline's process tells about itself."""

import json
from collections.abc import Callable, Mapping
from typing import Protocol

from service.metric_names import (
    PIPELINE_CHECKPOINT_SECONDS,
    PIPELINE_DECISION_SECONDS,
    PIPELINE_LAG,
    PIPELINE_RESTORE_SECONDS,
    PIPELINE_SKIPPED,
    PIPELINE_UNDELIVERABLE,
)
from service.metrics import Metrics


class RuntimeMetrics(Protocol):
    """What the runtime observes; called on the processing thread only."""

    def decided(self, seconds: float) -> None:
        """One record was applied."""
        ...

    def skipped(self) -> None:
        """One record had been applied before."""
        ...

    def checkpointed(self, seconds: float) -> None:
        """One checkpoint was committed; nothing was decided meanwhile."""
        ...

    def restored(self, seconds: float) -> None:
        """Newly assigned partitions were ready this long after their assignment."""
        ...

    def lag(self, records_behind: Mapping[int, int]) -> None:
        """How far each assigned partition is behind, in records."""
        ...

    def undeliverable(self, replies: int) -> None:
        """So many replies had an address that names no partition."""
        ...


class PrometheusRuntimeMetrics:
    """`RuntimeMetrics` in the process's registry."""

    def __init__(self, metrics: Metrics) -> None:
        self._decision = metrics.histogram(PIPELINE_DECISION_SECONDS)
        self._checkpoint = metrics.histogram(PIPELINE_CHECKPOINT_SECONDS)
        self._restore = metrics.histogram(PIPELINE_RESTORE_SECONDS)
        self._skipped = metrics.counter(PIPELINE_SKIPPED)
        self._lag = metrics.gauge(PIPELINE_LAG)
        self._undeliverable = metrics.counter(PIPELINE_UNDELIVERABLE)
        self.decided: Callable[[float], None] = self._decision.observe

    def skipped(self) -> None:
        self._skipped.inc()

    def checkpointed(self, seconds: float) -> None:
        self._checkpoint.observe(seconds)

    def restored(self, seconds: float) -> None:
        self._restore.observe(seconds)

    def lag(self, records_behind: Mapping[int, int]) -> None:
        self._lag.clear()
        for partition, records in records_behind.items():
            self._lag.labels(str(partition)).set(records)

    def undeliverable(self, replies: int) -> None:
        self._undeliverable.inc(replies)


def ends_from_statistics(statistics: str, topic: str) -> dict[int, int]:
    """Where each assigned partition's log ends, from librdkafka's statistics JSON of a consumer.

    It has a lag of its own, but only for offsets that are committed through it: ours go with the
    transaction. Partitions that have not been fetched from yet have no end to tell.
    """
    partitions = json.loads(statistics).get("topics", {}).get(topic, {}).get("partitions", {})
    return {
        int(number): partition["ls_offset"]
        for number, partition in partitions.items()
        if int(number) >= 0 and partition.get("ls_offset", -1) >= 0
    }
