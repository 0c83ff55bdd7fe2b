"""The first policy on a real broker: one, the same everywhere, and never made again."""

import json
from pathlib import Path

import pytest

from schemas.default_policy import default_policy
from schemas.signing import Issuer
from tests.integration.topic_broker import (
    end_offsets,
    fresh_settings,
    records,
    start_topics,
    values,
)
from tests.servers import Servers
from topics.admin import create_topics
from topics.genesis import GenesisError, ensure_genesis
from topics.issuer_keys import load_issuers
from topics.published_policies import PublishedPolicy, read_published_policies
from topics.registry import ACCOUNTS_COMMANDS, POLICIES
from topics.sending import send_to_partitions
from topics.settings import TopicsSettings

_CONSUME = json.dumps(
    {
        "type": "consume",
        "version": 1,
        "commandId": "early-1",
        "account": "user:6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b",
        "provider": "policy",
        "tokens": 1,
    }
).encode()


@pytest.fixture
def settings(servers: Servers, tmp_path: Path) -> TopicsSettings:
    settings = fresh_settings(servers.kafka_bootstrap_servers, tmp_path)
    create_topics(settings, [ACCOUNTS_COMMANDS, POLICIES])
    return settings


def _policy(version: int = 1) -> PublishedPolicy:
    """A policy by an issuer of its own."""
    issuer = Issuer.generate()
    document = default_policy((issuer.public(),), "2026.1")
    return PublishedPolicy.signed(document.model_copy(update={"version": version}), issuer)


def _keep(settings: TopicsSettings, policy: PublishedPolicy) -> None:
    send_to_partitions(settings, POLICIES, {0: policy.value}, key=policy.key)


def _commands(settings: TopicsSettings, partition: int) -> list[bytes | None]:
    return values(settings, ACCOUNTS_COMMANDS, partition)


def test_every_partition_of_a_new_system_begins_with_the_same_signed_policy(
    settings: TopicsSettings,
) -> None:
    genesis = ensure_genesis(settings)

    assert genesis.made
    assert genesis.sent_to == (0, 1, 2, 3)
    assert genesis.policy.is_self_signed()
    (issuer,) = load_issuers(settings.data_dir)
    assert genesis.policy.document.issuers == (issuer.public(),)
    for partition in range(4):
        (record,) = records(settings, ACCOUNTS_COMMANDS, partition)
        assert record.value() == genesis.policy.value
        assert record.key() is None
        assert record.offset() == 0
    (kept,) = records(settings, POLICIES, 0)
    assert kept.value() == genesis.policy.value
    assert kept.key() == b"default"


def test_a_second_start_sends_nothing(settings: TopicsSettings) -> None:
    first = ensure_genesis(settings)
    before = end_offsets(settings, ACCOUNTS_COMMANDS), end_offsets(settings, POLICIES)

    second = ensure_genesis(settings)

    assert second.policy == first.policy
    assert not second.made
    assert second.sent_to == ()
    assert (end_offsets(settings, ACCOUNTS_COMMANDS), end_offsets(settings, POLICIES)) == before


def test_a_start_on_another_machine_neither_needs_nor_makes_a_key(
    settings: TopicsSettings, tmp_path: Path
) -> None:
    first = ensure_genesis(settings)
    elsewhere = settings.model_copy(update={"data_dir": tmp_path / "elsewhere"})

    second = ensure_genesis(elsewhere)

    assert second.policy == first.policy
    assert load_issuers(elsewhere.data_dir) == ()


def test_a_start_that_was_cut_short_is_finished_with_the_same_bytes(
    settings: TopicsSettings,
) -> None:
    policy = _policy()
    _keep(settings, policy)
    send_to_partitions(settings, ACCOUNTS_COMMANDS, {1: policy.value, 3: policy.value})

    genesis = ensure_genesis(settings)

    assert not genesis.made
    assert genesis.sent_to == (0, 2)
    assert [_commands(settings, partition) for partition in range(4)] == [[policy.value]] * 4


def test_commands_that_came_too_early_are_not_taken_for_policies(
    settings: TopicsSettings,
) -> None:
    forged = json.loads(_policy().value)
    forged["commandId"] = "altered-after-signing"
    early = [_CONSUME, b"\xff", b'["policy"]', json.dumps(forged).encode()]
    for value in early:
        send_to_partitions(settings, ACCOUNTS_COMMANDS, {2: value})

    genesis = ensure_genesis(settings)

    assert _commands(settings, 2) == [*early, genesis.policy.value]


def test_a_partition_with_another_first_policy_is_refused(settings: TopicsSettings) -> None:
    kept, other = _policy(), _policy()
    _keep(settings, kept)
    send_to_partitions(settings, ACCOUNTS_COMMANDS, {0: kept.value, 1: other.value})

    with pytest.raises(GenesisError) as refusal:
        ensure_genesis(settings)

    assert f"accounts.commands[1]: {other.digest}" in str(refusal.value)
    assert f"accounts.commands[0]: {kept.digest}" in str(refusal.value)
    assert end_offsets(settings, ACCOUNTS_COMMANDS) == [1, 1, 0, 0], "nothing was sent"


def test_a_kept_policy_that_is_not_the_logs_first_is_refused(settings: TopicsSettings) -> None:
    _keep(settings, _policy())
    send_to_partitions(settings, ACCOUNTS_COMMANDS, {0: _policy().value})

    with pytest.raises(GenesisError, match="first policies differ"):
        ensure_genesis(settings)


def test_the_first_policy_is_found_in_the_log_when_a_later_one_replaced_it(
    settings: TopicsSettings,
) -> None:
    first = _policy()
    send_to_partitions(settings, ACCOUNTS_COMMANDS, {0: first.value, 2: first.value})
    _keep(settings, _policy(version=2))

    genesis = ensure_genesis(settings)

    assert genesis.policy == first
    assert genesis.sent_to == (1, 3)


def test_a_lost_log_is_not_begun_anew(settings: TopicsSettings) -> None:
    _keep(settings, _policy(version=2))

    with pytest.raises(GenesisError, match="the log was lost"):
        ensure_genesis(settings)


def test_lost_policies_are_not_made_anew(settings: TopicsSettings) -> None:
    send_to_partitions(settings, ACCOUNTS_COMMANDS, {0: _policy().value})

    with pytest.raises(GenesisError, match="policies was lost"):
        ensure_genesis(settings)


def test_of_several_machines_that_start_at_once_one_makes_the_policy(
    servers: Servers, tmp_path: Path
) -> None:
    settings = fresh_settings(servers.kafka_bootstrap_servers, tmp_path)
    machines = [
        start_topics(settings, "create", {"LEAKY_DATA_DIR": str(tmp_path / str(number))})
        for number in range(3)
    ]
    outputs = [machine.communicate(timeout=120) for machine in machines]

    assert [machine.returncode for machine in machines] == [0, 0, 0], outputs
    assert sum("first policy made" in out for out, _ in outputs) == 1
    (kept,) = read_published_policies(settings)
    for partition in range(4):
        assert set(_commands(settings, partition)) == {kept.value}


def test_the_command_line_ends_with_78_where_first_policies_differ(
    settings: TopicsSettings,
) -> None:
    send_to_partitions(settings, ACCOUNTS_COMMANDS, {0: _policy().value, 1: _policy().value})
    _keep(settings, _policy())

    create = start_topics(settings, "create")
    _, complaint = create.communicate(timeout=60)

    assert create.returncode == 78
    assert "first policies differ" in complaint
    assert "Traceback" not in complaint
