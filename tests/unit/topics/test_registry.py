"""The registry agrees with itself and with what each topic is for."""

import pytest

from schemas.base import REPLY_TO_PATTERN
from topics.registry import (
    ACCOUNTS_COMMANDS,
    ACCOUNTS_EVENTS,
    CHANGELOGS,
    DEAD_LETTERS,
    MAX_COMMANDS_RECORD_BYTES,
    POLICIES,
    REPLIES,
    TOPICS,
    Topic,
)

_LONGEST_NAME = 249


def _by_name(topic: Topic) -> str:
    return topic.name


def test_no_two_topics_share_a_name() -> None:
    assert len({topic.name for topic in TOPICS}) == len(TOPICS)


@pytest.mark.parametrize("topic", TOPICS, ids=_by_name)
def test_a_topic_is_written_and_read(topic: Topic) -> None:
    assert topic.producers
    assert topic.consumers


@pytest.mark.parametrize("topic", TOPICS, ids=_by_name)
def test_timestamps_are_the_brokers(topic: Topic) -> None:
    assert topic.expected_config(1)["message.timestamp.type"] == "LogAppendTime"


@pytest.mark.parametrize("topic", TOPICS, ids=_by_name)
def test_a_name_is_legal_under_the_longest_prefix(topic: Topic) -> None:
    assert len(topic.name_on_broker("p" * 80)) <= _LONGEST_NAME


@pytest.mark.parametrize("topic", [ACCOUNTS_COMMANDS, ACCOUNTS_EVENTS], ids=_by_name)
def test_the_log_and_its_events_are_kept_for_ever(topic: Topic) -> None:
    config = topic.expected_config(1)

    assert config["cleanup.policy"] == "delete"
    assert config["retention.ms"] == "-1"
    assert config["retention.bytes"] == "-1"


def test_replies_are_kept_five_minutes_and_dead_letters_two_weeks() -> None:
    assert REPLIES.config["retention.ms"] == "300000"
    assert DEAD_LETTERS.config["retention.ms"] == "1209600000"


@pytest.mark.parametrize("topic", [POLICIES, *CHANGELOGS], ids=_by_name)
def test_policies_and_changelogs_are_compacted_and_never_deleted(topic: Topic) -> None:
    assert topic.config["cleanup.policy"] == "compact"


@pytest.mark.parametrize("topic", CHANGELOGS, ids=_by_name)
def test_a_changelog_has_its_inputs_partitions_and_remembers_deletions(topic: Topic) -> None:
    assert topic.partitions(12) == ACCOUNTS_COMMANDS.partitions(12) == 12
    assert topic.config["delete.retention.ms"] == "2592000000"


def test_a_record_that_is_too_large_for_a_decision_still_fits_the_topic() -> None:
    assert int(ACCOUNTS_COMMANDS.config["max.message.bytes"]) > 2 * MAX_COMMANDS_RECORD_BYTES


def test_a_prefix_stands_before_every_topic_and_group() -> None:
    assert ACCOUNTS_COMMANDS.name_on_broker("test.") == "test.accounts.commands"
    assert [topic.name_on_broker("test.") for topic in CHANGELOGS] == [
        "changelog__test.accounts--test.accounts.commands--default",
        "changelog__test.accounts--test.accounts.commands--recent-commands",
    ]


def test_a_reply_address_starts_with_the_replies_topics_name() -> None:
    assert REPLY_TO_PATTERN.startswith(f"^{REPLIES.name}/")
