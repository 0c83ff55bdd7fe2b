"""`python -m pipelines.runtime rewind`: the repair that the offset guard asks for."""

import time
from typing import cast

import click
from confluent_kafka import (
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from topics.settings import TopicsSettings

_REQUEST_TIMEOUT_S = 30.0
_GROUP_EMPTY_WITHIN_S = 60.0
_RETRY_S = 0.2


@click.group()
def runtime() -> None:
    """Repairs of pipelines that do not start."""


@runtime.command()
@click.option("--group", required=True, help="The consumer group.")
@click.option("--topic", required=True, help="The input topic.")
@click.option("--partition", required=True, type=click.IntRange(min=0))
@click.option("--offset", required=True, type=click.IntRange(min=0), help="Next offset to apply.")
def rewind(group: str, topic: str, partition: int, offset: int) -> None:
    """Set where a stopped pipeline goes on in one partition; its state is left as it is.

    Waits until the group has no members: a process that ended counts as one until its session
    times out.
    """
    admin = AdminClient({"bootstrap.servers": TopicsSettings.load().kafka_bootstrap_servers})
    request = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, partition, offset)])
    deadline = time.monotonic() + _GROUP_EMPTY_WITHIN_S
    while (error := _alter(admin, request)) is not None:
        if error.code() != KafkaError.UNKNOWN_MEMBER_ID or time.monotonic() > deadline:
            raise click.ClickException(f"{topic}[{partition}]: {error.str()}")
        time.sleep(_RETRY_S)
    click.echo(f"{group} goes on at offset {offset} of {topic}[{partition}]")


def _alter(admin: AdminClient, request: ConsumerGroupTopicPartitions) -> KafkaError | None:
    """The broker's refusal, None when the offset was set."""
    answers = admin.alter_consumer_group_offsets([request], request_timeout=_REQUEST_TIMEOUT_S)
    try:
        altered = answers[request.group_id].result().topic_partitions
    except KafkaException as error:
        return cast(KafkaError, error.args[0])
    return next((partition.error for partition in altered if partition.error is not None), None)


if __name__ == "__main__":
    runtime(prog_name="python -m pipelines.runtime")
