"""`python -m bench.echo`: the floor of a stream processor: consume, produce, nothing else.

Reads the commands topic of its prefix and answers each command with one fixed reply, in the
partition that the command names.
"""

import re
import signal
import sys
from collections.abc import Iterator

from confluent_kafka import Consumer, Producer, TopicPartition

from schemas.limits import LimitKind, LimitReading, Unit
from schemas.outcomes import Outcome
from schemas.quotas import QuotaReading
from schemas.replies import Reply
from service.metrics import Metrics
from service.metrics_server import start_metrics_server
from topics.settings import TopicsSettings

_REPLY_TO = re.compile(rb'"replyTo":"replies/(\d+)"')

_REPLY = Reply(
    command_id="echo",
    command="consume",
    account="user:00000000-0000-4000-8000-000000000000",
    outcome=Outcome.GRANTED,
    at_ms=1_700_000_000_000,
    policy_version=1,
    provider="openai",
    tokens=1,
    limits=(
        LimitReading(
            name="tokens",
            kind=LimitKind.LEAKY_BUCKET,
            unit=Unit.TOKENS,
            limit=1000,
            used=1,
            remaining=999,
            window_ms=100_000,
            reset_ms=100,
        ),
    ),
    quota=QuotaReading(
        total_tokens=100_000,
        remaining_tokens=99_999,
        allowance_tokens=100_000,
        purchased_tokens=0,
        window_ms=86_400_000,
        reset_at_ms=1_700_086_400_000,
    ),
).to_json()
"""As long as the pipeline's own answer to the same command."""


def main() -> None:
    """Echo until SIGTERM."""
    settings = TopicsSettings.load()
    running = True

    def stop(number: int, frame: object) -> None:
        nonlocal running
        del number, frame
        running = False

    signal.signal(signal.SIGTERM, stop)
    connection = {"bootstrap.servers": settings.kafka_bootstrap_servers}
    producer = Producer(
        {
            **connection,
            "enable.idempotence": True,
            "linger.ms": 0,
            "max.in.flight.requests.per.connection": 1,
            "delivery.report.only.error": True,
        }
    )
    consumer = Consumer({**connection, "group.id": "echo", "enable.auto.commit": False})
    consumer.assign(list(_from_the_end(consumer, settings)))
    start_metrics_server(int(sys.argv[1]), Metrics("echo"), {})
    replies = f"{settings.topics_prefix}replies"
    while running:
        message = consumer.poll(0.02)
        while message is not None:
            named = _REPLY_TO.search(message.value() or b"")
            if named is not None:
                producer.produce(
                    replies, _REPLY, partition=int(named[1]), headers=message.headers()
                )
            producer.poll(0)
            message = consumer.poll(0)
    producer.flush(5)


def _from_the_end(consumer: Consumer, settings: TopicsSettings) -> Iterator[TopicPartition]:
    for number in range(settings.topics_partitions):
        partition = TopicPartition(f"{settings.topics_prefix}accounts.commands", number)
        _, partition.offset = consumer.get_watermark_offsets(partition, timeout=10)
        yield partition


if __name__ == "__main__":
    main()
