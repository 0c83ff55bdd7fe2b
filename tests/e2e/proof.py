"""What a system's log says: its committed events, and that deciding it again gives the same."""

import json
import time
from collections.abc import Mapping
from typing import Any

from confluent_kafka import Message

from leaky.verification.report import VerifyReport
from leaky.verification.verify import verify
from topics.reading import read_until
from topics.registry import ACCOUNTS_COMMANDS, ACCOUNTS_EVENTS, Topic
from topics.settings import TopicsSettings

_POLL_S = 0.1

Event = dict[str, Any]
"""An event of `accounts.events` as JSON data."""


def settings_from(environment: Mapping[str, str]) -> TopicsSettings:
    """The topics that processes with these LEAKY_ variables use."""
    return TopicsSettings(
        kafka_bootstrap_servers=environment["LEAKY_KAFKA_BOOTSTRAP_SERVERS"],
        topics_prefix=environment["LEAKY_TOPICS_PREFIX"],
    )


def committed_events(settings: TopicsSettings) -> list[Event]:
    """Every committed event; those of one partition in their order."""
    return [json.loads(message.value() or b"") for message in _records(settings, ACCOUNTS_EVENTS)]


def command_types(settings: TopicsSettings, account: str) -> list[str]:
    """The types of all commands in the partition of `account`, in order."""
    commands = _records(settings, ACCOUNTS_COMMANDS)
    (partition,) = {each.partition() for each in commands if each.key() == account.encode()}
    return [
        json.loads(each.value() or b"")["type"]
        for each in commands
        if each.partition() == partition
    ]


def require_verified(settings: TopicsSettings) -> VerifyReport:
    """Fail unless `leaky verify` finds every published event as the log says."""
    report = verify(settings)
    assert report.is_clean, "\n".join(map(str, report.differences[:5]))
    return report


def wait_for_event(
    settings: TopicsSettings, kind: str, account: str, within_s: float = 60
) -> Event:
    """The account's first event of that type, as soon as it is committed."""
    deadline = time.monotonic() + within_s
    while True:
        for event in committed_events(settings):
            if event["type"] == kind and event.get("account") == account:
                return event
        assert time.monotonic() < deadline, f"no {kind} of {account} within {within_s:g} s"
        time.sleep(_POLL_S)


def _records(settings: TopicsSettings, topic: Topic) -> list[Message]:
    messages: list[Message] = []

    def keep(message: Message) -> bool:
        messages.append(message)
        return False

    partitions = range(topic.partitions(settings.topics_partitions))
    read_until(settings, topic.name_on_broker(settings.topics_prefix), partitions, keep)
    return messages
