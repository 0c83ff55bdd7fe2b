"""Creating and verifying topics on a real broker."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    ResourceType,
)

from tests.integration.topic_broker import fresh_settings, start_topics
from tests.servers import Servers
from tests.service_process import free_port
from topics.admin import (
    Difference,
    TopicsDifferError,
    create_topics,
    describe_topics,
    require_topics,
    verify_or_exit,
    verify_topics,
)
from topics.registry import (
    ACCOUNTS_COMMANDS,
    ACCOUNTS_EVENTS,
    CHANGELOGS,
    DEAD_LETTERS,
    POLICIES,
    TOPICS,
    Topic,
)
from topics.settings import TopicsSettings


@pytest.fixture
def settings(servers: Servers, tmp_path: Path) -> TopicsSettings:
    return fresh_settings(servers.kafka_bootstrap_servers, tmp_path)


def _name(settings: TopicsSettings, topic: Topic) -> str:
    return topic.name_on_broker(settings.topics_prefix)


def _alter(settings: TopicsSettings, topic: Topic, setting: str, value: str) -> None:
    client = AdminClient({"bootstrap.servers": settings.kafka_bootstrap_servers})
    entry = ConfigEntry(setting, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(
        ResourceType.TOPIC, _name(settings, topic), incremental_configs=[entry]
    )
    for answer in client.incremental_alter_configs([resource]).values():
        answer.result(30)
    _wait_until(
        lambda: describe_topics(settings, [topic])[_name(settings, topic)].config[setting] == value
    )


def _wait_until(holds: Callable[[], bool]) -> None:
    """Brokers learn of changes a moment after the controller has made them."""
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, "the broker did not learn of the change"
        time.sleep(0.05)


def test_a_new_broker_gets_every_topic_as_it_is_declared(settings: TopicsSettings) -> None:
    created = create_topics(settings)

    assert created == [_name(settings, topic) for topic in TOPICS]
    assert verify_topics(settings) == ()
    commands = describe_topics(settings)[_name(settings, ACCOUNTS_COMMANDS)]
    assert commands.partitions == 4
    assert commands.config["message.timestamp.type"] == "LogAppendTime"
    assert commands.config["retention.ms"] == "-1"
    changelog = describe_topics(settings)[_name(settings, CHANGELOGS[0])]
    assert changelog.config["cleanup.policy"] == "compact"


def test_creating_again_creates_nothing(settings: TopicsSettings) -> None:
    create_topics(settings)

    assert create_topics(settings) == []


def test_what_is_missing_is_named_and_created_without_touching_the_rest(
    settings: TopicsSettings,
) -> None:
    create_topics(settings, [ACCOUNTS_COMMANDS])
    _alter(settings, ACCOUNTS_COMMANDS, "retention.ms", "1000")

    missing = {difference.topic for difference in verify_topics(settings)}
    created = create_topics(settings)

    assert missing == {_name(settings, topic) for topic in TOPICS}
    assert _name(settings, ACCOUNTS_COMMANDS) not in created
    assert verify_topics(settings) == (
        Difference(_name(settings, ACCOUNTS_COMMANDS), "retention.ms", "-1", "1000"),
    )


@pytest.mark.parametrize(
    ("topic", "setting", "declared", "value"),
    [
        (ACCOUNTS_COMMANDS, "message.timestamp.type", "LogAppendTime", "CreateTime"),
        (ACCOUNTS_EVENTS, "retention.bytes", "-1", "1000000"),
        (POLICIES, "cleanup.policy", "compact", "delete"),
        (CHANGELOGS[1], "cleanup.policy", "compact", "compact,delete"),
        (CHANGELOGS[0], "delete.retention.ms", "2592000000", "86400000"),
        (DEAD_LETTERS, "min.insync.replicas", "1", "2"),
    ],
    ids=lambda value: value.name if isinstance(value, Topic) else str(value),
)
def test_a_setting_that_differs_is_named_with_what_was_expected(
    settings: TopicsSettings, topic: Topic, setting: str, declared: str, value: str
) -> None:
    create_topics(settings, [topic])
    _alter(settings, topic, setting, value)

    (difference,) = verify_topics(settings, [topic])

    assert str(difference) == (
        f"{_name(settings, topic)}: {setting} is {value}, expected {declared}"
    )


def test_more_partitions_than_declared_are_named(settings: TopicsSettings) -> None:
    create_topics(settings, [ACCOUNTS_COMMANDS])
    name = _name(settings, ACCOUNTS_COMMANDS)
    client = AdminClient({"bootstrap.servers": settings.kafka_bootstrap_servers})
    client.create_partitions([NewPartitions(name, 6)])[name].result(30)
    _wait_until(lambda: describe_topics(settings, [ACCOUNTS_COMMANDS])[name].partitions == 6)

    with pytest.raises(TopicsDifferError, match="partitions is 6, expected 4"):
        require_topics(settings, [ACCOUNTS_COMMANDS])


def test_a_process_that_meets_other_topics_ends_with_78_and_says_why(
    settings: TopicsSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    create_topics(settings)
    others = settings.model_copy(update={"topics_partitions": 8})

    with pytest.raises(SystemExit) as end:
        verify_or_exit(others)

    assert end.value.code == 78
    assert f"{_name(settings, ACCOUNTS_COMMANDS)}: partitions is 4, expected 8" in (
        capsys.readouterr().err
    )


def test_the_command_line_creates_verifies_and_refuses(settings: TopicsSettings) -> None:
    before = start_topics(settings, "verify")
    _, complaint = before.communicate(timeout=60)
    create = start_topics(settings, "create")
    created, _ = create.communicate(timeout=60)
    after = start_topics(settings, "verify")
    verified, _ = after.communicate(timeout=60)
    described, _ = start_topics(settings, "describe", {"COLUMNS": "300"}).communicate(timeout=60)

    assert before.returncode == 78
    assert f"{_name(settings, POLICIES)}: topic is missing" in complaint
    assert create.returncode == 0
    assert f"created {_name(settings, ACCOUNTS_COMMANDS)}" in created
    assert after.returncode == 0
    assert verified == f"{len(TOPICS)} topics are as declared\n"
    for topic in TOPICS:
        assert _name(settings, topic) in described


def test_a_topic_that_the_broker_refuses_is_named_with_the_reason(settings: TopicsSettings) -> None:
    create = start_topics(settings, "create", {"LEAKY_TOPICS_REPLICATION_FACTOR": "10"})
    _, complaint = create.communicate(timeout=60)

    assert create.returncode == 78
    assert f"the broker does not create {_name(settings, ACCOUNTS_COMMANDS)}" in complaint
    assert "LEAKY_TOPICS_REPLICATION_FACTOR" in complaint
    assert "Traceback" not in complaint


def test_a_broker_that_does_not_answer_is_named_and_may_be_tried_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address = f"127.0.0.1:{free_port()}"

    with pytest.raises(SystemExit) as end:
        verify_or_exit(fresh_settings(address, tmp_path))

    assert end.value.code == 1
    assert f"no Kafka broker answers at {address}" in capsys.readouterr().err
