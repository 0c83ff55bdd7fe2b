"""Creating the declared topics on a broker, and comparing what is there with the declaration."""

import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AdminClient,
    ClusterMetadata,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from service.settings import EXIT_NEEDS_A_PERSON
from topics.registry import TOPICS, Topic
from topics.settings import TopicsSettings

_REQUEST_TIMEOUT_S = 30.0
_REACH_TIMEOUT_S = 10.0
_POLL_S = 0.05


class BrokerUnreachableError(RuntimeError):
    """No broker answered in time; a later attempt may succeed."""

    def __init__(self, settings: TopicsSettings, cause: object) -> None:
        super().__init__(
            f"no Kafka broker answers at {settings.kafka_bootstrap_servers} "
            f"(LEAKY_KAFKA_BOOTSTRAP_SERVERS): {cause}"
        )


class TopicRefusedError(RuntimeError):
    """The broker does not create a topic as it is declared; a person must look."""

    def __init__(self, topic: str, cause: KafkaError) -> None:
        super().__init__(
            f"the broker does not create {topic}: {cause.str()} "
            "(LEAKY_TOPICS_REPLICATION_FACTOR asks for no more replicas than there are brokers)"
        )


@dataclass(frozen=True, slots=True)
class Difference:
    """One setting of one topic that is not as declared."""

    topic: str
    setting: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.topic}: {self.setting} is {self.found}, expected {self.expected}"


@dataclass(frozen=True, slots=True)
class TopicOnBroker:
    """What a broker says of one topic."""

    name: str
    partitions: int
    replication_factor: int
    config: Mapping[str, str]


class TopicsDifferError(RuntimeError):
    """The broker's topics are not the declared ones; a person must look."""

    def __init__(self, differences: Sequence[Difference]) -> None:
        self.differences = tuple(differences)
        super().__init__(
            "The broker's topics differ from what is declared:\n"
            + "".join(f"  {difference}\n" for difference in differences)
            + "Missing topics are made by `python -m topics create`. Settings are changed with "
            "Kafka's own tools. A number of partitions must not be changed: it would move "
            "accounts to partitions without their state."
        )


def admin_client(settings: TopicsSettings) -> AdminClient:
    """A client for the settings' brokers; connects when first used."""
    return AdminClient(
        {
            "bootstrap.servers": settings.kafka_bootstrap_servers,
            "socket.timeout.ms": 10_000,
            "log_level": 4,  # warnings; it tells of its own closing otherwise
        }
    )


def create_topics(settings: TopicsSettings, topics: Iterable[Topic] = TOPICS) -> list[str]:
    """Create what is missing, touch nothing else; returns the names that were created.

    Returns when every partition has a leader. Raises `BrokerUnreachableError`, or
    `TopicRefusedError`.
    """
    client = admin_client(settings)
    wanted = {topic.name_on_broker(settings.topics_prefix): topic for topic in topics}
    present = _partition_counts(client, settings)
    missing = [_new_topic(topic, settings) for name, topic in wanted.items() if name not in present]
    created = [
        name
        for name, answer in (client.create_topics(missing) if missing else {}).items()
        if _was_created(name, answer)
    ]
    _wait_for_leaders(client, settings, wanted)
    return created


def describe_topics(
    settings: TopicsSettings, topics: Iterable[Topic] = TOPICS
) -> dict[str, TopicOnBroker]:
    """What the broker has of the declared topics, by their names on the broker."""
    client = admin_client(settings)
    names = [topic.name_on_broker(settings.topics_prefix) for topic in topics]
    metadata = _metadata(client, settings).topics
    present = [name for name in names if name in metadata and metadata[name].error is None]
    configs = _configs(client, settings, present)
    return {
        name: TopicOnBroker(
            name=name,
            partitions=len(metadata[name].partitions),
            replication_factor=min(
                len(partition.replicas) for partition in metadata[name].partitions.values()
            ),
            config=configs[name],
        )
        for name in present
    }


def verify_topics(
    settings: TopicsSettings, topics: Iterable[Topic] = TOPICS
) -> tuple[Difference, ...]:
    """Every difference between the declared topics and the broker's; none when all is well."""
    topics = tuple(topics)
    found = describe_topics(settings, topics)
    return tuple(
        difference
        for topic in topics
        for difference in _differences(
            topic, settings, found.get(topic.name_on_broker(settings.topics_prefix))
        )
    )


def require_topics(settings: TopicsSettings, topics: Iterable[Topic] = TOPICS) -> None:
    """Raise `TopicsDifferError` unless the broker's topics are as declared."""
    if differences := verify_topics(settings, topics):
        raise TopicsDifferError(differences)


def verify_or_exit(settings: TopicsSettings, topics: Iterable[Topic] = TOPICS) -> None:
    """For the start of a process: go on only if the topics are as declared.

    Ends the process with code 78 when they differ (a restart would not help), and with 1 when no
    broker answers (it may).
    """
    try:
        require_topics(settings, topics)
    except TopicsDifferError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(EXIT_NEEDS_A_PERSON) from None
    except BrokerUnreachableError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(1) from None


def _new_topic(topic: Topic, settings: TopicsSettings) -> NewTopic:
    return NewTopic(
        topic.name_on_broker(settings.topics_prefix),
        num_partitions=topic.partitions(settings.topics_partitions),
        replication_factor=settings.topics_replication_factor,
        config=topic.expected_config(settings.topics_min_insync_replicas),
    )


def _was_created(name: str, answer: Future[None]) -> bool:
    try:
        answer.result(_REQUEST_TIMEOUT_S)
    except KafkaException as error:
        # Another process may create the same topics at this moment.
        if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
            return False
        raise TopicRefusedError(name, error.args[0]) from error
    return True


def _wait_for_leaders(
    client: AdminClient, settings: TopicsSettings, wanted: Mapping[str, Topic]
) -> None:
    deadline = time.monotonic() + _REQUEST_TIMEOUT_S
    while leaderless := _without_leader(client, settings, wanted):
        if time.monotonic() > deadline:
            raise BrokerUnreachableError(
                settings, f"no leader was elected for {', '.join(leaderless)}"
            )
        time.sleep(_POLL_S)


def _without_leader(
    client: AdminClient, settings: TopicsSettings, wanted: Iterable[str]
) -> list[str]:
    topics = _metadata(client, settings).topics
    return [
        name
        for name in wanted
        if name not in topics
        or not topics[name].partitions
        or any(partition.leader < 0 for partition in topics[name].partitions.values())
    ]


def _differences(
    topic: Topic, settings: TopicsSettings, found: TopicOnBroker | None
) -> Iterable[Difference]:
    name = topic.name_on_broker(settings.topics_prefix)
    if found is None:
        yield Difference(name, "topic", "present", "missing")
        return
    expected_layout = {
        "partitions": (topic.partitions(settings.topics_partitions), found.partitions),
        "replication.factor": (settings.topics_replication_factor, found.replication_factor),
    }
    for setting, (wanted, actual) in expected_layout.items():
        if wanted != actual:
            yield Difference(name, setting, str(wanted), str(actual))
    for setting, value in topic.expected_config(settings.topics_min_insync_replicas).items():
        actual_value = found.config.get(setting, "not reported")
        if actual_value != value:
            yield Difference(name, setting, value, actual_value)


def _metadata(client: AdminClient, settings: TopicsSettings) -> ClusterMetadata:
    try:
        return client.list_topics(timeout=_REACH_TIMEOUT_S)
    except KafkaException as error:
        raise BrokerUnreachableError(settings, error.args[0]) from error


def _partition_counts(client: AdminClient, settings: TopicsSettings) -> dict[str, int]:
    topics = _metadata(client, settings).topics
    return {name: len(topic.partitions) for name, topic in topics.items() if topic.error is None}


def _configs(
    client: AdminClient, settings: TopicsSettings, names: Sequence[str]
) -> dict[str, dict[str, str]]:
    if not names:
        return {}
    answers = client.describe_configs(
        [ConfigResource(ResourceType.TOPIC, name) for name in names],
        request_timeout=_REQUEST_TIMEOUT_S,
    )
    try:
        return {
            resource.name: {key: entry.value for key, entry in answer.result().items()}
            for resource, answer in answers.items()
        }
    except KafkaException as error:
        raise BrokerUnreachableError(settings, error.args[0]) from error
