"""Reading partitions from their start to the end that they have at that moment."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message
from confluent_kafka import TopicPartition as Partition

from topics.admin import BrokerUnreachableError
from topics.settings import TopicsSettings

_POLL_S = 0.5
_SILENCE_S = 30.0


def read_until(
    settings: TopicsSettings,
    topic: str,
    partitions: Iterable[int],
    is_enough: Callable[[Message], bool],
) -> None:
    """Show `is_enough` each partition's committed records in order.

    A partition ends when it answers True, or at the partition's end. Raises
    `BrokerUnreachableError` when nothing comes for 30 s.
    """
    open_partitions = set(partitions)
    with _consumer(settings) as consumer:
        consumer.assign([Partition(topic, number, OFFSET_BEGINNING) for number in open_partitions])
        deadline = time.monotonic() + _SILENCE_S
        while open_partitions:
            message = consumer.poll(_POLL_S)
            if message is None:
                if time.monotonic() > deadline:
                    raise BrokerUnreachableError(settings, f"{topic} cannot be read to its end")
                continue
            number = _partition_of(message)
            if number not in open_partitions:
                continue
            deadline = time.monotonic() + _SILENCE_S
            if _is_end(message) or is_enough(message):
                open_partitions.discard(number)
                consumer.pause([Partition(topic, number)])


def read_all(settings: TopicsSettings, topic: str, partition: int) -> list[Message]:
    """Every committed record of one partition; for topics that stay small."""
    messages: list[Message] = []

    def keep(message: Message) -> bool:
        messages.append(message)
        return False

    read_until(settings, topic, [partition], keep)
    return messages


def _is_end(message: Message) -> bool:
    error = message.error()
    if error is None:
        return False
    if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the code has no other name
        return True
    raise KafkaException(error)


def _partition_of(message: Message) -> int:
    number: int | None = message.partition()
    if number is None:
        raise KafkaException(message.error())
    return number


@contextmanager
def _consumer(settings: TopicsSettings) -> Iterator[Consumer]:
    consumer = Consumer(
        {
            "bootstrap.servers": settings.kafka_bootstrap_servers,
            # Required by the client; nothing is committed, and assign() joins no group.
            "group.id": f"{settings.topics_prefix}topics",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            "max.partition.fetch.bytes": 1024 * 1024,
            "fetch.wait.max.ms": 50,  # the end of a quiet partition is known that much sooner
            "queued.max.messages.kbytes": 4096,
        }
    )
    try:
        yield consumer
    finally:
        consumer.close()
