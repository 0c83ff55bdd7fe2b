"""Our partitioner and the real producer's agree about every key."""

import random
import uuid
from pathlib import Path

from confluent_kafka import KafkaError, Message, Producer

from tests.integration.topic_broker import fresh_settings
from tests.servers import Servers
from topics.admin import create_topics
from topics.partitioning import PARTITIONER, partition_for, partition_of_account
from topics.registry import ACCOUNTS_EVENTS


def test_librdkafka_sends_each_key_where_our_partitioner_says(
    servers: Servers, tmp_path: Path
) -> None:
    settings = fresh_settings(servers.kafka_bootstrap_servers, tmp_path, partitions=12)
    create_topics(settings, [ACCOUNTS_EVENTS])
    seeded = random.Random(20261122)
    accounts = [f"user:{uuid.UUID(int=seeded.getrandbits(128))}" for _ in range(200)]
    keys = [account.encode() for account in accounts]
    keys += [seeded.randbytes(length) for length in range(100)]
    sent: dict[bytes, int] = {}

    def note(error: KafkaError | None, message: Message) -> None:
        assert error is None
        key, partition = message.key(), message.partition()
        assert partition is not None
        sent[key or b""] = partition

    producer = Producer(
        {
            "bootstrap.servers": servers.kafka_bootstrap_servers,
            "partitioner": PARTITIONER,
        }
    )
    for key in keys:
        producer.produce(
            ACCOUNTS_EVENTS.name_on_broker(settings.topics_prefix),
            key=key,
            value=b"",
            on_delivery=note,
        )
    assert producer.flush(30) == 0

    assert sent == {key: partition_for(key, 12) for key in keys}
    assert [sent[account.encode()] for account in accounts] == [
        partition_of_account(account, 12) for account in accounts
    ]
    assert set(sent.values()) == set(range(12))
