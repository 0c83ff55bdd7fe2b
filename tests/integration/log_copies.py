"""Copies of a system's log under another prefix, with events that somebody has tampered with."""

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from leaky.partition_log import LogReader, whole_spans
from tests.integration.accounts_system import PARTITIONS, AccountsSystem
from topics.registry import ACCOUNTS_COMMANDS, ACCOUNTS_EVENTS, Topic

_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class CopiedRecord:
    """A record as it is written to the copy."""

    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes
    headers: Sequence[tuple[str, bytes]]

    def with_value(self, value: bytes) -> "CopiedRecord":
        return replace(self, value=value)


Tampering = Callable[[list[CopiedRecord]], Iterable[CopiedRecord]]
"""What is done to the events of the copy, all partitions one after the other."""


def records(system: AccountsSystem, topic: Topic) -> list[CopiedRecord]:
    """All committed records of a topic, partition by partition."""
    name = topic.name_on_broker(system.prefix)
    with LogReader(system.settings) as reader:
        return [
            CopiedRecord(
                message.partition(),
                message.offset(),
                message.timestamp()[1],
                message.key(),
                message.value() or b"",
                tuple(message.headers() or ()),
            )
            for span in whole_spans(system.settings, name, range(PARTITIONS)).values()
            for message in reader.read(span)
        ]


def copy_log(system: AccountsSystem, tamper: Tampering = lambda events: events) -> AccountsSystem:
    """Commands and events under a new prefix; the records keep their times."""
    copy = replace(system, prefix=f"copy{uuid.uuid4().hex[:8]}.")
    commands = records(system, ACCOUNTS_COMMANDS)
    for number in range(PARTITIONS):
        offsets = [each.offset for each in commands if each.partition == number]
        assert offsets == list(range(len(offsets))), "a copy would move the commands"
    _write(copy, ACCOUNTS_COMMANDS, commands)
    _write(copy, ACCOUNTS_EVENTS, tamper(records(system, ACCOUNTS_EVENTS)))
    return copy


def _write(copy: AccountsSystem, topic: Topic, copied: Iterable[CopiedRecord]) -> None:
    name = topic.name_on_broker(copy.prefix)
    admin = AdminClient({"bootstrap.servers": copy.bootstrap_servers})
    # The broker's own time would be that of the copying.
    config = {"message.timestamp.type": "CreateTime", "retention.ms": "-1"}
    made = admin.create_topics([NewTopic(name, PARTITIONS, 1, config=config)])
    made[name].result(_TIMEOUT_S)
    producer = Producer({"bootstrap.servers": copy.bootstrap_servers, "enable.idempotence": True})
    for each in copied:
        producer.produce(
            name,
            key=each.key,
            value=each.value,
            partition=each.partition,
            timestamp=each.timestamp_ms,
            headers=list(each.headers),
        )
    assert producer.flush(_TIMEOUT_S) == 0
