"""Sending records to chosen partitions, and knowing that they are in the log."""

from collections.abc import Mapping, Sequence

from confluent_kafka import KafkaError, Message, Producer

from topics.admin import BrokerUnreachableError
from topics.registry import Topic
from topics.settings import TopicsSettings

_TIMEOUT_S = 30.0

Headers = Sequence[tuple[str, bytes]]


def durable_producer(settings: TopicsSettings) -> Producer:
    """An idempotent producer, outside of transactions, that waits for all replicas in sync."""
    return Producer(
        {
            "bootstrap.servers": settings.kafka_bootstrap_servers,
            "enable.idempotence": True,
            "acks": "all",
            "linger.ms": 0,
            "delivery.timeout.ms": int(_TIMEOUT_S * 1000),
        }
    )


def send_to_partitions(
    settings: TopicsSettings,
    topic: Topic,
    values: Mapping[int, bytes],
    *,
    key: bytes | None = None,
    headers: Mapping[int, Headers] | None = None,
) -> None:
    """Append one value to each named partition; returns when all are in the log.

    Raises `BrokerUnreachableError` naming the partitions that did not take theirs in time.
    """
    if not values:
        return
    failed: dict[int, str] = {}

    def note(error: KafkaError | None, message: Message) -> None:
        partition = message.partition()
        if error is not None and partition is not None:
            failed[partition] = str(error)

    producer = durable_producer(settings)
    for partition, value in values.items():
        producer.produce(
            topic.name_on_broker(settings.topics_prefix),
            key=key,
            value=value,
            partition=partition,
            headers=list((headers or {}).get(partition, ())),
            on_delivery=note,
        )
    unsent = producer.flush(_TIMEOUT_S + 1)
    if failed or unsent:
        raise BrokerUnreachableError(
            settings, f"{topic.name} did not take {failed or f'{unsent} records'}"
        )
