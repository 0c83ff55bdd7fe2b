"""The changelogs that state is restored from: settled before a restore begins.

A transaction's commit marker reaches the offsets topic and the changelogs at different moments. A
restore in between would read new offsets and old state. So an assignment waits until no changelog
partition has an open transaction: its last stable offset equals its high watermark.
"""

import json
import time
from collections.abc import Iterable

from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from quixstreams.state.metadata import CHANGELOG_PROCESSED_OFFSETS_MESSAGE_HEADER

from pipelines.runtime.failures import ChangelogUnsettledError

_POLL_S = 0.05
_REQUEST_TIMEOUT_S = 10.0
_TAIL_RECORDS = 1_000
_TAIL_TIMEOUT_S = 60.0


def wait_until_settled(
    admin: AdminClient, partitions: Iterable[TopicPartition], timeout_s: float
) -> None:
    """Return once no partition has an open transaction.

    Raises `ChangelogUnsettledError` after `timeout_s`, and KafkaException when the broker refuses.
    """
    started = time.monotonic()
    open_partitions = list(partitions)
    while open_partitions:
        open_partitions = _with_open_transactions(admin, open_partitions)
        waited_s = time.monotonic() - started
        if open_partitions and waited_s > timeout_s:
            raise ChangelogUnsettledError([_named(p) for p in open_partitions], waited_s)
        if open_partitions:
            time.sleep(_POLL_S)


def _with_open_transactions(
    admin: AdminClient, partitions: list[TopicPartition]
) -> list[TopicPartition]:
    stable = _end_offsets(admin, partitions, IsolationLevel.READ_COMMITTED)
    written = _end_offsets(admin, partitions, IsolationLevel.READ_UNCOMMITTED)
    return [p for p in partitions if stable[_named(p)] < written[_named(p)]]


def _end_offsets(
    admin: AdminClient, partitions: list[TopicPartition], isolation: IsolationLevel
) -> dict[str, int]:
    futures = admin.list_offsets(
        {TopicPartition(p.topic, p.partition): OffsetSpec.latest() for p in partitions},
        isolation_level=isolation,
        request_timeout=_REQUEST_TIMEOUT_S,
    )
    return {_named(p): future.result().offset for p, future in futures.items()}


def _named(partition: TopicPartition) -> str:
    return f"{partition.topic}[{partition.partition}]"


def newest_applied_offset(
    connection: dict[str, str], changelog: TopicPartition, input_topic: str
) -> int | None:
    """The last input offset whose state changes the changelog partition holds; None for none.

    Every record of a changelog says in a header up to which input offset its checkpoint went. Only
    committed records count. Reads the tail, and further back only while it shows no record.
    """
    reader = Consumer(
        {
            **connection,
            "group.id": "changelog-tail",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
        }
    )
    try:
        low, end = reader.get_watermark_offsets(changelog, timeout=_REQUEST_TIMEOUT_S)
        window = _TAIL_RECORDS
        while end > low:
            start = max(low, end - window)
            newest = _last_applied_in(reader, changelog, start, input_topic)
            if newest is not None or start == low:
                return newest
            window *= 4
        return None
    finally:
        reader.close()


def _last_applied_in(
    reader: Consumer, changelog: TopicPartition, start: int, input_topic: str
) -> int | None:
    reader.assign([TopicPartition(changelog.topic, changelog.partition, start)])
    newest: int | None = None
    deadline = time.monotonic() + _TAIL_TIMEOUT_S
    while time.monotonic() < deadline:
        message = reader.poll(_POLL_S)
        if message is None:
            continue
        error = message.error()
        if error is not None:
            if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's own code
                return newest
            raise KafkaException(error)
        headers = dict(message.headers() or ())
        applied = json.loads(headers.get(CHANGELOG_PROCESSED_OFFSETS_MESSAGE_HEADER, b"{}"))
        newest = applied.get(input_topic, newest)
    raise TimeoutError(f"{_named(changelog)} could not be read to its end in {_TAIL_TIMEOUT_S} s")
