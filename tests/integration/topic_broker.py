"""What the tests of topics/ need of a broker: settings of their own, and a look into its logs."""

import os
import subprocess
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path

from confluent_kafka import Consumer, Message, TopicPartition

from topics.reading import read_all
from topics.registry import Topic
from topics.settings import TopicsSettings


def fresh_settings(bootstrap_servers: str, data_dir: Path, partitions: int = 4) -> TopicsSettings:
    """Settings under which the broker has no topics yet."""
    return TopicsSettings(
        kafka_bootstrap_servers=bootstrap_servers,
        topics_prefix=f"test-{uuid.uuid4().hex[:12]}.",
        topics_partitions=partitions,
        data_dir=data_dir,
    )


def environment(settings: TopicsSettings) -> dict[str, str]:
    """The variables that give a process the same settings."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LEAKY_")}
    return inherited | {
        "LEAKY_KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
        "LEAKY_TOPICS_PREFIX": settings.topics_prefix,
        "LEAKY_TOPICS_PARTITIONS": str(settings.topics_partitions),
        "LEAKY_DATA_DIR": str(settings.data_dir),
    }


def start_topics(
    settings: TopicsSettings, command: str, changes: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """`python -m topics COMMAND` as a process; `changes` are further variables."""
    return subprocess.Popen(
        [sys.executable, "-m", "topics", command],
        env=environment(settings) | dict(changes or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def records(settings: TopicsSettings, topic: Topic, partition: int) -> list[Message]:
    """Every record of a partition."""
    return read_all(settings, topic.name_on_broker(settings.topics_prefix), partition)


def values(settings: TopicsSettings, topic: Topic, partition: int) -> list[bytes | None]:
    """Every record's value of a partition."""
    return [message.value() for message in records(settings, topic, partition)]


def end_offsets(settings: TopicsSettings, topic: Topic) -> list[int]:
    """The high watermark of each partition."""
    consumer = Consumer(
        {"bootstrap.servers": settings.kafka_bootstrap_servers, "group.id": "end-offsets"}
    )
    try:
        name = topic.name_on_broker(settings.topics_prefix)
        return [
            consumer.get_watermark_offsets(TopicPartition(name, partition), timeout=10)[1]
            for partition in range(topic.partitions(settings.topics_partitions))
        ]
    finally:
        consumer.close()
